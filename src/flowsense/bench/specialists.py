"""The five specialists in one ensemble, as they are served: fitted in seconds, knowing little."""

from pathlib import Path

from flowsense.models import ENSEMBLE
from flowsense.models.transformer import Transformer
from flowsense.train.read import read
from flowsense.train.run import walk_forward
from flowsense.train.shelf import save_model

TARGETS = ("mid@500ms", "ofi@500ms")
FIT = "15s"  # for each of them, forecasts included


def specialists(folder: Path, recording: Path) -> Path:
    """A checkpoint of Hawkes, a small transformer, HMM, graph and XGBoost, heard together.

    Raises InputError where PyTorch is not installed.
    """
    models = ("hawkes", Transformer.preset("small"), "hmm", "graph", "xgboost")
    run = walk_forward(read(str(recording)), models, targets=TARGETS, budget=FIT, seed=0)
    of = run.material
    save_model(of, len(of.folds) - 1, run.fitted[ENSEMBLE], folder, 0, {})
    return folder
