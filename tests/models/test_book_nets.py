"""Nets of the raw book: the published form by its count of numbers; a pattern that each finds."""

from dataclasses import replace

import lagged
import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.model import Budget
from flowsense.models import build
from flowsense.models.binctabl import Binctabl
from flowsense.models.deeplob import Deeplob
from flowsense.models.tlob import Tlob
from flowsense.nn.net import Shape
from flowsense.schema import DEPTH

torch = pytest.importorskip("torch")
BOOK, LEVEL = 4 * DEPTH, 2
SMALL = {
    "deeplob": {"history": 6, "filters": 4, "mixed": 4, "units": 8, "rate": 5e-3, "epochs": 7},
    "tlob": {"history": 6, "units": 16, "rate": 5e-3, "epochs": 7},
    "binctabl": {"history": 6, "first": (32, 6), "second": (16, 3), "rate": 5e-3, "epochs": 10},
}


def numbers(module):
    return sum(p.numel() for p in module.parameters())


def count(model, targets=1):
    return numbers(model.module(Shape(BOOK, model.history, targets)))


def test_deeplob_has_the_numbers_of_the_paper():
    """60 thousand in table IV: 9,392 + 9,888 + 41,216 + 195; PyTorch's LSTM has two biases."""
    assert count(Deeplob.published()) == 60_691 + 4 * 64


def test_binctabl_has_the_numbers_of_its_layers():
    bilinear = (60 * 40 + 10 * 10 + 60 * 10) + (120 * 60 + 5 * 10 + 120 * 5)
    attention = 3 * 120 + 5 * 5 + 5 + 3 + 1
    assert count(Binctabl.published()) == bilinear + attention + 2 * (40 + 10 + 1) == 11_446


def test_tlob_has_the_numbers_of_its_authors_but_those_of_a_second_projection():
    """Theirs projects queries, keys, values and outputs twice in a row, without a bend between."""
    twice = sum(4 * (4 * w * w + 4 * w) for w in (40, 128))
    assert count(Tlob.published()) + twice == 1_135_971


@pytest.mark.parametrize("of", [Deeplob, Tlob, Binctabl])
def test_each_target_costs_its_outputs_alone(of):
    model = of.published()
    wide = numbers_of_last(model)
    assert count(model, 5) - count(model) == 12 * wide


def numbers_of_last(model):
    """Weights and the shift behind one output."""
    return {"Deeplob": 64 + 1, "Tlob": 80 + 1, "Binctabl": 120 + 1}[type(model).__name__]


def test_the_ask_and_the_bid_of_a_level_stand_side_by_side():
    from flowsense.nn.architectures.deeplob import paired

    assert paired()[:8].tolist() == [20, 30, 0, 10, 21, 31, 1, 11]
    assert sorted(paired().tolist()) == list(range(BOOK))


def test_what_does_not_change_within_a_window_is_0_not_noise():
    from flowsense.nn.architectures.bilinear import deviations

    x = torch.tensor([[[1e6, 1e6, 1e6], [1.0, 2.0, 3.0]]])
    over = deviations(x, 2)[0]
    assert over[0].tolist() == [0, 0, 0]
    assert over[1].tolist() == pytest.approx([-1.2247449, 0, 1.2247449])


def test_deeplob_without_the_book_is_refused():
    with pytest.raises(InputError, match="book=True"):
        Deeplob(book=False).module(Shape(60, 4, 1))


def planted(instants, seed=0):
    """The side is told by one level's sizes, `lagged.LAG` rows before."""
    of, rng = lagged.rows(instants, seed), np.random.default_rng(seed + 100)
    level = np.arange(DEPTH)
    of.book["known"] = DEPTH
    of.book["bid_px"], of.book["ask_px"] = 10_000 - level, 10_001 + level
    for side in ("bid_sz", "ask_sz"):
        of.book[side] = np.exp(rng.normal(4, 1, of.book[side].shape)).astype(np.int64) + 1
    told = np.log(of.book["bid_sz"][:, LEVEL] / of.book["ask_sz"][:, LEVEL])
    of.X[:, lagged.SIDE], of.X[:, lagged.BUSY] = told, 1.0
    return of, lagged.labels(of, seed)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("name", SMALL)
def test_finds_the_level_that_told_three_rows_before(name):
    (of, labels), (later, truth) = planted(1_500), planted(400, seed=1)
    reader = lagged.Tapes((lagged.tape(of),))
    model = build(name, **SMALL[name]).fit(reader, labels, seed=0, budget=Budget())
    tape = lagged.tape(later)
    _, said = model.predict(model.init(tape.instruments), tape)
    side = np.sign(said.proba[:, 0, 2] - said.proba[:, 0, 0])
    came = truth.y[:, 0] - 1
    scored = said.ready[:, 0] & (came != 0)
    assert (side == came)[scored].mean() > 0.85
    assert replace(model, fitted=None).targets == ()
