"""Anybody's estimator beside ours: a scikit-learn forest on two simulated days.

    python own_estimator.py [RECORDING TEST_RECORDING]

Whatever has `fit` and `predict_proba` is a model. It is cloned for each target, fitted on the rows
of Monday alone, and scored on Tuesday beside the nulls. Needs `pip install "flowsense[sklearn]"`.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich import print
from sklearn.ensemble import RandomForestClassifier

import flowsense as fs
from flowsense.schema import DAY
from flowsense.simulate.market import EPOCH, Market, simulate
from flowsense.simulate.saved import save

FAMILIES = ("ofi", "depth", "flow", "trade")


def main(learn: Path, test: Path) -> None:
    monday, tuesday = (fs.read(day, families=FAMILIES) for day in (learn, test))
    forest = RandomForestClassifier(n_estimators=30, min_samples_leaf=20)
    run = fs.walk_forward(monday, ["logistic", forest], tests=[tuesday], targets=["mid@500ms"])
    for name, scores in run.metrics["models"].items():
        score = scores["mid@500ms"]
        vote = score["nulls"]["vote"]
        low, high = (100 * x for x in vote["difference"]["accuracy"])
        print(f"{name}: {score['accuracy']:.3f}, the vote null {vote['accuracy']:.3f}", end=", ")
        print(f"difference {low:+.1f} to {high:+.1f} points over {score['n']} moved rows")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        days = [Path(name) for name in sys.argv[1:]] or [Path(folder, d) for d in ("mon", "tue")]
        for k, day in enumerate(days if len(sys.argv) == 1 else []):
            save(simulate(Market(start=EPOCH + k * DAY), seconds=420, seed=k), day)
        main(*days)
