"""Hawkes processes: how fast they are fitted beside `tick`, and what only a known truth can show.

tick fits fixed decays: `HawkesExpKern` as it comes (least squares), and maximum likelihood by its
own model and accelerated gradient. Ours is maximum likelihood; all likelihoods are ours, of the
same points. The share of skill is by log-loss, between the frequencies of the outcomes and the
forecaster that knows the true parameters. Fits are timed in processor seconds, so that other
programs do not count; tick's in these or by the wall, whichever is less.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result
from flowsense.model.hawkes.fit import Fit, fit
from flowsense.model.hawkes.law import HALF, counted, evaluate, law
from flowsense.model.hawkes.likelihood import log_likelihood
from flowsense.model.hawkes.residuals import residuals
from flowsense.model.hawkes.shapes import Exponentials
from flowsense.model.hawkes.stream import Stream
from flowsense.schema import SECOND
from flowsense.simulate.points import Floats, Ints, Points, Process, exponential, thinned
from flowsense.wall import Stopwatch

PEER = Path(".peers/tick/bin/python")  # made by scripts/peers.py
LIMIT = 0.20  # seconds of tick for 168,691 points of three kinds, where it is not there
PASSES = 15
SHAPE = np.array([[0.3, 0.1, 0.1], [0.1, 0.3, 0.1], [0.2, 0.2, 0.2]])  # children, before scaling
SIDED = np.array([[0.5, 0.05, 0.1], [0.05, 0.5, 0.1], [0.2, 0.2, 0.2]])  # of the skill there is
BUYS_LESS_SELLS = np.array([1.0, -1.0, 0.0])
SETS = 100
HORIZONS = (0.1, 0.5)  # seconds
BRANCHINGS = (0.3, 0.6, 0.9)
PROGRAM = f"""
import json, sys, time
import numpy as np
from tick.hawkes import HawkesExpKern, ModelHawkesExpKernLogLik
from tick.prox import ProxPositive
from tick.solver import AGD

data = np.load(sys.argv[1])
points = [np.ascontiguousarray(data["ts"][data["kind"] == k]) for k in range(3)]
end, beta = float(data["end"]), float(data["beta"])

def least_squares():
    learner = HawkesExpKern(beta)
    learner.fit(points)
    return learner.baseline, learner.adjacency

def likelihood():
    model = ModelHawkesExpKernLogLik(beta)
    model.fit(points, end)
    solver = AGD(step=1e-2, linesearch=True, tol=1e-8, max_iter=500, verbose=False)
    found = solver.set_model(model).set_prox(ProxPositive()).solve(np.full(12, 0.2))
    return found[:3], found[3:].reshape(3, 3)

for call, passes in ((least_squares, {PASSES}), (likelihood, 2)):
    best = float("inf")
    for _ in range(passes):
        since = time.perf_counter(), time.process_time()
        mu, alpha = call()
        wall, processor = time.perf_counter() - since[0], time.process_time() - since[1]
        best = min(best, wall, processor)
    print(json.dumps([best, np.asarray(mu).tolist(), np.asarray(alpha).tolist()]))
"""


class Fitted(NamedTuple):
    """One way to fit: its seconds, and what it found."""

    seconds: float
    mu: Floats
    alpha: Floats


def flow(branching: float, rate: float = 10.0, beta: float = 10.0) -> Process:
    """Buys, sells and cancels; buys and sells alike, so many points a second in all."""
    alpha = SIDED * branching / np.abs(np.linalg.eigvals(SIDED)).max()
    mean = rate * np.array([0.3, 0.3, 0.4])
    return exponential(mean - alpha @ mean, alpha, beta)


def tape(count: int) -> Points:
    """So many points of a process with decay 5 / s and branching ratio .52."""
    process = exponential([0.5, 0.5, 1.0], SHAPE, 5.0)
    seconds = 1.05 * count / process.rates.sum()
    points = thinned(process, float(seconds), np.random.default_rng(1))
    if len(points.ts) <= count:
        raise RuntimeError(f"{len(points.ts)} points of {count}")
    end = int(points.ts[count])
    return Points(points.ts[:count], points.kind[:count], 0, end)


def best(points: Points, shapes: Exponentials, free: bool) -> tuple[float, Fit]:
    """Seconds of processor time of the fastest pass."""
    least, found = float("inf"), fit(points, shapes, 3, free=free)
    for _ in range(PASSES):
        watch = Stopwatch(processor=True)
        with watch:
            found = fit(points, shapes, 3, free=free)
        least = min(least, watch.seconds)
    return least, found


def theirs(points: Points, beta: float) -> list[Fitted]:
    """tick on the same points: least squares, then maximum likelihood. Its folder must be there."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "points.npz"))
        ts, end = points.ts / SECOND, points.end / SECOND
        np.savez(path, ts=ts, kind=points.kind, end=end, beta=beta)
        command = [str(PEER), "-c", PROGRAM, path]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return [Fitted(seconds, np.array(mu), np.array(alpha)) for seconds, mu, alpha in said]


def covered(sets: int, seconds: float = 1_500.0) -> tuple[float, float]:
    """Share of the true parameters within their 95 % intervals; of the branching ratio alone."""
    process = exponential([0.5, 0.5, 1.0], SHAPE, 5.0)
    inside, ratio = list[NDArray[np.bool_]](), list[bool]()
    for seed in range(sets):
        points = thinned(process, seconds, np.random.default_rng(seed))
        ends = fit(points, Exponentials((2.0,)), 3, free=True).intervals()
        pairs = (
            (ends.mu, process.mu),
            (ends.alpha, process.alpha),
            (ends.shape, np.log(process.beta)),
        )
        inside += [((x[0] <= y) & (y <= x[1])).ravel() for x, y in pairs]
        ratio.append(bool(ends.branching[0] <= process.branching <= ends.branching[1]))
    return float(np.concatenate(inside).mean()), float(np.mean(ratio))


def rescaled(sets: int, seconds: float = 500.0) -> tuple[float, float]:
    """Share of sets whose residuals pass at 5 %: under the fit, and under a Poisson process."""
    process = exponential([0.5, 0.5, 1.0], SHAPE, 5.0)
    passed = np.zeros((sets, 2))
    for seed in range(sets):
        points = thinned(process, seconds, np.random.default_rng(seed))
        found = fit(points, Exponentials((2.0,)), 3, free=True).process
        counts = np.bincount(points.kind, minlength=3) / points.seconds
        wrong = exponential(counts, np.zeros((3, 3)), 1.0)
        passed[seed] = [residuals(points, p).p_value > 0.05 for p in (found, wrong)]
    under, none = passed.mean(axis=0).tolist()
    return under, none


class Skill(NamedTuple):
    """Of the sign of buys less sells, over boundaries every 100 ms."""

    share: float  # of the skill there is, by log-loss
    accuracy: float  # of the side, where it is not flat
    ceiling: float  # the same of the forecaster that knows the parameters
    flat: float  # share of windows in which buys equal sells


def skills(process: Process, seconds: float, seed: int) -> dict[float, Skill]:
    """By horizon: fitted on one simulated stretch, scored on another of half its length."""
    rng = np.random.default_rng(seed)
    learned, points = thinned(process, seconds, rng), thinned(process, seconds / 2, rng)
    shapes = Exponentials((float(process.beta[0]) / 3,))
    found = fit(learned, shapes, 3, free=True).process
    horizons = np.array(HORIZONS)
    boundaries = np.arange(20 * SECOND, points.end - SECOND, SECOND // 10)
    frequencies = outcomes(learned, boundaries, horizons)
    came = outcomes(points, boundaries, horizons)
    said = [forecasts(p, points, boundaries, horizons) for p in (found, process)]
    each = {}
    for c, h in enumerate(HORIZONS):
        base = np.bincount(frequencies[:, c], minlength=3) / len(frequencies)
        losses = [log_loss(p[:, c], came[:, c]) for p in said]
        null = log_loss(np.tile(base, (len(came), 1)), came[:, c])
        ours, true = (side(p[:, c], came[:, c]) for p in said)
        share = (null - losses[0]) / (null - losses[1])
        each[h] = Skill(share, ours, true, float((came[:, c] == 1).mean()))
    return each


def outcomes(points: Points, boundaries: Ints, horizons: Floats) -> Ints:
    """(n, C) down, flat or up: the sign of buys less sells within each horizon."""
    signed = np.r_[0, np.cumsum((points.kind == 0) * 1 - (points.kind == 1) * 1)]
    ends = boundaries[:, None] + np.round(horizons * SECOND).astype(np.int64)
    now, then = (signed[np.searchsorted(points.ts, t)] for t in (boundaries, ends))
    return np.asarray(np.sign(then - now[:, None]) + 1, np.int64)


def forecasts(
    process: Process,
    points: Points,
    boundaries: Ints,
    horizons: Floats,
    *,
    sign: Floats = BUYS_LESS_SELLS,
) -> Floats:
    """(n, C, 3) the exact law at each boundary, from what came before it."""
    stream, i = Stream(process), 0
    kinds = len(process.mu)
    size = kinds * (1 + len(process.beta))
    now = np.zeros((len(boundaries), size))
    ts, kind = points.ts.tolist(), points.kind.tolist()
    for n, at in enumerate(boundaries.tolist()):
        while i < len(ts) and ts[i] < at:
            stream.push(ts[i], kind[i])
            i += 1
        now[n] = stream.numbers(at)
    told = lawful(process, now, horizons, sign=sign)
    up, flat = told[..., kinds], told[..., kinds + 1]
    return np.stack([1 - up - flat, flat, up], axis=-1)


def lawful(
    process: Process,
    now: Floats,
    horizons: Floats,
    half: int = HALF,
    finer: float = 1.0,
    *,
    sign: Floats = BUYS_LESS_SELLS,
) -> Floats:
    """(n, C, K + 2) expected counts, P(more of those above 0), P(as many)."""
    out = np.zeros((len(now), len(horizons), len(process.mu) + 2))
    laws = tuple(x[None] for x in law(process, horizons, sign, half=half, finer=finer))
    evaluate(now, np.zeros(len(now), np.int64), laws, counted(half), out)
    return out


def law_errors() -> dict[str, float]:
    """Largest error of a probability of the law: of its steps, and of the normal law beyond.

    Against eight times as many steps, and sixteen times as large differences told apart.
    """
    rng, beta = np.random.default_rng(0), np.array([0.2, 2.0, 20.0, 200.0])
    found: dict[str, float] = {}
    for branching in BRANCHINGS:
        slow = flow(branching)
        shared = np.repeat(slow.alpha / len(beta), len(beta), axis=2)
        process = slow._replace(alpha=shared, beta=beta, mix=np.eye(len(beta)))
        now = np.c_[np.tile(slow.mu[:, 0], (50, 1)), rng.exponential(3, (50, 3 * len(beta)))]
        horizons = np.array([0.5, 30.0])
        apart = np.abs(lawful(process, now, horizons) - lawful(process, now, horizons, finer=8.0))
        short, long = apart[:, :, -2:].max(axis=(0, 2)).tolist()
        busy = flow(branching, rate=400.0)
        now = np.c_[np.tile(busy.mu[:, 0], (50, 1)), rng.gamma(4, busy.rates / 4, (50, 3))]
        wide = np.array([1.0])
        normal = np.abs(lawful(busy, now, wide) - lawful(busy, now, wide, half=16 * HALF))
        found |= {f"law_error_{branching}_0.5s": short, f"law_error_{branching}_30s": long}
        found[f"normal_error_{branching}"] = float(normal[:, :, -2:].max())
    return found


def log_loss(p: Floats, y: Ints) -> float:
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-12)).mean())


def side(p: Floats, y: Ints) -> float:
    """Accuracy of the likelier side, where it moved."""
    moved = y != 1
    return float(((p[moved, 2] > p[moved, 0]) == (y[moved] == 2)).mean())


def stepping(points: Points, process: Process, count: int = 20_000) -> dict[str, float]:
    """us of one point and of one look at the intensities, Python's call included."""
    stream, watch, count = Stream(process), Stopwatch(), min(count, len(points.ts))
    found = np.zeros((2, count))
    ts, kind = points.ts[:count].tolist(), points.kind[:count].tolist()
    for n in range(count):
        with watch:
            stream.push(ts[n], kind[n])
        found[0, n], watch.seconds = watch.seconds, 0.0
        with watch:
            stream.at_time(ts[n])
        found[1, n], watch.seconds = watch.seconds, 0.0
    p50, p99 = np.percentile(found * 1e6, [50, 99], axis=1)
    names = ("step", "intensity")
    return {f"{n}_p50_us": float(x) for n, x in zip(names, p50, strict=True)} | {
        f"{n}_p99_us": float(x) for n, x in zip(names, p99, strict=True)
    }


def run(count: int = 168_691, sets: int = SETS, seconds: float = 8_000.0) -> Result:
    """Seconds of maximum likelihood with fixed decays, ours and tick's; then what must be shown."""
    points = tape(count)
    fixed, ours = best(points, Exponentials((5.0,)), False)
    free, wide = best(points, Exponentials((1.0,)), True)
    every, ratio = covered(sets)
    passed, wrong = rescaled(sets)
    metrics: dict[str, Any] = {
        "points": len(points.ts),
        "fixed_s": fixed,
        "free_s": free,
        "log_likelihood": ours.log_likelihood,
        "log_likelihood_free": wide.log_likelihood,
        "coverage": every,
        "coverage_branching": ratio,
        "ks_passed": passed,
        "ks_passed_by_poisson": wrong,
        **stepping(points, ours.process),
        **law_errors(),
    }
    for branching in BRANCHINGS:
        for h, skill in skills(flow(branching), seconds, 0).items():
            metrics[f"skill_{branching}_{h}s"] = skill._asdict()
    return Result("hawkes", metrics, *beside(points, fixed))


def beside(points: Points, fixed: float) -> tuple[dict[str, Any], float]:
    """The baseline, and how many times its seconds ours are."""
    if not PEER.exists():
        name = "stated limit of tick (scripts/peers.py tick was not run)"
        return {"name": name, "fixed_s": LIMIT}, LIMIT / fixed
    squares, likely = theirs(points, 5.0)
    values = [log_likelihood(points, exponential(x.mu, x.alpha, 5.0)) for x in (squares, likely)]
    baseline = {
        "name": "tick 0.8, maximum likelihood",
        "fixed_s": likely.seconds,
        "log_likelihood": values[1],
        "least_squares_s": squares.seconds,
        "least_squares_log_likelihood": values[0],
    }
    return baseline, likely.seconds / fixed
