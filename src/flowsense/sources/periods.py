"""Lengths of time as options say them: ``16h``, ``1d``, ``100ms``, and ``0s``."""

import re

from flowsense.forecast import duration


def period(text: str) -> int:
    """ns, 0 too. Raises InputError.

    >>> period("16h") // 1_000_000_000
    57600
    """
    return 0 if re.fullmatch(r"0+(ns|us|ms|s|m|h|d)", text) else duration(text)
