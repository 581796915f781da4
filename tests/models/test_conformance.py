"""Every registered model, fitted on a small recording, does what a model must do."""

from functools import cache

import pytest

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.model import Budget
from flowsense.models import MODELS, NULLS, build
from flowsense.registry import load
from flowsense.testing.conformance import CHECKS, Fitted, Trial

pytestmark = pytest.mark.compiled

QUICK = ("targets", "laws", "names", "unseen", "checkpoint", "kinds")
LONG = tuple(name for name in CHECKS if name not in QUICK)  # they fit again
SOON = ("vote", "logistic", "xgboost")  # the others take a minute or two


def soon(name, check):
    """Before every push; the laws, which cut after every event, later."""
    return name in SOON and check != "laws"


EVERY = [
    pytest.param(name, check, marks=() if soon(name, check) else pytest.mark.slow)
    for name in MODELS
    for check in QUICK
]


@cache
def trial():
    return Trial.usual()


@cache
def fitted(name):
    return Fitted.on(load("model", name, MODELS).tiny(), trial())


@pytest.mark.parametrize(("name", "check"), EVERY)
def test_a_model_as_it_is_fitted(name, check):
    CHECKS[check](fitted(name))


@pytest.mark.slow
@pytest.mark.parametrize("check", LONG)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_fitted_to_something_else(name, check):
    CHECKS[check](fitted(name))


def test_nulls_are_models():
    assert set(NULLS) <= set(MODELS)
    assert all(build(name).targets == () for name in NULLS)


def test_a_target_without_a_side_is_refused():
    labels = trial().labels
    regimes = labels._replace(targets=(Target("regime", 1), *labels.targets[1:]))
    with pytest.raises(InputError, match="regime"):
        build("vote").fit(trial().reader, regimes, seed=0, budget=Budget())
