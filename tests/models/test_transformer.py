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
        ({"heads": 7}, "16 units cannot be shared by 7 heads: give a multiple of the heads"),
        ({"heads": 0}, "transformer: heads 0: give 1 or more"),
        ({"dropout": 1.0}, "transformer: dropout 1.0: give below 1"),
        ({"rate": float("nan")}, "transformer: rate nan: give 0 or more"),
    ],
)
def test_sizes_that_make_no_net_are_refused(more, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(NET, **more)


def test_rows_are_given_as_a_list_or_one_by_one(fitted, later):
    tape = later.tape(slice(0, 300))
    state = fitted.init(tape.instruments)
    two, one = (fitted.attention(state, tape, rows) for rows in ([100, 200], 200))
    assert two.rows.share.shape == (2, NET.layers - 1, NET.heads, NET.history)
    assert two.rows.ago.shape == (2, NET.history)
    assert two.seconds.share.shape == (2, 1, NET.heads, NET.seconds)
    assert two.minutes.share.shape == (2, 1, NET.heads, NET.minutes)
    assert two.alone.shape == (2, NET.heads)
    assert one.rows.share.shape[0] == 1 and np.array_equal(one.rows.share[0], two.rows.share[1])
    total = two.seconds.share.sum((1, 3)) + two.minutes.share.sum((1, 3)) + two.alone
    np.testing.assert_allclose(total, 1, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([200, 100], "give each once, in rising order"),
        ([100, 100], "give each once, in rising order"),
        ([300], "give some of 0 to 299"),
        (-1, "give some of 0 to 299"),
        ([], "give whole numbers, from 0 to 299"),
        ([1.5], "give whole numbers"),
        ([[1, 2]], "give whole numbers"),
    ],
)
def test_rows_that_are_none_are_refused(fitted, later, rows, why):
    tape = later.tape(slice(0, 300))
    with pytest.raises(InputError, match=why):
        fitted.attention(fitted.init(tape.instruments), tape, rows)
