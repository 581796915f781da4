"""How long work tells those who wait for it."""

from typing import Protocol


class Progress(Protocol):
    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """`done` of `total` steps of the stage; None where the total is not known."""
        ...


def silent(stage: str, done: int, total: int | None) -> None:
    """For those who do not wait."""
