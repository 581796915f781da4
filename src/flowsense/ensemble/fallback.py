"""The ensemble where it is as good as its best member on rows kept for that, else that member.

Combiners are judged on each half of what they heard as fitted on the other, target by target and
against members on the same rows. The plain mean, which has learned nothing, is heard unless the
best single member is better beyond the error of their difference; what was learned has to be surely
better than both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble import Combiner, Heard
from flowsense.ensemble.blend import Blend
from flowsense.ensemble.combiners import anew, combiner, in_regimes, told, untold
from flowsense.ensemble.held import chained, kept, spans, tape_of
from flowsense.ensemble.opinions import Bools, Opinions, cut, sides, tied
from flowsense.ensemble.states import joined, numbered, own, part
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model.calibrated import losses
from flowsense.model.sides import Floats
from flowsense.schema import Instrument
from flowsense.tape import Tape

SURELY = 2.0  # standard errors
MEAN = "mean"
TRIED = ("blend", "select", "agree", "stack", "adaptive", "super")
AT_ONCE = 1 << 14  # rows
ABOUT = "tried"  # its name among the parameters


class Choice(NamedTuple):
    """What was found on the rows kept for it, of C combiners, N members and T targets."""

    target: NDArray[np.str_]  # (T,)
    names: NDArray[np.str_]  # (C + N,) combiners, then members
    heard: NDArray[np.int64]  # (T,) which of these is heard
    loss: Floats  # (T, C + N) mean log-loss of the side; of a magnitude, mean error
    gain: Floats  # (T,) mean loss of the best member less that of the best ensemble
    error: Floats  # (T,) standard error of the gain
    rows: NDArray[np.int64]  # (T,)


class Verdict(NamedTuple):
    """Who is heard on one target, and why."""

    heard: str
    combined: bool  # an ensemble; else one member alone
    why: str


def usual() -> tuple[Combiner[Any], ...]:
    """The plain mean, and those that have to beat it."""
    return (Blend(learn=False, table=False), *map(combiner, TRIED))


@dataclass(frozen=True, slots=True)
class Fallback:
    """Not ready only where nobody is: a member that is heard alone is stood in for by the mean."""

    fewest: int = 100  # rows that a choice is made on; with fewer it is the mean
    tried: tuple[Combiner[Any], ...] = field(default_factory=usual)  # the first is the mean
    choice: Choice | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(Target.parse(str(t)) for t in self.choice.target) if self.choice else ()

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Of each target, for reports."""
        found = self.choice
        each = range(len(found.target)) if found else ()
        return {str(found.target[t]): self._verdict(found, t) for t in each} if found else {}

    def _verdict(self, of: Choice, t: int) -> Verdict:
        C, k = len(self.tried), int(of.heard[t])
        name = str(of.names[k])
        if of.rows[t] < self.fewest:
            return Verdict(name, True, f"{of.rows[t]} rows to choose by are too few: {name}")
        best, other = k if k < C else 0, C + int(np.argmin(of.loss[t, C:]))
        losses = f"loss of {of.names[best]} {of.loss[t, best]:.4f}, of {of.names[other]} alone "
        losses += f"{of.loss[t, other]:.4f} (standard error {of.error[t]:.4f})"
        what = name if k < C else f"{name} alone"
        return Verdict(name, k < C, f"{what}: {losses} on {of.rows[t]} held-back rows")

    def in_regimes(self, names: tuple[str, ...]) -> Self:
        """The same for regimes of these names."""
        return replace(self, tried=tuple(in_regimes(one, names) for one in self.tried))

    def fit(self, heard: Heard, labels: Labels) -> Self:
        """Combiners are fitted again on all rows once it is known which are heard."""
        names = np.array([*self._names, *heard.names])
        T = len(labels.targets)
        zeros, none = np.zeros(T), np.zeros(T, np.int64)
        target = np.array([str(t) for t in labels.targets])
        choice = Choice(
            target, names, none, np.zeros((T, len(names))), zeros, zeros.copy(), none + 0
        )
        found = replace(self, tried=tuple(one.fit(heard, labels) for one in self.tried))
        if heard.said:
            self._choose(choice, heard, labels)
        return replace(found, choice=choice)

    @property
    def _names(self) -> tuple[str, ...]:
        """Of the combiners; numbered where there are several of a kind."""
        kinds = [type(one).__name__.lower() for one in self.tried[1:]]
        return (MEAN, *(k if kinds.count(k) == 1 else f"{k}-{i}" for i, k in enumerate(kinds, 1)))

    def _choose(self, choice: Choice, heard: Heard, labels: Labels) -> None:
        """Write who is heard, and what it was chosen by."""
        halves = cut(heard.ts, labels, 0.5)
        held = [
            self._judged(heard, labels._replace(valid=half), other)
            for half, other in zip(halves, halves[::-1], strict=True)
        ]
        for t in range(len(labels.targets)):
            tables, weights = zip(*(costs(*one, t) for one in held), strict=True)
            table, weight = np.concatenate(tables, axis=1), np.concatenate(weights)
            choice.rows[t] = len(weight)
            if len(weight) < self.fewest:
                continue
            choice.loss[t] = table @ weight / weight.sum()
            found = chosen(table, weight, len(self.tried))
            choice.heard[t], choice.gain[t], choice.error[t] = found

    def _judged(self, heard: Heard, taught: Labels, other: Bools) -> tuple[list[Forecast], Labels]:
        """What is said of the rows of the other half (n, T) by combiners fitted to these labels,
        and by members; and what came of them. Nobody has seen a row of that half before.
        """
        rows = np.flatnonzero(other.any(axis=1))
        start, end = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        fitted = (anew(one.fit(heard, taught)) for one in self.tried)
        said = [whole(one, heard, start, end) for one in fitted]
        alone = [kept(one, slice(start, end)) for one in heard.said]
        return said + alone, taught._replace(valid=other).take(slice(start, end))

    def init(
        self, instruments: tuple[Instrument, ...], members: int, targets: tuple[Target, ...]
    ) -> Any:
        return joined([one.init(instruments, members, targets) for one in self.tried])

    def combine(self, state: Any, tape: Tape, said: Sequence[Forecast]) -> tuple[Any, Forecast]:
        if self.choice is None:
            raise InputError("fallback: fit or load it before it combines")
        C, heard = len(self.tried), self.choice.heard
        states, each = [part(state, k) for k in range(C)], dict[int, Forecast]()
        for k in sorted({0, *heard[heard < C].tolist()}):
            states[k], each[k] = self.tried[k].combine(states[k], tape, said)
        if not heard.any():
            return joined(states), each[0]
        first, of = each[0], Opinions.of(said)
        proba, value, ready = first.proba.copy(), first.value.copy(), first.ready.copy()
        for t, k in enumerate(heard.tolist()):
            one = each[k] if k < C else said[k - C]
            rows = of.ready[k - C, :, t] if k >= C else np.ones(len(ready), np.bool_)
            proba[rows, t], value[rows, t] = one.proba[rows, t], one.value[rows, t]
            ready[rows, t] = one.ready[rows, t]
        found = Forecast(said[0].targets, proba, value, ready)
        return joined(states), tied(said, of, found)

    def params(self) -> dict[str, NDArray[Any]]:
        if self.choice is None:
            return {}
        about = {ABOUT: np.array([told(one) for one in self.tried])}
        return numbered([one.params() for one in self.tried]) | about | self.choice._asdict()

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        found = (untold(str(text)) for text in params[ABOUT])
        tried = tuple(one.load(own(params, k)) for k, one in enumerate(found))
        return replace(self, tried=tried, choice=Choice(*(params[n] for n in Choice._fields)))


def whole(one: Combiner[Any], heard: Heard, start: int = 0, end: int | None = None) -> Forecast:
    """What a combiner that begins at row `start` says of [start, end), of all n by default."""
    end, table = len(heard.ts) if end is None else end, tape_of(heard).instruments
    state, out = one.init(table, len(heard.names), heard.said[0].targets), list[Forecast]()
    for rows in spans(heard, start, end, AT_ONCE):
        state, said = one.combine(state, tape_of(rows), rows.said)
        out.append(said)
    return chained(out)


def costs(said: Sequence[Forecast], labels: Labels, t: int) -> tuple[Floats, Floats]:
    """(C + N, m) of each row, silence counting as no opinion; and (m,) weights of the rows."""
    target, of = labels.targets[t], Opinions.of([only(s, t) for s in said])
    if not target.directed:
        rows = np.flatnonzero(labels.valid[:, t])
        missed = np.abs(of.value[:, rows, 0] - labels.y[rows, t])
        return missed, labels.weight[rows, t].astype(np.float64)
    asked = sides(labels, t, np.ones(len(labels.y), np.bool_))
    each = [losses(q, q.odds) for q in (asked.question(x[:, 0]) for x in of.side)]
    return np.stack(each), asked.weight


def only(said: Forecast, t: int) -> Forecast:
    """What is said of one target."""
    one = slice(t, t + 1)
    return Forecast(said.targets[one], said.proba[:, one], said.value[:, one], said.ready[:, one])


def chosen(table: Floats, weight: Floats, combiners: int) -> tuple[int, float, float]:
    """Who is heard, by the cost (C + N, m) of each row; gain and error as in `Choice`.

    The first combiner, which has learned nothing, is heard unless a member does better by more
    than a standard error of their difference; another only if it does better than the first and
    than every member by more than two.
    """

    def gain(of: int, over: int) -> tuple[float, float]:
        better = table[over] - table[of]
        return float(weight @ better), float(np.sqrt(weight @ better**2))

    def surely(of: int, over: int) -> bool:
        better, error = gain(of, over)
        return better > SURELY * error

    order = np.argsort(table @ weight, kind="stable").tolist()
    single, whole = next(k for k in order if k >= combiners), weight.sum()
    taught = (k for k in order if 0 < k < combiners and surely(k, 0) and surely(k, single))
    best = next(taught, 0)
    better, error = gain(best, single)
    return single if better < -error else best, better / whole, error / whole
