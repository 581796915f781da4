"""Gradient-boosted trees grown leaf by leaf, the most useful first. Ke et al. 2017."""

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from flowsense.model.trees import Grown, Matrix, Task, Trees, rounds
from flowsense.model.trees_read import of_lightgbm
from flowsense.wall import Stopwatch


@dataclass(frozen=True, slots=True)
class Lightgbm(Trees):
    leaves: int = 24
    depth: int = 7
    rate: float = 0.05
    subsample: float = 0.5  # of the rows, for each tree
    columns: float = 0.5  # of the columns, for each tree
    smallest: int = 40  # least rows of a leaf
    bins: int = 63

    def grow(self, task: Task, trees: int, seconds: float, seed: int) -> Grown:
        """The best forest on the rows to stop on, and the gain of each column."""
        watch, settings = Stopwatch(), self._settings(task, seed)
        with watch:
            data = self._data(task.X, task.y, task.weight, settings, task)
            booster = lgb.Booster(settings, data)
            if task.stops:
                held = (task.stop_X, task.stop_y, task.stop_weight)
                booster.add_valid(self._data(*held, settings, task, data), "held")

        def one(step: int) -> float:
            booster.update()
            return float(booster.eval_valid()[0][2]) if task.stops else -float(step)

        best = rounds(one, trees, self.patience, watch, seconds)
        gain = booster.feature_importance("gain", iteration=best)
        return Grown(of_lightgbm(booster.model_to_string(num_iteration=best)), gain)

    def _data(
        self, X: Matrix, y: Any, weight: Any, settings: dict[str, Any], task: Task, like: Any = None
    ) -> Any:
        start = np.full(len(y), self.start(task))
        return lgb.Dataset(X, y, reference=like, weight=weight, init_score=start, params=settings)

    def _settings(self, task: Task, seed: int) -> dict[str, Any]:
        return {
            "objective": "regression" if task.sized else "binary",
            "metric": "rmse" if task.sized else "binary_logloss",
            "boost_from_average": False,  # it starts from the mean already
            "num_leaves": self.leaves,
            "max_depth": self.depth,
            "learning_rate": self.rate,
            "bagging_fraction": self.subsample,
            "bagging_freq": 1,
            "feature_fraction": self.columns,
            "min_data_in_leaf": self.smallest,
            "max_bin": self.bins,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
