"""Ours and a named alternative, measured in one run. A benchmark is never a test."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """What `flowsense bench NAME --json` prints."""

    name: str
    metrics: dict[str, Any]
    baseline: dict[str, Any]  # its name, and the same metrics where it has them
    ratio: float  # how many times better ours is; limit / ours where only a limit is stated


def recordings() -> Path:
    """Where recordings lie: $FLOWSENSE_DATA, by default beside the repository."""
    return Path(os.environ.get("FLOWSENSE_DATA", "../shared/data"))
