"""How much memory a stage took: the most that the process held meanwhile."""

import re
from contextlib import suppress
from pathlib import Path

PROCESS = Path("/proc/self")
HELD = re.compile(r"VmHWM:\s+(\d+) kB")


class Peak:
    """``with Peak() as peak: ...``, then `peak.bytes`; 0 where the system does not tell.

    Linux counts the most since it was last asked to begin anew, which this asks. Some containers
    leave that unheard: what is told there is the most since the process began, never too little.
    """

    def __init__(self) -> None:
        self.bytes = 0

    def __enter__(self) -> "Peak":
        with suppress(OSError):
            (PROCESS / "clear_refs").write_text("5")
        return self

    def __exit__(self, *error: object) -> None:
        self.bytes = held()


def held() -> int:
    """The most that this process held, in bytes."""
    try:
        found = HELD.search((PROCESS / "status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
