"""Ensembles whose weights move obey the laws of every model."""

from dataclasses import replace

import pytest

from flowsense.ensemble.adapt import Adaptive
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.super import Super
from flowsense.models import build
from flowsense.schema import SECOND
from flowsense.testing.conformance import CHECKS, Fitted, Trial

LAWS = ("targets", "names", "unseen", "checkpoint", "kinds", "repeats")


@pytest.fixture(scope="module", params=[Adaptive(regimes=2), Super(every_ns=7 * SECOND)])
def fitted(request):
    members = tuple(map(build, ("imbalance", "vote", "majority")))
    return Fitted.on(Ensemble(members, request.param), Trial.usual())


@pytest.mark.compiled
@pytest.mark.parametrize("check", LAWS)
def test_it_is_a_model(check, fitted):
    CHECKS[check](fitted)


@pytest.mark.soak
@pytest.mark.compiled
def test_cutting_and_saving_change_nothing(fitted):
    """On the rows that it was fitted to, which weights that begin anew follow."""
    model = fitted.model
    anew = replace(model, combiner=model.combiner.anew())
    CHECKS["laws"](replace(fitted, model=anew))


@pytest.mark.compiled
def test_it_is_saved_with_the_name_of_how_it_combines(fitted):
    again = Ensemble().load(fitted.model.params())
    assert type(again.combiner) is type(fitted.model.combiner)
