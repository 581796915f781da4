"""Fields of messages that are no prices: whole numbers and times, or ValueError."""

from flowsense.schema import MILLISECOND

END = 4_102_444_800_000  # ms, 2100


def whole(value: object) -> int:
    """A number of JSON, or its digits as text.

    >>> whole(12), whole("12")
    (12, 12)
    """
    if type(value) is str and len(value) < 20 and value.isascii() and value.isdecimal():
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{_short(value)} is no whole number below 2**63")
    return value


def millis(value: object) -> int:
    """A time in ms, as ns.

    >>> millis("1723161255208")
    1723161255208000000
    """
    ms = whole(value)
    if ms >= END:
        raise ValueError(f"{ms} is no time in ms before 2100")
    return ms * MILLISECOND


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
