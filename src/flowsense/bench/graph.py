"""The graph model beside its limit of 20 ms for 100 nodes, and what is found of what is planted.

Leads are planted twice: in a market whose best forecast can be written down, for the share of
skill, and in simulated books, for edges and lags. Cycles, breaks and placebos as they are stated.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result
from flowsense.features.catalogue import spec
from flowsense.features.fold import Fold, Replay
from flowsense.forecast import UP, Target
from flowsense.labels import Labels, join
from flowsense.labels.stages import Stages
from flowsense.model import Budget
from flowsense.model.graph.breaks import WARM, Watch, delays, height
from flowsense.model.graph.cycles import arbitrage, rates_of
from flowsense.model.graph.links import Links, direct, leaders, links
from flowsense.model.graph.rolling import Rolling, follow, spans
from flowsense.models.graph import Graph
from flowsense.schema import MILLISECOND, SECOND
from flowsense.simulate.market import Market, simulate
from flowsense.simulate.markets import arbitrage as rated
from flowsense.simulate.markets import network
from flowsense.tape import FeatureSpec, Tape
from flowsense.testing import Recording, tape_of
from flowsense.testing.network import (
    SCALE,
    STEP,
    Led,
    best,
    drawn,
    heard,
    instruments,
    news,
    quotes,
    returns,
)
from flowsense.wall import Stopwatch

LIMIT_MS = 20.0
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
COLUMNS = ("ofi", "depth", "spread", "volatility")
LEADS = (Led(0, 1, 3, 0.6), Led(0, 2, 5, 0.5), Led(3, 4, 2, 0.7))
STEPS = 12_000  # of 100 ms
WIDTH = 10  # rows of the returns that simulated books are looked at with
BOOKS = 20, 1_800.0  # instruments, seconds


def run() -> Result:
    """`ratio`: the limit / the time of one instant of 100 nodes, the median."""
    metrics: dict[str, Any] = {**walks(100, 100, 0), **books(), **placebo(20, 200)}
    metrics |= {**cycles(20), **quoted(), **changes(10_000)}
    model, found = skill()
    metrics |= found
    for k in (100, 500):
        metrics |= speed(model, k, 60 if k > 100 else 200)
    ratio = LIMIT_MS / metrics["instant_100_p50_ms"]
    return Result("graph", metrics, {"name": "limit", "instant_100_p50_ms": LIMIT_MS}, ratio)


def area(score: Floats, truth: Bools) -> float:
    """Under the curve of hits against false alarms: that a planted one outranks another."""
    order = np.argsort(np.argsort(score)) + 1.0
    hits = int(truth.sum())
    return float((order[truth].sum() - hits * (hits + 1) / 2) / (hits * (~truth).sum()))


def judged(found: Links, lag: NDArray[np.int64], name: str) -> dict[str, float]:
    """Edges and lags beside the planted ones, lag (k, k) of [follower, leader], 0: none."""
    truth, off = lag > 0, ~np.eye(len(lag), dtype=np.bool_)
    error = np.abs(found.lag - lag)[truth]
    told, alone = leaders(found), direct(found)
    return {
        f"{name}_edge_auc": area(np.abs(found.lead)[off], truth[off]),
        f"{name}_lag_error_median": float(np.median(error)),
        f"{name}_lag_within_1": float((error <= 1).mean()),
        f"{name}_edges": float(truth.sum()),
        f"{name}_edges_found": float((told & truth).sum()),
        f"{name}_edges_false": float((told & ~truth).sum()),
        f"{name}_direct_found": float((alone & truth).sum()),
        f"{name}_direct_false": float((alone & ~truth).sum()),
    }


def planted(k: int, leads: tuple[Led, ...]) -> NDArray[np.int64]:
    """(k, k) steps of [follower, leader]."""
    out = np.zeros((k, k), np.int64)
    for leader, follower, lag, _ in leads:
        out[follower, leader] = lag
    return out


def learned(moves: Floats, width: int = 1) -> Links:
    rolling = Rolling.empty(moves.shape[1])
    follow(rolling, spans(moves, width))
    return links(rolling, width)


def walks(k: int, edges: int, seed: int) -> dict[str, float]:
    """Random leads among k prices that are seen without noise, 5 minutes of 100 ms."""
    leads = drawn(np.random.default_rng(seed), k, edges)
    return judged(learned(returns(k, 3_000, leads, seed)), planted(k, leads), "walks")


def books() -> dict[str, float]:
    """The simulator's network: news that market makers follow, seen through the mids of books."""
    k, seconds = BOOKS
    market = replace(Market(), instruments=k, leads=network(k, seed=1).leads)
    simulation = simulate(market, seconds, seed=1)
    mids = np.full((round(seconds * SECOND / STEP) + 1, k), np.nan)
    start = int(simulation.events["ts_recv"][0]) // STEP
    for tape in Fold(spec(()), simulation.instruments).push(simulation.events):
        rows = tape.rows[0]
        mids[rows.ts // STEP - start - 1, rows.instrument] = 0.5 * rows.quote["mid2"]
    lag = simulation.truth.lag_ns // (100 * MILLISECOND)
    return judged(learned(np.diff(mids, axis=0), WIDTH), lag, "books")


def placebo(k: int, trials: int) -> dict[str, float]:
    """Share of networks in which an edge is found after every leader was shifted in time."""
    wrong = 0
    for seed in range(trials):
        leads = drawn(np.random.default_rng(seed), k, k)
        moves = returns(k, 3_000, leads, seed)
        shift = np.random.default_rng(seed).permutation(k) * 100
        moves = np.stack([np.roll(moves[:, j], shift[j]) for j in range(k)], axis=1)
        wrong += bool(leaders(learned(moves)).any())
    return {"placebo_graphs_with_an_edge": wrong / trials, "placebo_stated": 0.01}


def cycles(trials: int, n: int = 100) -> dict[str, float]:
    """Of circles of 3, 4 and 5 trades that gain 5 basis points, planted among fair rates."""
    share, watch = 0, Stopwatch()
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        price, order = np.exp(rng.normal(size=n)), rng.permutation(n).tolist()
        fair = price[:, None] / price[None, :] * (1 - 1e-3)
        rates = np.where(rng.random((n, n)) < 0.3, fair, 0.0)
        paths = {smallest_first(order[a : a + m]) for a, m in ((0, 3), (10, 3), (20, 4), (30, 5))}
        for path in paths:
            legs = list(pairwise((*path, path[0])))
            now = np.prod([fair[leg] for leg in legs])
            for leg in legs:
                rates[leg] = fair[leg] * (1.0005 / now) ** (1 / len(legs))
        with watch:
            found = {cycle.path for cycle in arbitrage(rates)}
        share += len(paths & found)
    return {"cycles_found": share / (4 * trials), "cycles_ms": 1e3 * watch.seconds / trials}


def quoted(seconds: float = 600.0) -> dict[str, float]:
    """Negative cycles in simulated books of rates, at their touch: of those planted, and besides.

    Besides: rows more than 3 s after a planted one, as books take their time to come back.
    """
    simulation = simulate(rated(4), seconds, seed=2)
    pairs, wrong = (simulation.truth.planted[f"0.{name}"] for name in ("pairs", "cycles"))
    rows = tape_of(spec(()), simulation.instruments, simulation.events).rows[0]
    markets = [(int(a), int(b)) for a, b in pairs]
    hit, quiet, false = np.zeros(len(wrong), np.bool_), 0, 0
    for a, b in pairwise(rows.instants().tolist()):
        book, ts = rows.book[a:b], int(rows.ts[a])
        if b - a < len(pairs) or not (book["bid_sz"][:, 0] * book["ask_sz"][:, 0]).all():
            continue
        bid, ask = 1e-4 * book["bid_px"][:, 0], 1e-4 * book["ask_px"][:, 0]
        found = arbitrage(rates_of(markets, bid, ask, 4))
        now = (wrong[:, 0] < ts) & (ts <= wrong[:, 1])
        legs = {frozenset(leg) for c in found for leg in pairwise((*c.path, c.path[0]))}
        hit |= now & np.array([frozenset(markets[j]) in legs for j in wrong[:, 2]], np.bool_)
        if not ((wrong[:, 0] < ts) & (ts <= wrong[:, 1] + 3 * SECOND)).any():
            quiet, false = quiet + 1, false + bool(found)
    share = {"quoted_cycles_found": float(hit.mean()), "quoted_cycles": float(len(wrong))}
    return {**share, "quoted_rows_with_one_besides": false / max(quiet, 1)}


def smallest_first(path: list[int]) -> tuple[int, ...]:
    at = path.index(min(path))
    return tuple(path[at:] + path[:at])


def changes(every: int) -> dict[str, float]:
    """False alarms of a pair beside the stated rate; rows from a change to its alarm, medians."""
    rng, pairs, rows = np.random.default_rng(7), 200, 10_000 + WARM
    high, count = height(every), 0
    for _ in range(pairs):
        _, alarm = Watch.of(2, every).push(rng.standard_normal((rows, 2)))
        count += int(np.count_nonzero(alarm))
    found = {"breaks_rows_per_alarm_stated": float(every)}
    found["breaks_rows_per_alarm"] = pairs * rows / max(count, 1)
    for before, after in ((0.7, 0.3), (0.6, 0.0), (0.5, -0.5)):
        late = delays(high, before, after)
        found[f"breaks_delay_{before}_to_{after}"] = float(np.median(late))
    return found


class Task(NamedTuple):
    """A market of planted leads: rows, labels, and the best forecast of each row."""

    columns: FeatureSpec
    tape: Tape
    labels: Labels
    ideal: Floats  # (n,) P(up)


def task(k: int, steps: int, seed: int) -> Task:
    own, columns = news(k, steps, seed), spec(COLUMNS)
    tape = tape_of(columns, instruments(k), quotes(np.rint(heard(own, LEADS) * SCALE)))
    stage = Stages((Target("mid", 5 * STEP),))
    state, done = stage.fold(stage.init(), tape)
    rows = tape.rows[0]
    ideal = best(own, LEADS, 5)[rows.ts // STEP - 1, rows.instrument]
    return Task(columns, tape, join([done, stage.close(state)]), ideal)


def skill() -> tuple[Graph, dict[str, float]]:
    """Side of the next 500 ms on the last 30 %, in log-loss between none and the best there is."""
    of = task(5, STEPS, 1)
    rows, labels = of.tape.rows[0], of.labels
    ts, end = rows.ts[:, None], int(rows.ts.max())
    learn, stop = labels.known_at < 0.6 * end, labels.known_at < 0.7 * end
    to_fit = labels.to_fit(learn, stop & (ts >= 0.6 * end))
    reader = Replay(of.columns, Recording(of.tape.instruments, of.tape.events))
    model = Graph(epoch=60).fit(reader, to_fit, seed=0, budget=Budget(steps=12))
    _, forecast = model.predict(model.init(of.tape.instruments), of.tape)
    at = (rows.ts > 0.7 * end) & labels.valid[:, 0] & (labels.y[:, 0] != 1)
    p = forecast.proba[at, 0].astype(np.float64)
    up, went_up = p[:, 2] / (p[:, 0] + p[:, 2]), labels.y[at, 0] == UP
    ours, ideal = (float(-np.log(np.where(went_up, q, 1 - q)).mean()) for q in (up, of.ideal[at]))
    return model, {
        "skill_rows": float(at.sum()),
        "skill_accuracy": float(((up > 0.5) == went_up).mean()),
        "skill_accuracy_of_ceiling": float(((of.ideal[at] > 0.5) == went_up).mean()),
        "skill_share": (np.log(2) - ours) / (np.log(2) - ideal),
    }


def speed(model: Graph, k: int, instants: int) -> dict[str, float]:
    """ms of `predict` on one instant of k instruments: moments, graph and net, all anew."""
    leads = drawn(np.random.default_rng(0), k, k)
    tape = tape_of(spec(COLUMNS), instruments(k), quotes(returns(k, instants + 1, leads)))
    state, seconds = model.init(tape.instruments), []
    rows, watch = tape.rows[0], Stopwatch()
    for a, b in pairwise(rows.instants().tolist()):
        one = tape._replace(rows=(rows.take(slice(a, b)),), events=tape.events[:0])
        with watch:
            state, _ = model.predict(state, one)
        seconds.append(watch.seconds)
        watch.seconds = 0.0
    p50, p99 = np.percentile(np.array(seconds[instants // 4 :]) * 1e3, [50, 99]).tolist()
    return {f"instant_{k}_p50_ms": p50, f"instant_{k}_p99_ms": p99}
