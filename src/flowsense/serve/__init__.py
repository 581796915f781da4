"""Predictions as they are served: the pipeline, its API, and what is told of both.

A `Service` is what the API speaks for; `pipeline.InferencePipeline` is one. What it says is the
plain data of `flowsense.served`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from flowsense.served import (
    Explanation,
    Feed,
    Likelihood,
    Model,
    Prediction,
    Status,
    Swap,
)

__all__ = [
    "Explanation",
    "Feed",
    "Likelihood",
    "Model",
    "Prediction",
    "Service",
    "Status",
    "Swap",
]


class Service(Protocol):
    """What the API speaks for. Raises InputError for what its user did."""

    def status(self) -> Status: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def reload(self, path: Path | None) -> Swap:
        """Another model in its place, if it passes a canary batch; None: the same path again."""
        ...

    def latest(self, symbol: str, venue: str = "") -> Prediction | None: ...
    def explain(self, symbol: str, venue: str = "") -> Explanation | None:
        """Of the latest prediction."""
        ...

    async def of_events(self, events: bytes) -> tuple[Prediction, ...]:
        """Of a recording of its own (Arrow or Parquet of EVENTs, as `store.events` writes them)."""
        ...

    async def of_row(self, columns: dict[str, float], symbol: str, venue: str = "") -> Prediction:
        """Of one ready row of features; columns that are left out are missing."""
        ...

    def subscribe(
        self,
        hear: Callable[[Prediction], None],
        stale: Callable[[Prediction], None] | None = None,
    ) -> Callable[[], None]:
        """Every prediction from now on, on the loop's thread; what is returned ends it.

        stale: given the latest of an instrument again, with its number, marked, where its venue has
        fallen silent or was lost since, or nothing is heard any more.
        """
        ...

    def since(self, sequence: int) -> tuple[Prediction, ...]:
        """Those kept that come after this number, oldest first."""
        ...
