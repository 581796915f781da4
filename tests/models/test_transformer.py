"""The transformer finds a pattern some time ago, whose exact chances are known; its settings."""

from dataclasses import replace

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.model import Budget
from flowsense.models.transformer import Transformer
from flowsense.testing.pulses import Pattern, forecast, pulses, share_of_skill

pytestmark = [pytest.mark.slow, pytest.mark.compiled]
PATTERNS = (Pattern(1.0, 0.6, 4.0),)
NET = Transformer(
    history=20, seconds=3, minutes=2, layers=2, units=16, heads=4, rate=1e-2, decay=0.01
)


@pytest.fixture(scope="module")
def fitted():
    pytest.importorskip("torch")
    learned = pulses(PATTERNS, 12_000, 0)
    net = replace(NET, dropout=0.0, epochs=5)
    return net.fit(learned, learned.labels, seed=0, budget=Budget())


@pytest.fixture(scope="module")
def later():
    return pulses(PATTERNS, 6_000, 1)


def test_a_lagged_pattern_is_found(fitted, later):
    assert share_of_skill(forecast(fitted, later), later, 100) > 0.8


def test_in_8_bits_it_says_nearly_the_same(fitted, later):
    from flowsense.nn.quantise import quantised

    params = fitted.params()
    small = fitted.load(params | {"graph": quantised(params["graph"])})
    here, there = forecast(fitted, later), forecast(small, later)
    assert 0 < np.abs(here.proba - there.proba).max() < 0.1
    assert share_of_skill(there, later, 100) > share_of_skill(here, later, 100) - 0.02


def test_attention_lies_where_the_pattern_is(fitted, later):
    tape = later.tape(slice(0, 500))
    found = fitted.attention(fitted.init(tape.instruments), tape, np.arange(100, 500, 40))
    share = found.rows.share[:, 0].max(axis=1)  # (R, N) of the keenest head
    near = np.abs(found.rows.ago - 1.0) < 0.6
    assert share[near].mean() > 1.5 * share[~near].mean()


def test_a_fit_in_8_bits_serves_so():
    pytest.importorskip("torch")
    learned = pulses(PATTERNS, 1_500, 0)
    wide = replace(NET, units=64, epochs=1, epoch=1)
    plain, small = (
        replace(wide, int8=int8).fit(learned, learned.labels, seed=0, budget=Budget())
        for int8 in (False, True)
    )
    assert len(small.params()["graph"]) < 0.6 * len(plain.params()["graph"])


def test_presets_have_the_published_sizes():
    sizes = [(n.layers, n.heads, n.units) for n in map(Transformer.preset, ("small", "base"))]
    assert sizes == [(4, 8, 128), (6, 8, 256)]
    assert Transformer.preset("large", int8=True).units == 512
    with pytest.raises(InputError, match="preset 'huge': give small, base, large"):
        Transformer.preset("huge")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"units": 10}, "10 units cannot be shared by 4 heads"),
        ({"seconds": 1}, "give 2 layers, a history of 3"),
        ({"layers": 1}, "give 2 layers, a history of 3"),
    ],
)
def test_sizes_that_make_no_net_are_refused(more, sentence):
    pytest.importorskip("torch")
    few = pulses(PATTERNS, 1_000, 0)
    with pytest.raises(InputError, match=sentence):
        replace(NET, **more).fit(few, few.labels, seed=0, budget=Budget())
