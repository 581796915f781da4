"""Searches over 5,000 strategies that are worthless, but for one that a known edge was given.

Four years of days each. Beside `evaluate.trials`: the best Sharpe ratio of the search, taken at its
word, which is to say as if it were of the only one that was tried.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from flowsense.bench import Result
from flowsense.evaluate.sharpe import Floats, Moments, expected_maximum, probabilistic, yearly
from flowsense.evaluate.trials import SURE, Verdict, judged
from flowsense.wall import Stopwatch

STRATEGIES, YEARS, DAYS = 5_000, 4, 252
EDGES = (2.0, 3.0, 4.0)  # true Sharpe ratios of a year
WORTHLESS, PLANTED = 24, 10  # searches, without an edge and with each
PLACE = 7  # of the strategy with the edge
KINDS = ("normal", "heavy", "alike")  # laws of the returns


class Search(NamedTuple):
    verdict: Verdict
    word: bool  # whether the best ratio taken at its word is sure to be above zero
    best: int  # the strategy that has it


def run() -> Result:
    """`ratio`: how many times as often as the baseline the right thing is said."""
    watch = Stopwatch()
    with watch:
        nothing = {kind: [*searches(kind, 0.0, WORTHLESS)] for kind in KINDS}
        something = {edge: [*searches("normal", edge, PLANTED)] for edge in EDGES}
    metrics: dict[str, Any] = {"strategies": STRATEGIES, "years": YEARS, "searches": WORTHLESS}
    theirs: dict[str, Any] = {}
    for kind, found in nothing.items():
        metrics[f"false_alarms_{kind}"] = share(s.verdict.found for s in found)
        theirs[f"false_alarms_{kind}"] = share(s.word for s in found)
    for edge, found in something.items():
        metrics[f"found_{edge:g}"] = share(s.verdict.found and right(s) for s in found)
        theirs[f"found_{edge:g}"] = share(s.word and s.best == PLACE for s in found)
        metrics[f"planted_is_best_{edge:g}"] = share(s.best == PLACE for s in found)
    noise = nothing["normal"]
    metrics |= {
        "luck_one_year": expected_maximum(STRATEGIES),
        "best_one_year": best_of_a_year(),
        "pbo_worthless": mean(s.verdict.pbo for s in noise),
        "pbo_planted": mean(s.verdict.pbo for s in something[max(EDGES)]),
        "effective": mean(s.verdict.effective for s in noise),
        "effective_alike": mean(s.verdict.effective for s in nothing["alike"]),
        "search_s": watch.seconds / (len(KINDS) * WORTHLESS + len(EDGES) * PLANTED),
    }
    ours, word = (correct(figures) for figures in (metrics, theirs))
    baseline = {"name": "the best Sharpe ratio at its word", **theirs}
    return Result("search", metrics, baseline, ours / word)


def searches(kind: str, edge: float, count: int) -> Iterator[Search]:
    """So many, each of returns of its own."""
    for seed in range(count):
        x = returns(kind, edge, np.random.default_rng([seed, round(edge * 100)]))
        of = Moments.of(x)
        best = int(of.sharpe.argmax())
        yield Search(judged(x, seed=seed), bool(probabilistic(of)[best] >= SURE), best)


def returns(kind: str, edge: float, rng: np.random.Generator) -> Floats:
    """(T, N) deviations. ``heavy``: Student's law of 4 degrees; ``alike``: correlated by 1/2."""
    size = (YEARS * DAYS, STRATEGIES)
    x = rng.standard_t(4, size) / np.sqrt(2) if kind == "heavy" else rng.standard_normal(size)
    if kind == "alike":
        x = np.sqrt(0.5) * (x + rng.standard_normal((size[0], 1)))
    x[:, PLACE] += edge / np.sqrt(DAYS)
    return np.asarray(x)


def best_of_a_year(count: int = 20) -> float:
    """Mean over so many searches of the best Sharpe ratio that a year of noise shows."""
    rng = np.random.default_rng(0)
    drawn = (rng.standard_normal((DAYS, STRATEGIES)) for _ in range(count))
    return mean(yearly(float(Moments.of(x).sharpe.max()), DAYS) for x in drawn)


def right(search: Search) -> bool:
    return search.verdict.best == PLACE


def share(said: Iterator[bool]) -> float:
    return float(np.mean([*said]))


def mean(values: Iterator[float | None]) -> float:
    return float(np.mean([x for x in values if x is not None]))


def correct(figures: dict[str, Any]) -> float:
    """Mean share of right answers: nothing of noise, the planted one of the strongest edge."""
    nothing, something = figures["false_alarms_normal"], figures[f"found_{max(EDGES):g}"]
    return float(1 - nothing + something) / 2
