"""How much of what there is to know models find, on markets whose truth is known.

Each market is simulated, run like any recording, and scored beside whoever knows its truth. Of pure
flow that answer is exact, and the model that is made for it has to find .95 of the skill. Elsewhere
it is a map that knows efficient prices too, which no feed shows: nobody who sees the feed gets
there (`train.ceiling`).
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from flowsense.bench import Result
from flowsense.forecast import Target
from flowsense.simulate.market import simulate
from flowsense.simulate.markets import composed
from flowsense.simulate.saved import save
from flowsense.train.config import RunConfig
from flowsense.train.read import read
from flowsense.train.run import run as scored

ASKED = 0.95  # share of the skill in pure flow
MATCHING = ("antisymmetric", "hawkes")  # models that are made for it: linear in decayed flow


class Plan(NamedTuple):
    plant: str
    minutes: float
    targets: tuple[str, ...]
    models: tuple[str, ...]


PLANS = (
    Plan("flow", 30, ("ofi@100ms", "ofi@500ms"), (*MATCHING, "xgboost")),
    Plan("leader", 20, ("mid@500ms",), ("antisymmetric", "xgboost", "pool")),
    Plan("network", 10, ("mid@1s",), ("antisymmetric", "xgboost", "pool")),
    Plan("patterns", 20, ("mid@5s",), ("antisymmetric", "xgboost", "pool")),
    Plan("alternative", 20, ("mid@5s",), ("antisymmetric", "xgboost", "pool")),
)


def run() -> Result:
    """`ratio`: the least share of skill of the best matching model in pure flow, over .95."""
    metrics: dict[str, Any] = {}
    best: dict[str, Any] = {"name": "whoever knows the truth"}
    flow = dict[str, float]()
    for plan in PLANS:
        for name, targets in shares(plan).items():
            for target, score in targets.items():
                what = f"{plan.plant} {target}, {name}: "
                metrics[what + "accuracy"] = score["accuracy"]
                best[what + "accuracy"] = score["ceiling"]["accuracy"]
                metrics[what + "share of skill"] = share = score["share_of_skill"]
                if plan.plant == "flow" and name in MATCHING and share is not None:
                    flow[target] = max(share, flow.get(target, share))
    return Result("ceilings", metrics, best, min(flow.values()) / ASKED)


def shares(plan: Plan, seed: int = 0) -> dict[str, dict[str, dict[str, Any]]]:
    """The scores of a run on one market, by model and target."""
    targets = tuple(map(Target.parse, plan.targets))
    with TemporaryDirectory() as folder:
        save(simulate(composed((plan.plant,)), 60 * plan.minutes, seed), Path(folder) / "market")
        recording = read([Path(folder) / "market"])
        spec = recording.spec
        families = tuple(name for name, _ in spec.versions)
        config = RunConfig(plan.models, families, spec.clocks, targets, seed=seed)
        found = scored(recording.source, config, options=recording.options)
    models: dict[str, dict[str, dict[str, Any]]] = found.metrics["models"]
    return models
