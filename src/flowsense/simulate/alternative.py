"""Alternative data of known worth: signals that foretell a move, or nothing."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import EVERY, OBSERVATION, SECOND, kind_of, zeros
from flowsense.simulate.latent import HINT
from flowsense.simulate.plants import MOVE, Planted, Stage, among, poisson, positive

Floats = NDArray[np.float64]
STRAGGLER = 10.0  # times as late as others


class Signal(NamedTuple):
    """Something observed that says, with noise, how far the price will move `lead_s` later.

    It happens every `every_s` on average and is worth s ~ N(0, ticks**2); `value` is s + N(0,
    (noise * ticks)**2). We know it after an exponential delay of mean `delay_s`, of a `late` share
    of them ten times as long: those may come after the move. A share `revised` is told again,
    with the same `ts_event` and `delay_s` later still, with half the noise. `lead_s` after it
    happened the efficient price moves by `worth` * s: with `worth` 0 the signal is useless and
    looks the same. Truth: `told` (n, 4) float64 of s, first value, second value or NaN, and 1
    where late; `told_at` (n, 4) int64 ns of when it happened, was known, was revised (0: never)
    and moves the price (venue's clock).
    """

    name: str = "signal"
    every_s: float = 5.0
    ticks: float = 4.0
    noise: float = 0.5
    worth: float = 1.0
    lead_s: float = 5.0
    delay_s: float = 0.5
    late: float = 0.1
    revised: float = 0.2
    instrument: int = EVERY  # whose price; EVERY: all of them

    def plan(self, rng: np.random.Generator, stage: Stage) -> Planted:
        positive("signal", self, "every_s", "ticks", "lead_s", "delay_s")
        for field in ("late", "revised"):
            if not 0 <= getattr(self, field) <= 1:
                raise InputError(f"signal {self.name}: {field}: give a share from 0 to 1")
        if not self.noise >= 0 or not self.name:
            raise InputError(f"signal {self.name!r}: give it a name, and noise of 0 or more")
        named = () if self.instrument == EVERY else (self.instrument,)
        who = among(f"signal {self.name}", named, stage)
        at, told = self.drawn(rng, stage)
        moves, hints = self.moves(at, told[:, 0], who), self.hints(at, told, who, stage)
        truth = {"told": told, "told_at": at}
        seen = self.observations(at, told, stage)
        if self.worth == 0:
            return Planted(truth, observations=seen, kinds=(self.name,))
        return Planted(truth, moves, hints, observations=seen, kinds=(self.name,))

    def drawn(self, rng: np.random.Generator, stage: Stage) -> tuple[NDArray[np.int64], Floats]:
        """The truth: `told_at` and `told`."""
        happened = poisson(rng, stage, self.every_s)
        n = len(happened)
        s, first, second = self.ticks * rng.standard_normal((3, n))
        late, again = rng.random(n) < self.late, rng.random(n) < self.revised
        wait = rng.exponential(self.delay_s, (2, n)) * SECOND
        known = happened + 1 + (wait[0] * np.where(late, STRAGGLER, 1.0)).astype(np.int64)
        revised = np.where(again, known + 1 + wait[1].astype(np.int64), 0)
        value = s + self.noise * first
        better = np.where(again, s + self.noise / 2 * second, np.nan)
        at = [happened, known, revised, happened + round(self.lead_s * SECOND)]
        return np.stack(at, axis=1), np.stack([s, value, better, late], axis=1)

    def observations(self, at: NDArray[np.int64], told: Floats, stage: Stage) -> Any:
        """In the order in which they were known; none after the end."""
        parts = []
        for k, known in ((1, np.ones(len(at), np.bool_)), (2, at[:, 2] > 0)):
            out = zeros(OBSERVATION, int(known.sum()))
            out["ts_event"], out["ts_recv"] = at[known, 0], at[known, k]
            out["value"], out["kind"] = told[known, k], kind_of(self.name)
            out["instrument"] = self.instrument
            parts.append(out)
        every = np.concatenate(parts)
        every = every[every["ts_recv"] < stage.end]
        return every[np.argsort(every["ts_recv"], kind="stable")].view(OBSERVATION)

    def moves(self, at: NDArray[np.int64], s: Floats, who: tuple[int, ...]) -> Any:
        out = zeros(MOVE, len(at) * len(who))
        out["ts"], out["step"] = np.tile(at[:, 3], len(who)), np.tile(self.worth * s, len(who))
        out["instrument"] = np.repeat(who, len(at))
        return out

    def hints(self, at: NDArray[np.int64], told: Floats, who: tuple[int, ...], stage: Stage) -> Any:
        """The posterior mean of the move, and what a revision adds to it."""
        first, both, again = self.expected(told)
        parts = []
        for k, step, known in ((1, first, at[:, 1] > 0), (2, both - first, again)):
            out = zeros(HINT, int(known.sum()))
            out["known_at"], out["ts"] = at[known, k], at[known, 3]
            out["step"] = self.worth * step[known]
            parts += [out.copy() for _ in who]
            for i, part in zip(who, parts[-len(who) :], strict=True):
                part["instrument"] = i
        every = np.concatenate(parts)
        return every[every["known_at"] < every["ts"] + stage.wire_ns]

    def expected(self, told: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """(n,) E[s | first value], E[s | both], whether there are both: normal, independent."""
        again, n2 = np.isfinite(told[:, 2]), self.noise**2
        if n2 == 0:
            return told[:, 0], told[:, 0], again
        second = np.where(again, told[:, 2], 0.0)
        weight = 1 + 1 / n2 + 4 * again / n2
        return (
            told[:, 1] / (1 + n2),
            (told[:, 1] / n2 + 4 * second / n2) / weight,
            again,
        )
