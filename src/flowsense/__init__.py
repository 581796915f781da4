"""Order-flow prediction: sources -> book -> features -> models -> evaluation -> report.

The public face is small and loaded when it is first used::

    reader = flowsense.read("GOOG_..._message_10.csv")
    run = flowsense.walk_forward(reader, models=["logistic", "xgboost"])
    run.report("report.html")
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowsense.engine import Engine
    from flowsense.errors import InputError
    from flowsense.forecast import Forecast, Target
    from flowsense.simulate.market import Market
    from flowsense.tape import Rows
    from flowsense.train.read import Recording, read
    from flowsense.train.run import Run, walk_forward
    from flowsense.train.stream import Stream

# Threads that spin while they wait slow each other down; OpenMP reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

FACE = {
    "Engine": "flowsense.engine",
    "Forecast": "flowsense.forecast",
    "InputError": "flowsense.errors",
    "Market": "flowsense.simulate.market",
    "Recording": "flowsense.train.read",
    "Rows": "flowsense.tape",
    "Run": "flowsense.train.run",
    "Stream": "flowsense.train.stream",
    "Target": "flowsense.forecast",
    "read": "flowsense.train.read",
    "walk_forward": "flowsense.train.run",
}
__all__ = [
    "Engine",
    "Forecast",
    "InputError",
    "Market",
    "Recording",
    "Rows",
    "Run",
    "Stream",
    "Target",
    "read",
    "walk_forward",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in FACE:
        return getattr(import_module(FACE[name]), name)
    raise AttributeError(f"module 'flowsense' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *FACE])
