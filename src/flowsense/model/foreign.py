"""Fitting an estimator of others: the only module that imports scikit-learn, and only for fits."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from flowsense.errors import InputError
from flowsense.model.gather import Ints
from flowsense.model.sides import Floats
from flowsense.store.arrays import first_line


@runtime_checkable
class Tunable(Protocol):
    def get_params(self, deep: bool = ...) -> dict[str, Any]: ...
    def set_params(self, **params: Any) -> Any: ...


def prepared(estimator: Any, seed: int) -> Any:
    """An unfitted copy, seeded where it was not and on one core."""
    one = clone(estimator, safe=False)
    if isinstance(one, Tunable):
        given = one.get_params(deep=True)
        of = {k: seed for k, v in given.items() if k.endswith("random_state") and v is None}
        of |= {k: 1 for k, v in given.items() if k.endswith("n_jobs") and v is not None}
        one.set_params(**of)
    return one


def takes_missing(estimator: Any) -> bool:
    """Whether NaN may stay where a column is missing."""
    return isinstance(estimator, BaseEstimator) and bool(get_tags(estimator).input_tags.allow_nan)


def fit_one(
    estimator: Any, X: NDArray[np.float32], y: NDArray[Any], weight: Floats, what: str
) -> bool:
    """Fits it; whether it heard the weights. Raises InputError where it refuses the rows."""
    weighs = bool(has_fit_parameter(estimator, "sample_weight"))
    told = {"sample_weight": weight / weight.mean()} if weighs else {}
    try:
        estimator.fit(X.astype(np.float64), y, **told)
    except (ValueError, TypeError) as error:
        raise InputError(f"{what}: the fit failed: {first_line(error)}") from error
    return weighs


def classes_of(estimator: Any, y: NDArray[Any]) -> Ints:
    """The labels that the columns of its probabilities stand for."""
    found = getattr(estimator, "classes_", None)
    return np.asarray(np.unique(y) if found is None else found).astype(np.int64)
