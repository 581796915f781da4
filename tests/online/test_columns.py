"""Columns against how they were distributed: from the first rows, or from those given."""

import numpy as np
import pytest
from grids import one
from grids import rows as touches

from flowsense.errors import InputError
from flowsense.evaluate.stability import Reference
from flowsense.online.columns import Columns
from flowsense.store.checkpoint import pack, unpack

INSTRUMENTS = (one("A"), one("B"))


def stream(n, shift=0.0, since=0, seed=1):
    """n rows of each of two instruments by the second; the second column moves by `shift`."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((2 * n, 2)).astype(np.float32)
    X[2 * since :, 1] += shift
    valid = rng.random((2 * n, 2)) < 0.9
    base = touches(*((1_000 * (k // 2), 10) for k in range(2 * n)))
    return base._replace(X=np.where(valid, X, 0), valid=valid, instrument=np.arange(2 * n) % 2)


def pushed(columns, rows, edges=()):
    state = columns.init(INSTRUMENTS)
    for a, b in zip((0, *edges), (*edges, len(rows.ts)), strict=True):
        state = columns.push(state, rows.take(slice(a, b)))
        state = type(state)(**unpack(pack(state._asdict())))
    return columns.psi(state), state


def test_a_column_that_moves_is_told_from_one_that_stays():
    columns = Columns(("stays", "moves"), block=300)

    psi, state = pushed(columns, stream(1_500, shift=1.0, since=1_000))

    assert psi["stays"] < 0.15 and psi["moves"] > 0.5
    assert state.rows.tolist() == [0, 3]


def test_nothing_is_told_before_a_block_is_closed():
    assert pushed(Columns(("a", "b"), block=300), stream(800))[0] == {}


def test_a_reference_that_is_given_is_taken():
    known = stream(400)
    reference = Reference.of(known.X, known.valid)

    psi, _ = pushed(Columns(("a", "b"), reference, block=300), stream(300, 2.0, seed=2))

    assert psi["a"] < 0.15 and psi["b"] > 1


def test_one_row_a_second_is_taken_of_all_instruments_together():
    _, state = pushed(Columns(("a", "b"), block=10_000), stream(600))

    assert len(state.kept) == 600


def test_cut_anywhere_stored_and_restored_it_is_the_same():
    columns, rows = Columns(("a", "b"), block=100), stream(700)
    whole = pack(pushed(columns, rows)[1]._asdict())
    rng = np.random.default_rng(1)

    for cuts in (tuple(range(2, 1_400, 22)), tuple(np.sort(rng.choice(700, 5, False)) * 2)):
        assert pack(pushed(columns, rows, cuts)[1]._asdict()) == whole


def test_settings_that_are_none_are_refused():
    with pytest.raises(InputError, match="block 0"):
        Columns(("a",), block=0)
    with pytest.raises(InputError, match="a reference of 2 columns"):
        Columns(("a",), Reference.of(np.zeros((1, 2), np.float32), np.ones((1, 2), bool)))
