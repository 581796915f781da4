"""The ceiling of a simulated market: the forecast of somebody who knows its truth.

Where all flow is pure (`simulate.markets.flow`) the chances of the flow's sign are exact. Of every
other direction they are a map: what the truth says at the row (efficient price, moves that are on
their way, regime, intensities of all flow) and the book, mapped by boosted trees to the outcomes of
a further run of the very same market, with a seed of its own. The map is close to the Bayes answer
and never better; `docs/simulator.md` says how close.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xgboost
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import FLAT, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model.sides import combine, moved
from flowsense.schema import EVENT, SECOND, Events, Instrument
from flowsense.simulate.bayes import Known, flow_signs, known
from flowsense.simulate.market import Market, Truth, simulate
from flowsense.simulate.saved import EVENTS, SETTINGS, load_truth
from flowsense.sources.instants import whole
from flowsense.store.events import read_events
from flowsense.train.dataset import Data, nothing, prepare
from flowsense.train.insight import Sight, insight, seen
from flowsense.train.material import Material, any_of
from flowsense.train.progress import Progress, silent

ROWS = (10_000, 60_000)  # of the further run that the map is learned from, at least and at most
TIMES = 4  # as many as are scored, between these
SHORTEST, LONGEST = 300.0, 7_200.0  # seconds of it
AFRESH = 1 << 32  # added to the seed of the recording
DIGITS = 6  # of exact chances: what is less is rounding, and calls no side
LEAF = 20  # least weight of a leaf, where the horizon is no longer than
SPELL = SECOND  # this: labels that overlap tell the same
FEW = 100  # rows of an outcome that trees need
ROUNDS = 60
TREES = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_bin": 64,
    "max_depth": 5,
    "eta": 0.12,
    "subsample": 0.8,
    "nthread": 1,
    "seed": 0,
}
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Heard(NamedTuple):
    """A simulation as a source, without its observations."""

    instruments: tuple[Instrument, ...]
    events: Events
    name: str = "simulation"

    def __iter__(self) -> Iterator[Events]:
        return whole(iter([self.events]))


class Map(NamedTuple):
    """Of one target; a number where all rows of the further run came out alike."""

    side: xgboost.Booster | float  # P(up | it moves)
    move: xgboost.Booster | float  # P(it moves)
    hidden: bool  # whether it looks at what no feed shows


def ceiling(of: Material, progress: Progress = silent, *, hidden: bool = True) -> Forecast | None:
    """Of all rows; silent on magnitudes and where nothing is scored.

    Not `hidden`: of somebody who knows all that is planted, but neither efficient prices nor
    regimes, which no feed shows: what a perfect model could reach lies between the two.
    None where the truth of a recording that is scored does not lie beside it.
    """
    targets = of.labels.targets
    scored = any_of(np.logical_or.reduce([fold.test for fold in of.folds]))
    said, first = nothing(targets, len(of.labels.y)), 0
    maps = dict[Market, list[Map | None]]()
    for data in (of.learn, *of.tests):
        rows = np.flatnonzero(scored[first : first + len(data)])
        if len(rows):
            folder = beside(data)
            if folder is None:
                return None
            progress("learning the truth", 0, None)
            truth = load_truth(folder)
            market = replace(truth.market, start=Market.start)
            if market not in maps:
                asked = min(max(TIMES * int(scored.sum()), ROWS[0]), ROWS[1])
                clocks = of.learn.spec.clocks[:1]
                maps[market] = learned(truth, targets, clocks, asked, hidden=hidden)
            answered(said, first + rows, spoken(truth, folder, data, rows, maps[market]))
        first += len(data)
    return said


def beside(data: Data) -> Path | None:
    """The folder of the simulation that the recording is, whole."""
    folders = {Path(name).parent for name in data.name.split(", ")}
    found = [folder for folder in folders if (folder / SETTINGS).is_file()]
    alone = len(folders) == len(found) == 1
    return found[0] if alone and (found[0] / EVENTS).is_file() else None


def answered(said: Forecast, rows: Ints, part: Forecast) -> None:
    said.proba[rows], said.value[rows], said.ready[rows] = part.proba, part.value, part.ready


def spoken(truth: Truth, folder: Path, data: Data, rows: Ints, maps: list[Map | None]) -> Forecast:
    """What is said of these rows of a recording."""
    events = np.concatenate(list(read_events(folder / EVENTS, truth.market.instruments)))
    sight = seen(data, [i.symbol for i in truth.market.table()]).of(rows)
    ensure_of(truth, sight, folder)
    see = known(truth, events.view(EVENT), sight.ts, sight.instrument)
    return chances(truth, see, sight, data.labels.targets, maps)


def ensure_of(truth: Truth, sight: Sight, folder: Path) -> None:
    """Raises InputError where rows lie outside the time of the simulation."""
    market = truth.market
    end = market.start + truth.seconds * SECOND + market.wire_ns + SECOND
    if (sight.ts < market.start).any() or (sight.ts > end).any():
        raise InputError(f"{folder}: the truth is of another time than the rows: simulate again")


def chances(
    truth: Truth, see: Known, sight: Sight, targets: tuple[Target, ...], maps: list[Map | None]
) -> Forecast:
    """Of each row and direction: exact where the flow is pure, else the map's."""
    move, up = np.zeros((2, len(sight.ts), len(targets)))
    for t, (target, each) in enumerate(zip(targets, maps, strict=True)):
        if exact(truth.market, target):
            p = flow_signs(truth.hawkes, see.excess, target.horizon_ns)
            move[:, t] = 1 - p[:, FLAT]
            up[:, t] = np.round(p[:, UP] / np.maximum(move[:, t], 1e-12), DIGITS)
        elif each is not None:
            X = insight(truth, see, sight, target.horizon_ns, each.hidden)
            up[:, t], move[:, t] = chance(each.side, X), chance(each.move, X)
    said = combine(targets, move, up, np.ones_like(move))
    for t, each in enumerate(maps):
        said.ready[:, t] = each is not None or exact(truth.market, targets[t])
    said.proba[~said.ready], said.value[~said.ready] = np.float32(1 / 3), 0
    return said


def exact(market: Market, target: Target) -> bool:
    """Whether the chances are known in closed form."""
    return market.pure and target.kind == "ofi"


def learned(
    truth: Truth,
    targets: tuple[Target, ...],
    clocks: tuple[str, ...],
    rows: int = ROWS[1],
    *,
    hidden: bool = True,
) -> list[Map | None]:
    """The map of each target, from a further run of the market; None where none is needed."""
    wanted = [t.directed and not exact(truth.market, t) for t in targets]
    if not any(wanted):
        return [None] * len(targets)
    market, seconds = truth.market, rows / 10 / truth.market.instruments
    longest = max(t.horizon_ns for t in targets) / SECOND
    seconds = min(max(seconds, SHORTEST, 60 * longest), LONGEST)
    made = simulate(market, seconds, truth.seed + AFRESH)
    data = prepare(Heard(made.instruments, made.events), spec(("spread",), clocks), targets)
    sight = seen(data, [i.symbol for i in made.instruments])
    see = known(made.truth, made.events, sight.ts, sight.instrument)
    return [
        fitted(made.truth, see, sight, data.labels, t, hidden) if needed else None
        for t, needed in enumerate(wanted)
    ]


def fitted(truth: Truth, see: Known, sight: Sight, labels: Labels, t: int, hidden: bool) -> Map:
    """Two boosted forests, each of the rows that tell of it."""
    X = insight(truth, see, sight, labels.targets[t].horizon_ns, hidden)
    y, valid = labels.y[:, t], labels.valid[:, t]
    moves = moved(y) & valid
    leaf = LEAF * max(labels.targets[t].horizon_ns / SPELL, 1.0)
    side = boosted(X[moves], y[moves] == UP, leaf)
    move = boosted(X[valid], moves[valid], leaf)
    return Map(side, move, hidden)


def boosted(X: NDArray[np.float32], y: NDArray[np.bool_], leaf: float) -> xgboost.Booster | float:
    if not FEW <= y.sum() <= len(y) - FEW:
        return float((y.sum() + 1) / (len(y) + 2))
    return xgboost.train(
        TREES | {"min_child_weight": leaf}, xgboost.DMatrix(X, y, nthread=1), ROUNDS
    )


def chance(forest: xgboost.Booster | float, X: NDArray[np.float32]) -> Floats:
    """(n,)"""
    if isinstance(forest, float):
        return np.full(len(X), forest)
    return np.asarray(forest.predict(xgboost.DMatrix(X, nthread=1)), np.float64)
