"""Our hidden Markov models beside hmmlearn, beside enumeration, and beside the truth.

Simulated from known chains: three regimes that differ in volatility alone, 1 : 2 : 4. Its filter
with true parameters is the ceiling (Hamilton 1989); how far the fitted one stays below it is what
fitting costs.
"""

import logging
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result
from flowsense.errors import InputError
from flowsense.evaluate import regimes
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model import Budget
from flowsense.model.hmm import kernels, windows
from flowsense.model.hmm.chain import Chain, Floats, Ints, changes, later
from flowsense.model.hmm.fit import (
    Em,
    Sequences,
    filtered,
    likelihood,
    smoothed,
    spread,
    viterbi,
)
from flowsense.model.hmm.names import PRESETS, matched, named
from flowsense.models.hmm import Hmm
from flowsense.schema import SECOND
from flowsense.simulate.market import Market, simulate
from flowsense.tape import Tape
from flowsense.testing import Recording
from flowsense.train.dataset import prepare
from flowsense.wall import Stopwatch

STAYS = (0.95, 0.99, 0.998)
UNEQUAL = (0.998, 0.99, 0.95)  # by regime: the next change is likelier in some than in others
VOLATILITY = (1.0, 2.0, 4.0)
SEEDS = 5
OBSERVATIONS = 40_000  # to learn from, and as many to score
PEER = 100_000, 3, 20  # observations of two numbers, states, iterations
STREAMED = 100_000
AHEAD = 10  # observations that a change of regime is foretold


def run() -> Result:
    """`ratio`: how many times the speed of hmmlearn, at the same likelihood."""
    ours, theirs = beside_hmmlearn(*PEER, seed=0)
    metrics: dict[str, Any] = {**ours, "streaming_step_us": streamed(STREAMED)}
    metrics |= {f"enumeration_{name}": off for name, off in beside_enumeration(seed=0).items()}
    for stay in STAYS:
        found = [beside_truth(stay, OBSERVATIONS, seed) for seed in range(SEEDS)]
        worst = max(one.truth - one.fitted for one in found)
        metrics[f"truth_{stay}"] = float(np.mean([one.truth for one in found]))
        metrics[f"fitted_{stay}"] = float(np.mean([one.fitted for one in found]))
        metrics[f"below_truth_at_most_{stay}"] = worst
        metrics[f"persistence_{stay}"] = float(np.mean([one.stays for one in found]))
    metrics["names_agree_at_least"] = min(names_agree(OBSERVATIONS // 2, s) for s in range(SEEDS))
    told = transitions(UNEQUAL, OBSERVATIONS, seed=0)
    metrics |= {f"{part}_{k}": v for part, of in told.items() for k, v in of.items()}
    metrics |= {f"market_{name}": value for name, value in in_market(seed=1).items()}
    ratio = theirs["fit_s"] / ours["fit_s"]
    return Result("hmm", metrics, {"name": "hmmlearn", **theirs}, ratio)


def chain_of(stay: float | tuple[float, ...], volatility: tuple[float, ...] = VOLATILITY) -> Chain:
    """Regimes of one number that differ in volatility, and in how long they last."""
    k = len(volatility)
    stays = np.broadcast_to(stay, (k,))
    jump = np.full((k + 1, k), 1 / k)
    jump[:k] = np.where(np.eye(k) > 0, stays[:, None], (1 - stays[:, None]) / (k - 1))
    cov = np.square(volatility).reshape(k, 1, 1, 1)
    return Chain(jump, np.ones((k, 1)), np.zeros((k, 1, 1)), cov)


def random_chain(states: int, mixture: int, numbers: int, rng: np.random.Generator) -> Chain:
    """Anything at all."""
    jump = rng.dirichlet(np.ones(states), states + 1)
    weight = rng.dirichlet(np.ones(mixture), states)
    root = rng.normal(size=(states, mixture, numbers, numbers))
    cov = root @ np.swapaxes(root, 2, 3) + 0.3 * np.eye(numbers)
    return Chain(jump, weight, rng.normal(size=(states, mixture, numbers)), cov)


def beside_hmmlearn(
    n: int, states: int, iterations: int, *, seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds and log-likelihood per observation of the same iterations from the same start.

    Raises InputError where hmmlearn is not installed.
    """
    try:
        from hmmlearn.hmm import GaussianHMM
    except ModuleNotFoundError as missing:
        raise InputError("bench hmm needs hmmlearn: pip install hmmlearn") from missing
    rng, steps = np.random.default_rng(seed), np.arange(states)[:, None, None]
    truth = chain_of(0.99, tuple(2.0**k for k in range(states)))
    wide = np.broadcast_to(truth.cov, (states, 1, 2, 2)) * np.eye(2)
    truth = truth._replace(mean=steps * np.array([0.3, 1.0]), cov=np.ascontiguousarray(wide))
    of = Sequences.of(truth.sample(n, rng)[1])
    em = Em(states, tolerance=-np.inf)  # every iteration that was asked for
    start = em.start(of, of.x[:, 1], rng, 0)
    peer = GaussianHMM(states, "full", n_iter=iterations, tol=-np.inf, init_params="")
    peer.startprob_, peer.transmat_ = start.jump[-1], start.jump[:-1]
    peer.means_, peer.covars_ = start.mean[:, 0], start.cov[:, 0]
    ours, theirs = Stopwatch(), Stopwatch()
    with ours:
        fitted = em.climb(of, start, spread(of.x), iterations).chain
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)  # it says that it has converged
    with theirs:
        peer.fit(of.x)
    return (
        {"fit_s": ours.seconds, "log_likelihood": likelihood(fitted, of) / n},
        {"fit_s": theirs.seconds, "log_likelihood": float(peer.score(of.x)) / n},
    )


def streamed(n: int) -> float:
    """us of one observation through the filter, called from Python."""
    chain, watch = chain_of(0.99), Stopwatch()
    x = chain.sample(n, np.random.default_rng(0))[1]
    belief, work = chain.stationary()[None].copy(), np.empty((2, chain.states))
    table, jump, step = chain.table(), chain.jump, kernels.step
    each = [x[i : i + 1] for i in range(n)]
    with watch:
        for one in each:
            step(one, table, jump, belief, work)
    return watch.seconds / n * 1e6


def enumerated(chain: Chain, x: Floats) -> tuple[float, Floats, Ints, float]:
    """Log-likelihood, P(state | all) (n, K), the best path (n,) and its log: every path by turn."""
    n, k = len(x), chain.states
    off = x[:, None, None] - chain.mean[None]
    square = np.einsum("nkmi,kmij,nkmj->nkm", off, np.linalg.inv(chain.cov), off)
    norm = np.sqrt((2 * np.pi) ** x.shape[1] * np.linalg.det(chain.cov))
    density = (chain.weight * np.exp(-square / 2) / norm).sum(axis=2)
    total, share, best, top = 0.0, np.zeros((n, k)), np.zeros(n, np.int64), 0.0
    for path in product(range(k), repeat=n):
        before = (k, *path[:-1])
        steps = zip(before, path, density, strict=True)
        p = float(np.prod([chain.jump[a, b] * d[b] for a, b, d in steps]))
        total += p
        share[np.arange(n), path] += p
        if p > top:
            best, top = np.array(path), p
    return float(np.log(total)), share / total, best, float(np.log(top))


def beside_enumeration(*, seed: int, trials: int = 12) -> dict[str, float]:
    """The largest differences over random chains of 2-3 states, 1-2 Gaussians, 1-3 numbers."""
    rng, worst = np.random.default_rng(seed), np.zeros(4)
    for _ in range(trials):
        states, mixture, numbers = rng.integers((2, 1, 1), (4, 3, 4)).tolist()
        chain = random_chain(states, mixture, numbers, rng)
        x = chain.sample(6, rng)[1]
        of, (total, share, best, top) = Sequences.of(x), enumerated(chain, x)
        path, found = viterbi(chain, of)
        off = (
            abs(likelihood(chain, of) - total),
            float(np.abs(smoothed(chain, of) - share).max()),
            float((path != best).mean()),
            abs(found - top),
        )
        worst = np.maximum(worst, off)
    names = ("likelihood", "smoothing", "path", "path_likelihood")
    return dict(zip(names, worst.tolist(), strict=True))


class Found(NamedTuple):
    """Shares of observations whose state was right, on a stretch that nothing was fitted on."""

    truth: float  # the filter with true parameters
    fitted: float
    stays: float  # the state of the observation before, which nobody sees


def beside_truth(stay: float, n: int, seed: int) -> Found:
    """Fit on n observations of `chain_of(stay)`, filter the next n."""
    chain, rng = chain_of(stay), np.random.default_rng(seed)
    x = chain.sample(n, rng)[1]
    state, y = chain.sample(n, rng)
    fit, _ = Em(chain.states).fit(Sequences.of(x), np.abs(x[:, 0]), seed=seed, budget=Budget())
    fit = fit.take(named(fit, PRESETS["three"]))
    of = Sequences.of(y)
    best, ours = (float((filtered(c, of).argmax(axis=1) == state).mean()) for c in (chain, fit))
    return Found(best, ours, float((state[1:] == state[:-1]).mean()))


def five() -> Chain:
    """Five regimes of return and log volatility, as the preset names them."""
    volatility = np.array([0.4, 0.8, 0.8, 1.5, 4.0])
    drift = np.array([0.0, 0.5, -0.5, 0.0, -0.5])
    mean = np.stack([drift, np.log(volatility)], axis=1)[:, None]
    cov = np.stack([np.diag([v * v, 0.04]) for v in volatility])[:, None]
    return chain_of(0.97, (1.0,) * 5)._replace(mean=mean, cov=cov)


def names_agree(n: int, seed: int, refits: int = 4) -> float:
    """The least share of observations on which two fits name the same regime.

    Each later fit has seen other data from other starts, its states shuffled, and is matched to
    the first, whose names come from what was fitted.
    """
    chain, rng = five(), np.random.default_rng(seed)
    test, agree, first = Sequences.of(chain.sample(n, rng)[1]), list[float](), None
    for k in range(refits):
        x = chain.sample(n, rng)[1]
        fit, _ = Em(5).fit(Sequences.of(x), x[:, 1], seed=seed + k, budget=Budget(200))
        fit = fit.take(rng.permutation(5))
        first = first or fit.take(named(fit, PRESETS["five"]))
        again = fit.take(matched(first, fit))
        said = [filtered(c, test).argmax(axis=1) for c in (first, again)]
        agree.append(float((said[0] == said[1]).mean()))
    return min(agree)


def transitions(stay: float | tuple[float, ...], n: int, *, seed: int) -> dict[str, dict[str, Any]]:
    """Changes of regime foretold by a fitted filter, one observation a second.

    Where all regimes last equally long nobody foretells a change: it comes when it comes.
    """
    chain, rng = chain_of(stay), np.random.default_rng(seed)
    x = chain.sample(n, rng)[1]
    state, y = chain.sample(n, rng)
    fit, _ = Em(chain.states).fit(Sequences.of(x), np.abs(x[:, 0]), seed=seed, budget=Budget())
    fit = fit.take(named(fit, PRESETS["three"]))
    of = regimes.outcome(np.arange(n) * SECOND, state, AHEAD * SECOND)
    belief = filtered(fit, Sequences.of(y))[of.rows]
    score = changes(fit, belief, AHEAD)
    before = changes(fit, filtered(fit, Sequences.of(x)), AHEAD)
    least = regimes.threshold(before, 0.1)
    return {
        "states": regimes.states(of, later(fit, belief, AHEAD), belief.argmax(axis=1))._asdict(),
        "transitions": regimes.transitions(of, score, seed=seed)._asdict(),
        "alarms": regimes.alarms(of, score, least, seed=seed)._asdict(),
        "delay": regimes.delay(of, belief)._asdict(),
    }


def in_market(*, seed: int, seconds: int = 7_200) -> dict[str, float | None]:
    """Regimes of a simulated market seen through its book, on the half that was not learned from.

    `known` is the same filter on the same windows, its chain counted from the true states: what
    remains below one is not to be seen in returns. Rows every 100 ms, the next 10 s foretold.
    """
    sim = simulate(Market(instruments=1, leads=()), seconds, seed=seed)
    target = Target.parse("mid@1s")
    data = prepare(Recording(sim.instruments, sim.events), spec(("flow",)), (target,))
    tapes = list(data)
    ts = np.concatenate([tape.rows[0].ts for tape in tapes])
    path, first = sim.truth.latent, np.arange(len(ts)) < len(ts) // 2
    state = path["state"][np.searchsorted(path["ts"], ts, "right") - 1].astype(np.int64)
    labels = data.labels._replace(valid=data.labels.valid & first[:, None])
    model = Hmm(preset="three").fit(data, labels, seed=seed, budget=Budget())
    known = counted(model, tapes, state, first)
    said = {name: seen_by(one, tapes) for name, one in (("fitted", model), ("known", known))}
    out: dict[str, float | None] = {
        name: float((p.argmax(axis=1) == state)[~first].mean()) for name, p in said.items()
    }
    out["majority"] = float(np.bincount(state[~first]).max() / (~first).sum())
    of = regimes.outcome(ts[~first], state[~first], AHEAD * SECOND)
    belief = said["fitted"][~first][of.rows]
    chain, steps = model.chain, round(AHEAD * SECOND / model.step_ns)
    ahead = regimes.states(of, later(chain, belief, steps), belief.argmax(axis=1))
    score = regimes.transitions(of, changes(chain, belief, steps), seed=seed)
    return out | {f"ahead_{k}": v for k, v in (ahead._asdict() | score._asdict()).items()}


def counted(model: Hmm, data: list[Tape], state: Ints, first: NDArray[np.bool_]) -> Hmm:
    """The model with a chain of the true states (n,) of the rows in `first` (n,)."""
    by = windows.Following(model.chain.table(), model.chain.jump, model.params()["scale"])
    now, x, at, start = model.init(data[0].instruments), list[Floats](), list[Ints](), 0
    for tape in data:
        now, _, ended = windows.followed(now, tape.rows[0], by)
        rows = np.flatnonzero((ended.what == 1) & first[start : start + len(ended.what)])
        x.append(ended.raw[rows])
        at.append(state[start + rows])
        start += len(ended.what)
    seen, which = np.concatenate(x), np.concatenate(at)
    k = model.chain.states
    jump = np.ones((k + 1, k))
    np.add.at(jump, (which[:-1], which[1:]), 1.0)
    parts = [seen[which == i] for i in range(k)]
    mean, cov = (np.stack([f(part) for part in parts])[:, None] for f in (centre, spreads))
    chain = Chain(jump / jump.sum(axis=1, keepdims=True), np.ones((k, 1)), mean, cov)
    return model.load(model.params() | chain._asdict())


def centre(x: Floats) -> Floats:
    return np.asarray(x.mean(axis=0))


def spreads(x: Floats) -> Floats:
    return np.cov(x.T)


def seen_by(model: Hmm, tapes: list[Tape]) -> Floats:
    """(n, R) P(regime) at every row."""
    now, parts = model.init(tapes[0].instruments), list[Floats]()
    for tape in tapes:
        now, forecast = model.predict(now, tape)
        parts.append(forecast.aux["regime"].astype(np.float64))
    return np.concatenate(parts)
