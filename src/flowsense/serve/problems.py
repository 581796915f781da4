"""Refusals: every answer that is no success says the same four things."""

from http import HTTPStatus

from flowsense.served import Problem


class Refused(Exception):
    """A request that is not served, and what its sender is told."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str = "",
        hint: str = "",
        after: float = 0.0,
    ) -> None:
        """after: seconds until it is worth another try; 0: nobody knows."""
        super().__init__(message)
        self.status, self.after = status, after
        self.problem = Problem(code, message, field, hint)

    @property
    def headers(self) -> dict[str, str]:
        found = {"retry-after": str(max(1, round(self.after)))} if self.after else {}
        return found | ({"www-authenticate": "Bearer"} if self.status == 401 else {})


def of_status(status: int) -> Refused:
    """What the router says itself: no such path, no such method."""
    phrase = HTTPStatus(status).phrase
    hint = "/docs and /openapi.json tell all that there is"
    return Refused(status, phrase.lower().replace(" ", "_"), f"{phrase}.", hint=hint)


def shown(value: object) -> str:
    """What somebody sent, short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
