"""Logistic regression whose side flips when bids and asks are swapped: f(x) - f(mirror x).

It cannot learn the drift of the training day, which is no skill, and has half the weights.
"""

from dataclasses import dataclass

from flowsense.model.linear import Linear
from flowsense.model.terms import Terms, odd
from flowsense.tape import Column


@dataclass(frozen=True, slots=True)
class Antisymmetric(Linear):
    """Odd terms without mean or constant."""

    def side(self, columns: tuple[Column, ...]) -> Terms:
        return odd(columns)

    @property
    def centred(self) -> bool:
        return False
