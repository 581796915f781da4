"""A venue that does not take us, and what somebody can do about it."""

from flowsense.errors import InputError
from flowsense.sources.secret import Secret


class Refused(InputError):
    """The venue does not take us, and trying again would not help."""


def refused(venue: str, why: str, key: Secret | None) -> Refused:
    """One sentence; of a venue that wants a key it names the environment variable."""
    remedy = "it lets nobody in from here without an account"
    if key is not None:
        remedy = f"set {key.variable} to a key that it takes"
    return Refused(f"{venue}: {why}: {remedy}")
