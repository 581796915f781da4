"""Keys of ours, from the environment alone. Nothing prints one: not a repr, an error or a log."""

import os
import re
from base64 import b64encode
from hashlib import sha256

from flowsense.errors import InputError

PLACE = re.compile(r"\{key(?::([A-Za-z0-9]+))?\}")
BUCKET = 5  # last characters of a key that are told openly, so that it is found


class Secret:
    """A key that shows itself only to who asks for it by name."""

    __slots__ = ("_value", "variable")

    def __init__(self, variable: str, value: str) -> None:
        self.variable, self._value = variable, value

    def __repr__(self) -> str:
        return f"Secret({self.variable})"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere")

    def into(self, text: str) -> str:
        """What is said to the venue: in place of {key} the key, of {key:CHALLENGE} their hash."""
        return PLACE.sub(lambda found: self._answer(found[1]), text)

    def _answer(self, challenge: str | None) -> str:
        if challenge is None:
            return self._value
        hashed = sha256(f"{challenge}|{self._value}".encode()).hexdigest()
        return f"{hashed}-{self._value[-BUCKET:]}"

    def hidden(self, text: str) -> str:
        """What somebody else said, without the key."""
        return text.replace(self._value, "***")

    def bearer(self) -> dict[str, str]:
        """As the header of a request."""
        return {"Authorization": f"Bearer {self._value}"}

    def basic(self) -> dict[str, str]:
        """The same, where the key is a user without a password."""
        return {"Authorization": "Basic " + b64encode(f"{self._value}:".encode()).decode()}


def secret(variable: str) -> Secret:
    """Of this environment variable. Raises InputError where it is not set, or is no key."""
    value = os.environ.get(variable, "").strip()
    if not value:
        raise InputError(f"this venue wants a key: set the environment variable {variable} to it")
    if not (value.isascii() and value.isprintable()) or set(value) & set(' "\\|'):
        raise InputError(f"the environment variable {variable} holds characters that no key has")
    return Secret(variable, value)
