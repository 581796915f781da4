"""Shapes of a kernel: how the children of a point are spread over time.

Each is a mixture of exponentials, integrates to one, and has at most one free parameter, so that
every shape needs two columns of a design: its decayed sum and the derivative of that.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, Self

import numpy as np

from flowsense.errors import InputError
from flowsense.simulate.points import Floats

FASTEST, SLOWEST = 1e7, 1e-6  # decays per second that a fit may reach
STEEPEST = 4.0  # exponent of a power law


class Terms(NamedTuple):
    """Q shapes of P exponentials, and their derivatives by the free parameter of each shape."""

    beta: Floats  # (P,) per second
    mix: Floats  # (Q, P)
    by_mix: Floats  # (Q, P) d mix / d parameter
    by_decay: Floats  # (Q, P) mix x d log beta / d parameter


class Shapes(Protocol):
    """What a fit needs to know of a family of kernels."""

    @property
    def free(self) -> Floats: ...  # (Q,) where the parameters stand now
    @property
    def bounds(self) -> tuple[float, float]: ...  # of each
    def at(self, free: Floats) -> Self: ...
    def terms(self) -> Terms: ...


@dataclass(frozen=True, slots=True)
class Exponentials:
    """beta exp(-beta t), one for each decay; its parameter is log beta. Raises InputError."""

    decays: tuple[float, ...]  # per second

    def __post_init__(self) -> None:
        if not self.decays or not all(SLOWEST <= d <= FASTEST for d in self.decays):
            raise InputError(f"decays {self.decays}: give numbers from {SLOWEST:g} to {FASTEST:g}")

    @property
    def free(self) -> Floats:
        return np.log(self.decays)

    @property
    def bounds(self) -> tuple[float, float]:
        return math.log(SLOWEST), math.log(FASTEST)

    def at(self, free: Floats) -> Self:
        return replace(self, decays=tuple(np.exp(free).tolist()))

    def terms(self) -> Terms:
        one = np.eye(len(self.decays))
        return Terms(np.array(self.decays), one, np.zeros_like(one), one)


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """(t + shortest)^-(1 + exponent), nearly, up to `longest`; its parameter is the exponent.

    A sum of exponentials on a logarithmic grid whose weights are tied by the power law: its Laplace
    representation, ``integral of beta^exponent exp(-beta (t + shortest)) d beta``, by rectangles
    (Bochud & Challet 2007; Hardiman, Bercot & Bouchaud 2013). Raises InputError.
    """

    exponent: float = 0.5
    shortest: float = 0.001  # seconds
    longest: float = 100.0  # seconds
    each: float = 2.0  # ratio of neighbouring decays

    def __post_init__(self) -> None:
        if not 0 < self.shortest < self.longest < math.inf or not 1 < self.each <= 10:
            raise InputError(f"power law from {self.shortest} s to {self.longest} s: widen it")
        if not 0 < self.exponent <= STEEPEST:
            raise InputError(f"exponent {self.exponent}: give a number in (0, {STEEPEST:g}]")

    @property
    def free(self) -> Floats:
        return np.array([self.exponent])

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.01, STEEPEST

    def at(self, free: Floats) -> Self:
        return replace(self, exponent=float(free[0]))

    def terms(self) -> Terms:
        low, high = 1 / self.longest, 8 / self.shortest
        grid = np.arange(math.ceil(math.log(high / low) / math.log(self.each)) + 1)
        beta = np.asarray(low * self.each**grid, np.float64)
        log = self.exponent * np.log(beta) - beta * self.shortest
        mix = np.exp(log - log.max())
        mix /= mix.sum()
        by_mix = mix * (np.log(beta) - mix @ np.log(beta))
        return Terms(beta, mix[None], by_mix[None], np.zeros((1, len(beta))))
