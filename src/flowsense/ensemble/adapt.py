"""Weights that follow who has been right lately, on the outcomes that have become known.

Exponential weights on the log-loss: Vovk 1990's aggregating algorithm, Freund & Schapire 1997's
Hedge; with `rate` 1 the answer is the Bayes mixture, and over any sequence whose outcomes are told
one by one it loses at most ln N more than the best of N members. `share` of the weight is dealt
out alike after each outcome (fixed share, Herbster & Warmuth 1998), so that a member that was poor
and becomes good is heard again: against the best sequence of members with k changes over m
outcomes at most ln N + k ln(N / share) - (m - k - 1) ln(1 - share). A member that is silent keeps
its part of the weight (Freund et al. 1997). Outcomes that overlap count for one together.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled, kernel
from flowsense.ensemble import Heard
from flowsense.ensemble.opinions import Opinions, finite, regime_of, tied, total
from flowsense.ensemble.settle import Ints, Settled, Waiting, latest, settle
from flowsense.ensemble.states import joined, part
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model.sides import SURE, THIRD, Floats
from flowsense.schema import Instrument
from flowsense.tape import Tape

BLOCK = 4_096  # moments that one pass of a fit goes through
SMALLEST = 0.01  # ticks: no size that a member expects is less, lest one outcome cost without bound
SILENT = -1.0  # in place of a loss


class Said(NamedTuple):
    """What N members said of rows; k rows and T targets."""

    proba: NDArray[np.float32]  # (k, N, T, 3)
    value: NDArray[np.float32]  # (k, N, T)
    ready: NDArray[np.bool_]  # (k, N, T)
    regime: Ints  # (k,) as of the row; behind the last where none was told

    @classmethod
    def of(cls, said: Sequence[Forecast], regime: NDArray[np.float32], regimes: int) -> "Said":
        columns = ([one.proba, one.value, one.ready] for one in said)
        proba, value, ready = (np.stack(c, axis=1) for c in zip(*columns, strict=True))
        ready = ready & np.isfinite(proba).all(axis=3) & np.isfinite(value)
        return cls(proba, value, ready, slot(regime, regimes))

    def joined(self, more: "Said") -> "Said":
        pairs: Any = zip(self, more, strict=True)
        columns: list[Any] = [np.concatenate(pair) for pair in pairs]
        return Said(*columns)

    def take(self, rows: Ints) -> "Said":
        columns: list[Any] = [column[rows] for column in self]
        return Said(*columns)


class Weights(NamedTuple):
    """As they are now; a state is joined of `Waiting`, what was `Said` of these rows, and this."""

    logs: Floats  # (R * T, N) logarithms of weights that add up to 1; R: `Adaptive.tables`


class Fitted(NamedTuple):
    target: NDArray[np.str_]  # (T,)
    logs: Floats  # (R * T, N) where a stream begins
    until: Ints  # () ns: what came of rows due by then is in these weights, or moves none


@dataclass(frozen=True, slots=True)
class Adaptive:
    """A combiner: the mixture of what is said, by weights that move with each outcome.

    Targets that `settle` is not told of keep the weights of the fit. Works unfitted as well. On a
    row whose regime is not told the weights are those that all rows together leave.
    """

    rate: float = 1.0
    share: float = 0.001
    quorum: int = 1  # members that have to be ready
    regimes: int = 1  # that have weights of their own; 1: none are told apart
    fitted: Fitted | None = None

    def __post_init__(self) -> None:
        if not (0 < self.rate <= 1 and 0 <= self.share < 1):
            raise InputError(
                f"adaptive: rate {self.rate} has to be above 0 and at most 1, "
                f"share {self.share} at least 0 and below 1"
            )
        if self.quorum < 1 or self.regimes < 1:
            raise InputError(
                f"adaptive: quorum {self.quorum} and regimes {self.regimes} have to be at least 1"
            )

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(Target.parse(str(t)) for t in self.fitted.target) if self.fitted else ()

    @property
    def tables(self) -> int:
        """How many weights each member has for a target."""
        return self.regimes + (self.regimes > 1)

    def fit(self, heard: Heard, labels: Labels) -> Self:
        """The weights that following these rows from the first to the last leaves."""
        targets, logs = labels.targets, even(len(heard.names), len(labels.targets) * self.tables)
        if heard.said:
            said = Said.of(heard.said, heard.regime, self.regimes)
            for settled, moments in known(labels):
                self.learn(settled, moments, said, targets, logs)
        names = np.array([str(t) for t in targets], np.str_)
        return replace(self, fitted=Fitted(names, logs, latest(labels)))

    def anew(self) -> Self:
        """The same weights, which follow the outcomes of all rows, of those that taught them too.

        Else a stream that begins with rows which members have learned would be followed to whom
        knows them by heart; and outcomes that taught the weights would count twice.
        """
        return replace(self, fitted=self.fitted and self.fitted._replace(until=np.array(-1)))

    def init(
        self, instruments: tuple[Instrument, ...], members: int, targets: tuple[Target, ...]
    ) -> Any:
        """Raises InputError where it was fitted to other targets or members."""
        T, none = len(targets), np.zeros(0, np.int64)
        logs = self.fitted.logs.copy() if self.fitted else even(members, T * self.tables)
        if logs.shape != (T * self.tables, members) or self.targets not in ((), targets):
            raise InputError(
                f"adaptive: fitted to {logs.shape[1]} members and {len(self.targets)} targets, "
                f"asked for {members} and {T}: fit it to these"
            )
        said = np.zeros((0, members, T, 3), np.float32), np.zeros((0, members, T), np.float32)
        ready = np.zeros((0, members, T), np.bool_)
        waiting = Waiting.none(len(instruments), T)
        return joined([waiting, Said(*said, ready, none), Weights(logs)])

    def combine(self, state: Any, tape: Tape, said: Sequence[Forecast]) -> tuple[Any, Forecast]:
        state, logs, regime = self.follow(state, tape, said)
        return state, mixture(said, logs, regime, self.quorum)

    def follow(self, state: Any, tape: Tape, said: Sequence[Forecast]) -> tuple[Any, Floats, Ints]:
        """The state after this tape; the logarithms (n, R * T, N) in force at each of its rows."""
        rows, targets = tape.rows[0], said[0].targets
        here = Said.of(said, regime_of(said), self.regimes)
        both = part(state, 1).joined(here)
        since = int(self.fitted.until) if self.fitted else -1
        waiting, settled, kept = settle(targets, part(state, 0), rows, since)
        logs = part(state, 2).logs.copy()
        path = self.learn(settled, len(rows.ts), both, targets, logs)
        return joined([waiting, both.take(kept), Weights(logs)]), path, here.regime

    def learn(
        self, settled: Settled, n: int, said: Said, targets: tuple[Target, ...], logs: Floats
    ) -> Floats:
        """Changes `logs`; what it was after each of n moments."""
        at, t, origin, _, _, weight = settled
        of = said.regime[origin]
        told = np.flatnonzero(of < self.tables - 1)  # these teach the weights of all rows as well
        of = np.concatenate([of, np.full(len(told), self.tables - 1)])
        each = np.concatenate([np.arange(len(at)), told])
        place = np.stack([at[each], of * len(targets) + t[each]], axis=1)
        order = np.lexsort((place[:, 1], place[:, 0]))
        loss, weight = losses(said, targets, settled)[each[order]], weight[each]
        path, gain = np.zeros((n, *logs.shape)), np.zeros(logs.shape[1])
        settings = np.array([self.rate, self.share])
        trace(loss, weight[order], place[order], settings, logs, gain, path)
        return path

    def params(self) -> dict[str, NDArray[Any]]:
        return self.fitted._asdict() if self.fitted else {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        if not params:
            return replace(self, fitted=None)
        return replace(self, fitted=Fitted(*(params[name] for name in Fitted._fields)))


def even(members: int, targets: int) -> Floats:
    """All alike."""
    return np.full((targets, members), -math.log(members))


def slot(told: NDArray[np.float32], regimes: int) -> Ints:
    """(n,) the likeliest regime; behind the last where none is told, and 0 where all are one."""
    if regimes == 1 or not told.shape[1]:
        return np.full(len(told), regimes if regimes > 1 else 0)
    clean = finite(told)
    likeliest = np.minimum(clean.argmax(axis=1), regimes - 1)
    return np.asarray(np.where(clean.max(axis=1) > 0, likeliest, regimes))


def known(labels: Labels) -> Iterator[tuple[Settled, int]]:
    """The valid labels in the order of the moments at which they became known, by the block."""
    origin, t = np.nonzero(labels.valid)
    when = labels.known_at[origin, t]
    moment = np.unique(when, return_inverse=True)[1]
    order = np.lexsort((origin, t, moment))
    edges = np.searchsorted(moment[order], np.arange(0, moment.max(initial=-1) + 1, BLOCK))
    for a, b in pairwise([*edges.tolist(), len(order)]):
        k = order[a:b]
        i, j, at = origin[k], t[k], moment[k] - moment[k[0]]
        weight = labels.weight[i, j].astype(np.float64)
        yield Settled(at, j, i, labels.y[i, j], labels.move[i, j], weight), int(at[-1]) + 1


def losses(said: Said, targets: tuple[Target, ...], settled: Settled) -> Floats:
    """(m, N) of each member for each outcome, SILENT where it was not ready.

    The log-loss of three classes; of a size y where v was expected that of an exponential
    distribution, ln v + y / v, above the least of any member.
    """
    t, origin, y = settled.target, settled.origin, settled.y
    ready = said.ready[origin, :, t]
    sized = np.array([x.kind == "magnitude" for x in targets], np.bool_)[t]
    side = np.where(sized, 0, np.clip(y, 0, 2)).astype(np.int64)
    p = said.proba[origin, :, t, side].astype(np.float64)
    v = np.maximum(said.value[origin, :, t].astype(np.float64), SMALLEST)
    size = np.log(v) + y[:, None] / v
    size -= np.where(ready, size, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    out = np.where(sized[:, None], size, -np.log(np.clip(p, 1 - SURE, 1.0)))
    return np.where(ready, out, SILENT)


def mixture(said: Sequence[Forecast], logs: Floats, regime: Ints, quorum: int) -> Forecast:
    """The linear pool of those who are ready: `logs` (n, R * T, N) of the row's regime (n,)."""
    of, targets = Opinions.of(said), said[0].targets
    T = len(targets)
    apart = logs.reshape(len(logs), logs.shape[1] // T, T, len(said))
    mine = apart[np.arange(len(logs)), regime]
    ready = of.ready.transpose(1, 2, 0)
    top = np.where(ready, mine, -np.inf).max(axis=2, initial=-np.inf, keepdims=True)
    raised = np.where(ready, np.exp(np.minimum(mine - np.where(top > -np.inf, top, 0), 0)), 0.0)
    parts = [raised[:, :, k] for k in range(len(said))]
    whole = np.maximum(total(parts), 1e-300)
    weights = [part / whole for part in parts]
    enough = of.ready.sum(axis=0) >= quorum
    clean = (
        np.where(r[:, :, None], one.proba, THIRD) for r, one in zip(of.ready, said, strict=True)
    )
    proba = total(w[:, :, None] * p for w, p in zip(weights, clean, strict=True))
    value = total(w * v for w, v in zip(weights, of.value, strict=True))
    shown = np.where(enough[:, :, None], proba, THIRD).astype(np.float32)
    sizes = np.where(enough, value, 0.0).astype(np.float32)
    return tied(said, of, Forecast(targets, shown, sizes, enough))


@kernel
def learn(loss: Floats, weight: Floats, settings: Floats, logs: Floats, gain: Floats) -> None:
    """What became known at one moment of one target: every loss counts before any weight moves."""
    members, whole = len(logs), 0.0
    gain[:] = 0.0
    for r in range(len(loss)):
        scale = settings[0] * weight[r]
        whole += weight[r]
        top, best = -np.inf, -np.inf  # of weights before and after, so that no exp underflows
        for k in range(members):
            if loss[r, k] >= 0.0:
                top, best = max(top, logs[k]), max(best, logs[k] - scale * loss[r, k])
        before, after = 0.0, 0.0
        for k in range(members):
            if loss[r, k] >= 0.0:
                before += math.exp(logs[k] - top)
                after += math.exp(logs[k] - scale * loss[r, k] - best)
        if before == 0.0:
            continue
        mixed = top + math.log(before) - best - math.log(after)
        for k in range(members):
            gain[k] += scale * loss[r, k] if loss[r, k] >= 0.0 else mixed
    top = -np.inf
    for k in range(members):
        logs[k] -= gain[k]
        top = max(top, logs[k])
    raised = 0.0
    for k in range(members):
        raised += math.exp(logs[k] - top)
    dealt = 1.0 - (1.0 - settings[1]) ** whole
    for k in range(members):
        logs[k] -= top + math.log(raised)
        if dealt > 0.0:
            logs[k] = math.log((1.0 - dealt) * math.exp(logs[k]) + dealt / members)


TABLE, FLOATS = array(np.float64, 2), array(np.float64)


@compiled((TABLE, FLOATS, array(np.int64, 2), FLOATS, TABLE, FLOATS, array(np.float64, 3)))
def trace(
    loss: Floats,
    weight: Floats,
    place: Ints,
    settings: Floats,
    logs: Floats,
    gain: Floats,
    path: Floats,
) -> None:
    """loss (m, N), weight (m,), place (m, 2) of moment and target, in order; settings: rate, share.

    Changes logs (targets, N); path (n, targets, N) is what it was after each moment.
    """
    p = 0
    for i in range(len(path)):
        while p < len(place) and place[p, 0] == i:
            q, t = p, place[p, 1]
            while q < len(place) and place[q, 0] == i and place[q, 1] == t:
                q += 1
            learn(loss[p:q], weight[p:q], settings, logs[t], gain)
            p = q
        for t in range(logs.shape[0]):
            for k in range(logs.shape[1]):
                path[i, t, k] = logs[t, k]
