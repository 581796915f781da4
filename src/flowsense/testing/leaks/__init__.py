"""The leak checker: does anything know what it could not know yet? `flowsense doctor leaks`.

What can be run again is run again with another future. What cannot, a table of numbers, is held
against all that could be known.
"""

from flowsense.testing.leaks.findings import Finding
from flowsense.testing.leaks.run import Asked, judge_code, judge_table

__all__ = ["Asked", "Finding", "judge_code", "judge_table"]
