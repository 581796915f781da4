"""Who may look over a pipeline's shoulder."""

from typing import Protocol

from flowsense.serve.decisions import Decided
from flowsense.served import Prediction, Swap
from flowsense.sources.venues.decoder import Told


class Observer(Protocol):
    """Who is told of everything, on the loop; it waits for nothing and changes nothing."""

    def heard(self, told: Told) -> None:
        """Events of one message, one or more."""
        ...

    def decided(self, decided: list[Decided]) -> None: ...
    def told(self, prediction: Prediction) -> None: ...
    def swapped(self, swap: Swap) -> None: ...
