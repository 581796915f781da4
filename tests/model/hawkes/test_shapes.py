import math

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.model.hawkes.shapes import Exponentials, PowerLaw


def test_a_power_law_is_one_between_its_ends():
    """(t + c)^-(1 + exponent), up to a factor, from a tenth of c to a tenth of the longest."""
    law = PowerLaw(0.5, 0.01, 100.0)
    terms, t = law.terms(), np.geomspace(0.001, 10, 50)
    kernel = (terms.mix[0] * terms.beta * np.exp(-np.outer(t, terms.beta))).sum(axis=1)
    ratio = kernel * (t + law.shortest) ** (1 + law.exponent)
    assert ratio.max() / ratio.min() < 1.05


@pytest.mark.parametrize("shapes", [Exponentials((1.0, 30.0)), PowerLaw(0.3)])
def test_each_shape_has_mass_one_and_its_slopes(shapes):
    terms, h = shapes.terms(), 1e-6
    assert np.allclose(terms.mix.sum(axis=1), 1)
    up, down = (shapes.at(shapes.free + s * h).terms() for s in (1, -1))
    assert np.allclose((up.mix - down.mix) / (2 * h), terms.by_mix, atol=1e-6)
    log_slope = (np.log(up.beta) - np.log(down.beta)) / (2 * h)
    assert np.allclose(terms.mix * log_slope, terms.by_decay, atol=1e-6)


def test_parameters_go_round():
    assert np.allclose(Exponentials((2.0,)).at(np.array([math.log(7)])).decays, 7)
    assert PowerLaw().at(np.array([0.9])).exponent == 0.9


@pytest.mark.parametrize(
    "made",
    [
        lambda: Exponentials(()),
        lambda: Exponentials((0.0,)),
        lambda: Exponentials((math.nan,)),
        lambda: PowerLaw(exponent=0.0),
        lambda: PowerLaw(shortest=2.0, longest=1.0),
    ],
)
def test_what_is_no_shape_is_refused(made):
    with pytest.raises(InputError):
        made()
