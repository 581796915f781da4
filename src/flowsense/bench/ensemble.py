"""Voters whose truth is known, heard together: what each way makes of them, and what theory says.

Five are right on 60 % of rows; how far they err together is set. Combiners are taught on some rows
and scored on others. At last labels are dealt anew: nothing is to be heard then.
"""

from typing import Any

import numpy as np

from flowsense.bench import Result
from flowsense.ensemble import Combiner
from flowsense.ensemble.agree import Agree
from flowsense.ensemble.blend import Blend
from flowsense.ensemble.combiners import combiner
from flowsense.ensemble.fallback import Fallback, whole
from flowsense.evaluate.scores import COVERAGES
from flowsense.forecast import Forecast
from flowsense.model.sides import Floats
from flowsense.testing.voters import (
    accuracy,
    heard,
    hits,
    labels,
    loss,
    normal,
    strength_of,
    together,
)

VOTERS, RIGHT, CORRELATED = 5, 0.6, (0.0, 0.3, 0.8, 1.0)
TAUGHT, SCORED, DEALT = 4_000, 40_000, 40


def run() -> Result:
    """`ratio`: at a correlation of .3, the log-loss saved by all of what can be saved."""
    metrics: dict[str, Any] = {f"correlation {rho}": voters(rho) for rho in CORRELATED}
    metrics["labels dealt anew"] = dealt(DEALT)
    found = metrics["correlation 0.3"]
    single, best = found["best single"]["log_loss"], found["theory"]["log_loss"]
    saved = (single - found["fallback"]["log_loss"]) / (single - best)
    return Result(
        "ensemble", metrics, {"name": "best single member", **found["best single"]}, saved
    )


def ways() -> dict[str, Combiner[Any]]:
    return {
        "mean": Blend(learn=False, table=False),
        "blend": Blend(),
        "select": combiner("select"),
        "agree 3 of 5": Agree(confidence=0.0),
        "agree 5 of 5": Agree(share=1.0, confidence=0.0),
        "stack": combiner("stack"),
        "fallback": Fallback(),
    }


def voters(rho: float) -> dict[str, dict[str, float]]:
    """Accuracy at each coverage, and log-loss, on rows that taught nothing."""
    strength = strength_of(RIGHT)
    odds, y = normal(VOTERS, TAUGHT, strength, rho, seed=1)
    more, came = normal(VOTERS, SCORED, strength, rho, seed=2)
    taught, scored, known = heard(odds), heard(more), labels(y)
    singles = [scores(one, came) for one in scored.said]
    found = {"best single": min(singles, key=lambda s: s["log_loss"])}
    for name, way in ways().items():
        found[name] = scores(whole(way.fit(taught, known), scored), came)
    reach = together(VOTERS, strength, rho)
    best = more.sum(axis=0) / (1 + (VOTERS - 1) * rho)
    found["theory"] = {f"{c:.0%}": accuracy(reach, c) for c in COVERAGES}
    found["theory"]["log_loss"] = float(np.logaddexp(0.0, -best * came).mean())
    return found


def scores(of: Forecast, y: Floats) -> dict[str, float]:
    return {f"{c:.0%}": hits(of, y, c) for c in COVERAGES} | {"log_loss": loss(of, y)}


def dealt(times: int) -> dict[str, float]:
    """Beside the voters one who says nothing; with labels of other rows that one is right."""
    alone, harm = 0, list[float]()
    for seed in range(times):
        odds, y = normal(VOTERS, TAUGHT, strength_of(RIGHT), 0.3, seed)
        of = heard(np.vstack([odds, np.zeros(TAUGHT)]))
        rng = np.random.default_rng(seed)
        found = Fallback().fit(of, labels(rng.permutation(y)))
        alone += found.verdicts["mid@500ms"].heard == of.names[-1]
        harm.append(loss(whole(found, of), rng.permutation(y)) - float(np.log(2)))
    return {"fell back to who says nothing": alone / times, "log_loss added": float(np.mean(harm))}
