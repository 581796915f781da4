"""Gradient-boosted trees of the side and of the move, with early stopping. Chen & Guestrin 2016."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb

from flowsense.model.trees import Grown, Task, Trees, rounds
from flowsense.model.trees_read import of_xgboost
from flowsense.wall import Stopwatch


@dataclass(frozen=True, slots=True)
class Xgboost(Trees):
    depth: int = 5
    rate: float = 0.05
    subsample: float = 0.5  # of the rows, for each tree
    columns: float = 0.5  # of the columns, for each tree
    smallest: float = 10.0  # least weight of a leaf
    bins: int = 64

    def grow(self, task: Task, trees: int, seconds: float, seed: int) -> Grown:
        """The best forest on the rows to stop on, and the gain of each column."""
        watch, most = Stopwatch(), {"max_bin": self.bins}
        with watch:
            data = xgb.QuantileDMatrix(task.X, task.y, weight=task.weight, **most)
            watched = (
                xgb.QuantileDMatrix(
                    task.stop_X, task.stop_y, weight=task.stop_weight, ref=data, **most
                )
                if task.stops
                else None
            )
            booster = xgb.Booster(self._settings(task, seed), [data])

        def one(step: int) -> float:
            booster.update(data, step)
            if watched is None:
                return -float(step)
            return float(booster.eval(watched).rsplit(":", 1)[1])

        kept = booster[: rounds(one, trees, self.patience, watch, seconds)]
        gain = np.zeros(task.X.shape[1])
        for name, value in kept.get_score(importance_type="total_gain").items():
            gain[int(name[1:])] = value
        return Grown(of_xgboost(bytes(kept.save_raw("json"))), gain)

    def _settings(self, task: Task, seed: int) -> dict[str, Any]:
        return {
            "objective": "reg:squarederror" if task.sized else "binary:logistic",
            "eval_metric": "rmse" if task.sized else "logloss",
            "base_score": task.mean,
            "max_depth": self.depth,
            "eta": self.rate,
            "subsample": self.subsample,
            "colsample_bytree": self.columns,
            "min_child_weight": self.smallest,
            "max_bin": self.bins,
            "tree_method": "hist",
            "device": "cpu",
            "seed": seed,
            "verbosity": 0,
        }
