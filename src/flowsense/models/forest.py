"""Random forests of the side and of the move. Breiman 2001; grown by scikit-learn."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from flowsense.errors import InputError
from flowsense.model.trees import Grown, Task, Trees
from flowsense.model.trees_read import of_sklearn
from flowsense.wall import Stopwatch

TOGETHER = 5  # trees grown between two looks at the clock


@dataclass(frozen=True, slots=True)
class Forest(Trees):
    """A forest does not overfit by growing, so no rows are needed to stop on.

    Only fitting needs scikit-learn: forecasts come from arrays.
    """

    trees: int = 100
    most: int = 10_000
    depth: int = 7
    smallest: int = 40  # least rows of a leaf
    columns: float = 0.1  # of the columns, tried at each split
    unstopped: int = 100

    @property
    def odds(self) -> bool:
        return False

    def grow(self, task: Task, trees: int, seconds: float, seed: int) -> Grown:
        """Each tree adds its share of what its leaves are away from the mean."""
        watch, forest = Stopwatch(), self._forest(task, seed)
        for grown in range(TOGETHER, trees + TOGETHER, TOGETHER):
            with watch:
                forest.set_params(n_estimators=min(grown, trees))
                forest.fit(task.X, task.y, sample_weight=task.weight)
            if watch.seconds > seconds:
                break
        found = [tree.tree_ for tree in forest.estimators_]
        said = [tree.value[:, 0, 0] if task.sized else yes(tree.value[:, 0]) for tree in found]
        trees_ = [
            of_sklearn(tree, (value - task.mean) / len(found))
            for tree, value in zip(found, said, strict=True)
        ]
        return Grown(trees_, np.asarray(forest.feature_importances_, np.float64))

    def _forest(self, task: Task, seed: int) -> Any:
        """Raises InputError where scikit-learn is missing."""
        try:
            from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
        except ModuleNotFoundError as missing:
            fix = "pip install 'flowsense[sklearn]'"
            raise InputError(f"fitting a forest needs {missing.name}: {fix}") from missing
        kind = RandomForestRegressor if task.sized else RandomForestClassifier
        return kind(
            max_depth=self.depth,
            min_samples_leaf=self.smallest,
            max_features=self.columns,
            n_jobs=1,
            random_state=seed,
            warm_start=True,
        )


def yes(value: Any) -> Any:
    """(N,) share of yes, of the rows of each node by weight."""
    return value[:, 1] / value.sum(axis=1)
