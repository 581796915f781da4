"""Orders that take, join and leave excite each other, and what follows from their intensities.

Hawkes 1971; Bacry, Mastromatteo & Muzy 2015. One process per instrument, alike for both sides. The
exact law of the order flow imbalance over the horizon, every order counted as one
(`model.hawkes.law`), is the forecast, through a small map that is fitted on the labels: for order
flow it starts at that law and is drawn to it.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import UP, Forecast
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.gather import LEARN, Draw, draw, learned
from flowsense.model.hawkes import maps
from flowsense.model.hawkes.fit import fit, process_of
from flowsense.model.hawkes.law import counted, evaluate, following, law
from flowsense.model.hawkes.likelihood import OFF, ON, Design, Sequence, design, mirrored
from flowsense.model.hawkes.online import learned_on
from flowsense.model.hawkes.orders import KINDS, MIRROR, SIGN, Rates, State, begin, fold
from flowsense.model.hawkes.shapes import Exponentials, PowerLaw, Shapes
from flowsense.model.hawkes.watch import counts, items, sequence
from flowsense.model.instruments import Known, arrays
from flowsense.model.sides import Floats, combine, magnitudes, moved, sigmoid
from flowsense.schema import DAY, SECOND, Instrument
from flowsense.simulate.points import NOON, Ints, Process
from flowsense.tape import Needs, Reader, Tape

FEWEST = 100  # points of one instrument that a process of its own needs
ROWS = 50  # rows of one instrument and target that a map of its own needs
K, HEADS = len(KINDS), mirrored(MIRROR)
LAWS = ("counts", "drift", "variance", "real", "imaginary")
AUX = ("intensity", "next")  # of a forecast
LEARNED = ("theta", "exposure", "mean", *LAWS)  # what learning on changes


class Fitted(NamedTuple):
    """Of W - 1 instruments, and in the last place the mean over those fitted, for all others."""

    known: Known
    theta: Floats  # (W, H, D) baseline at the knots, then mean children by kind and shape
    exposure: Floats  # (W, H, D) integral of the columns, seconds or points
    free: Floats  # (W, Q) parameters of the shapes
    beta: Floats  # (W, P) per second
    mean: Floats  # (W, K) points per second, while learning
    knots: Ints  # (B,)
    counts: Floats  # (W, C, K, L) the laws of C horizons: see model.hawkes.law
    drift: Floats  # (W, C, L)
    variance: Floats  # (W, C, L)
    real: Floats  # (W, C, L, M)
    imaginary: Floats  # (W, C, L, M)
    which: Ints  # (T,) horizon of each target
    maps: Floats  # (W, T, 2, TERMS) weights of side and move
    size: Floats  # (W, T) mean |move| of moved rows


@dataclass(frozen=True, slots=True)
class Hawkes:
    decays: tuple[float, ...] = (0.2, 1.0, 5.0, 25.0, 125.0)  # per second
    exponent: float | None = None  # of a power law, instead of these decays
    free: bool = False  # fit decays or exponent as well
    knots: int = 1  # of the baseline over the hours of training
    most: int = 200_000  # points of one instrument, the last ones
    memory: float = 3_600.0  # seconds after which learning on has forgotten to 1 / e
    rows: int = 20_000  # moved rows of one instrument and target, for the map
    fitted: Fitted | None = None

    @classmethod
    def tiny(cls) -> Self:
        return cls(decays=(1.0, 20.0), most=5_000, rows=1_000)

    @property
    def needs(self) -> Needs:
        return Needs(events=True)

    @property
    def targets(self) -> tuple[Any, ...]:
        return self.fitted.known.targets if self.fitted else ()

    @property
    def shapes(self) -> Shapes:
        """Where a fit of the kernels starts; it ends there too unless they are `free`."""
        return Exponentials(self.decays) if self.exponent is None else PowerLaw(self.exponent)

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Convex unless kernels are free; `budget.steps` bounds Newton's method, `seed` the rows.

        Raises InputError where no instrument has enough orders.
        """
        known = Known.of(labels, reader.instruments)
        fitted = self._processes(reader, known, labels, budget)
        model = replace(self, fitted=fitted)
        model._maps(reader, labels, seed)
        return model

    def _processes(self, reader: Reader, known: Known, labels: Labels, budget: Budget) -> Fitted:
        """Everything but the maps."""
        usable, W = rows_of(labels), len(reader.instruments) + 1
        shapes, none = self.shapes, np.zeros((1, 1))
        zero = np.zeros(len(reader.instruments), np.int64)
        still = Rates(none + 1.0, np.zeros((1, K, 1)), np.zeros((1, K)), NOON)
        found = items(begin(reader.instruments, zero, still), reader, still)
        knots = spread(found.ts, self.knots)
        H, D = HEADS.number, len(knots) + K * len(shapes.free)
        theta, exposure = np.zeros((W, H, D)), np.zeros((W, H, D))
        free, mean = np.tile(shapes.free, (W, 1)), np.zeros((W, K))
        own, most = np.zeros(W, np.bool_), 0
        for who in range(W - 1):
            seq = sequence(found, who, usable, self.most)
            seen = counts(seq, K)
            most = max(most, int(seen.sum()))
            if seen.sum() >= FEWEST:
                one = fit(
                    seq, shapes, K, heads=HEADS, knots=knots, free=self.free, steps=budget.steps
                )
                own[who], theta[who], exposure[who] = True, one.theta, one.exposure
                free[who] = one.shapes.free
                mean[who] = (seen + seen[list(MIRROR)]) / (2 * one.seconds)
        if not own.any():
            raise InputError(
                f"hawkes: {most} orders of one instrument to learn from, {FEWEST} are needed: "
                "give a longer recording that tells them"
            )
        for table in (theta, exposure, free, mean):
            table[~own] = table[own].mean(axis=0)
        return self._with_laws(known, labels, (theta, exposure, free, mean, knots))

    def _with_laws(
        self, known: Known, labels: Labels, tables: tuple[Floats, Floats, Floats, Floats, Ints]
    ) -> Fitted:
        theta, exposure, free, mean, knots = tables
        horizons, which = np.unique([t.horizon_ns for t in labels.targets], return_inverse=True)
        processes = [self._process(*x, knots) for x in zip(theta, free, strict=True)]
        laws = [law(p, horizons / SECOND, SIGN) for p in processes]
        stacked = [np.stack(column) for column in zip(*laws, strict=True)]
        W, T = len(theta), len(which)
        beta = np.stack([p.beta for p in processes])
        first = np.stack([maps.start(t) for t in labels.targets])
        horizon = which.astype(np.int64)
        start = np.tile(first, (W, 1, 1, 1))
        parts: list[Any] = [theta, exposure, free, beta, mean, knots, *stacked, horizon, start]
        parts.append(np.zeros((W, T)))
        return Fitted(known, *parts)

    def _process(self, theta: Floats, free: Floats, knots: Ints) -> Process:
        return process_of(theta, self.shapes.at(free), HEADS, knots)

    def process(self, symbol: str, venue: str) -> Process:
        """What was fitted to an instrument, or to all where it was not in training."""
        if self.fitted is None:
            raise InputError("hawkes: fit or load it first")
        of = self.fitted
        table = list(zip(of.known.symbol.tolist(), of.known.venue.tolist(), strict=True))
        w = table.index((symbol, venue)) if (symbol, venue) in table else len(table)
        return self._process(of.theta[w], of.free[w], of.knots)

    def _maps(self, reader: Reader, labels: Labels, seed: int) -> None:
        """Write the maps and sizes of a model that has its laws."""
        fitted = self.fitted
        assert fitted is not None
        draws, used = draw(labels, self.rows * len(reader.instruments), seed)
        rows = np.flatnonzero(used)
        said = np.zeros((len(rows), *fitted.counts.shape[1:2], K + 2))
        instrument, first, state = np.zeros(len(rows), np.int64), 0, self.init(reader.instruments)
        for tape in reader:
            state, seen = fold(state, tape, rates_of(fitted))
            n = len(tape.rows[0].ts)
            a, b = np.searchsorted(rows, (first, first + n))
            here = rows[a:b] - first
            instrument[a:b] = tape.rows[0].instrument[here]
            expect(fitted, seen.now[here], state.place[instrument[a:b]], said[a:b])
            first += n
        for one in draws_of(draws, len(labels.targets)):
            learn_map(fitted, labels, (rows, instrument, said), one)

    def init(self, instruments: tuple[Instrument, ...]) -> State:
        if self.fitted is None:
            rates = Rates(np.ones((1, 1)), np.zeros((1, K, 1)), np.zeros((1, K)), NOON)
            return begin(instruments, np.zeros(len(instruments), np.int64), rates)
        return begin(instruments, self.fitted.known.places(instruments), rates_of(self.fitted))

    def predict(self, state: State, tape: Tape) -> tuple[State, Forecast]:
        if self.fitted is None:
            raise InputError("hawkes: fit or load it before it predicts")
        fitted, rows, T = self.fitted, tape.rows[0], len(self.targets)
        after, seen = fold(state, tape, rates_of(fitted))
        place, n = state.place[rows.instrument], len(rows.ts)
        if not n:
            none, aux = np.zeros((0, T)), dict.fromkeys(AUX, np.zeros((0, K), np.float32))
            return after, replace(combine(self.targets, none, none, none), aux=aux)
        said = np.zeros((n, fitted.counts.shape[1], K + 2))
        expect(fitted, seen.now, place, said)
        sized = magnitudes(self.targets)
        side, move = np.zeros((n, T)), np.zeros((n, T))
        for c in range(said.shape[1]):
            told = maps.told(said[:, c])
            for j in np.flatnonzero(fitted.which == c):
                weights = fitted.maps[place, j]
                side[:, j] = maps.weighed(told.side, weights[:, 0])
                terms = told.size if sized[j] else told.move
                move[:, j] = maps.weighed(terms, weights[:, 1])
        size = np.where(sized, np.maximum(move, 0.0), fitted.size[place])
        found = combine(self.targets, sigmoid(move), sigmoid(side), size)
        return after, replace(found, aux=self._aux(seen.now, place))

    def _aux(self, now: Floats, place: Ints) -> dict[str, NDArray[np.float32]]:
        """intensity (n, K) per second, next (n, K): P(the next point is of that kind)."""
        fitted = self.fitted
        assert fitted is not None
        out = np.zeros((len(now), 2 * K))
        for w in np.unique(place):
            mine = place == w
            process = self._process(fitted.theta[w], fitted.free[w], fitted.knots)
            part = np.zeros((int(mine.sum()), 2 * K))
            following(now[mine], np.ascontiguousarray(process.weight), process.beta, part)
            out[mine] = part
        both = out.astype(np.float32)
        return dict(zip(AUX, (both[:, :K], both[:, K:]), strict=True))

    def update(self, state: State, tape: Tape, labels: Labels) -> Self:
        """Learned on from the points between valid rows of a tape; maps stay as they are.

        state: as of the start of the tape. An instrument not in training teaches nothing.
        """
        if self.fitted is None:
            raise InputError("hawkes: fit or load it before it learns on")
        fitted, laws = self.fitted, {name: getattr(self.fitted, name).copy() for name in LEARNED}
        seen, usable = items(state, [tape], rates_of(fitted)), rows_of(labels)
        each = np.unique([t.horizon_ns for t in self.targets]) / SECOND
        for who in np.flatnonzero(state.place < len(fitted.theta) - 1):
            seq, w = sequence(seen, int(who), usable, self.most), int(state.place[who])
            if not (seq.code == ON).any():
                continue
            at = int(state.seen["at"][who])
            sums = state.sums[who] if at else np.zeros_like(state.sums[who])
            seq = Sequence(np.r_[at or seq.ts[0], seq.ts], np.r_[OFF, seq.code])
            terms = self.shapes.at(fitted.free[w]).terms()
            made = design(seq, terms, HEADS, fitted.knots, sums=sums)
            self._learn_on(laws, w, made)
            process = self._process(laws["theta"][w], fitted.free[w], fitted.knots)
            for name, table in zip(LAWS, law(process, each, SIGN), strict=True):
                laws[name][w] = table
        return replace(self, fitted=fitted._replace(**laws))

    def _learn_on(self, tables: dict[str, Floats], w: int, made: Design) -> None:
        """Write what an instrument has taught: parameters, how much they stand for, mean rates."""
        theta, exposure, mean = (tables[name][w] for name in LEARNED[:3])
        knots = theta.shape[1] - made.dc.shape[1]
        passed, before = (float(c[0, :knots].sum()) for c in (made.c, exposure))
        keep = float(np.exp(-passed / (2 * self.memory)))
        count = np.bincount(made.head, minlength=HEADS.number)[HEADS.of]
        mean[:] = (keep * before * mean + count) / max(keep * before + passed, 1e-12)
        theta[:], exposure[:] = learned_on(theta, exposure, made, keep, knots)

    def params(self) -> dict[str, NDArray[Any]]:
        return arrays(self.fitted) if self.fitted else {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        tables = (params[name] for name in Fitted._fields[1:])
        return replace(self, fitted=Fitted(Known.load(params), *tables))


def rows_of(labels: Labels) -> NDArray[np.bool_]:
    """(n,) rows with something to learn from."""
    return np.asarray(learned(labels).any(axis=1))


def rates_of(fitted: Fitted) -> Rates:
    """What the fold of events needs."""
    mu = np.ascontiguousarray(fitted.theta[:, HEADS.of, : len(fitted.knots)])
    return Rates(fitted.beta, mu, fitted.mean, fitted.knots)


def spread(ts: Ints, knots: int) -> Ints:
    """So many knots over the hours of the day at which there are records."""
    if knots <= 1 or not len(ts):
        return NOON
    day = ts % DAY
    return np.unique(np.linspace(day.min(), day.max(), knots).astype(np.int64))


def expect(fitted: Fitted, now: Floats, place: Ints, out: Floats) -> None:
    """Counts and the law of the difference of rows, for each horizon, into out (n, C, K + 2)."""
    laws = (fitted.counts, fitted.drift, fitted.variance, fitted.real, fitted.imaginary)
    evaluate(np.ascontiguousarray(now), np.ascontiguousarray(place), laws, counted(), out)


class Drawn(NamedTuple):
    """Rows of one target to learn from, and how many each stands for."""

    target: int
    rows: Ints
    weight: Floats


def draws_of(draws: list[Draw], targets: int) -> list[Drawn]:
    out = []
    for j in range(targets):
        mine = [d for d in draws if d.target == j and d.use == LEARN]
        rows = np.concatenate([d.rows for d in mine])
        weight = np.concatenate([np.full(len(d.rows), d.weight) for d in mine])
        order = np.argsort(rows, kind="stable")
        out.append(Drawn(j, rows[order], weight[order]))
    return out


def learn_map(fitted: Fitted, labels: Labels, at: tuple[Ints, Ints, Floats], drawn: Drawn) -> None:
    """Write the maps of one target: of all instruments together, then of each with rows enough."""
    rows, instrument, said = at
    j, W = drawn.target, len(fitted.maps)
    place = np.searchsorted(rows, drawn.rows)
    told = maps.told(said[place, fitted.which[j]])
    y, move = labels.y[drawn.rows, j], np.abs(labels.move[drawn.rows, j]).astype(np.float64)
    weight = drawn.weight * labels.weight[drawn.rows, j]
    target, moves = labels.targets[j], moved(y)
    for w in (W - 1, *range(W - 1)):
        mine = (instrument[place] == w) | (w == W - 1)
        both = mine & moves
        if target.kind == "magnitude":
            if mine.sum() < ROWS:
                fitted.maps[w, j], fitted.size[w, j] = fitted.maps[-1, j], fitted.size[-1, j]
                continue
            fitted.maps[w, j, 1] = maps.linear(told.size[mine], move[mine], weight[mine])
            fitted.size[w, j] = move[mine].mean()
            continue
        first = fitted.maps[w, j].copy() if w == W - 1 else fitted.maps[-1, j]
        fitted.maps[w, j] = (
            maps.logistic(told.side[both], y[both] == UP, weight[both], first[0]),
            maps.logistic(told.move[mine], moves[mine], weight[mine], first[1]),
        )
        fitted.size[w, j] = move[both].mean() if both.any() else fitted.size[-1, j]
