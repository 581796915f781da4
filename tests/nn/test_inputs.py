"""What a net reads of a row, by hand; and that neither cuts nor the mirror change it."""

import numpy as np
import pytest
from lagged import SPEC, Tapes, labels, lagged, rows, tape

from flowsense.features.catalogue import described
from flowsense.model.terms import mirror
from flowsense.nn.inputs import (
    Seen,
    compared,
    levels,
    measured,
    nothing_seen,
    numbers,
    read,
    standardised,
    turned,
)
from flowsense.schema import BOOK, DEPTH, NO_ASK, NO_BID, zeros

pytestmark = pytest.mark.compiled


def book():
    """Bids at 99, 97; asks at 102, 103; mid 100.5."""
    one = zeros(BOOK, 1)
    one["bid_px"], one["ask_px"] = NO_BID, NO_ASK
    one["bid_px"][0, :2], one["bid_sz"][0, :2] = (99, 97), (10, 1)
    one["ask_px"][0, :2], one["ask_sz"][0, :2] = (102, 103), (3, 7)
    return one


def test_levels_are_ticks_from_the_mid_and_log_sizes():
    found = levels(book())[0]
    bid, bid_size, ask, ask_size = found.reshape(4, DEPTH)
    np.testing.assert_allclose(bid[:2], [1.5, 3.5])
    np.testing.assert_allclose(ask[:2], [1.5, 2.5])
    np.testing.assert_allclose(bid_size[:2], np.log([11, 2]), rtol=1e-6)
    np.testing.assert_allclose(ask_size[:2], np.log([4, 8]), rtol=1e-6)
    assert np.isnan(found.reshape(4, DEPTH)[:, 2:]).all()


def test_without_a_mid_no_level_is_known():
    empty = book()
    empty["ask_px"] = NO_ASK
    assert np.isnan(levels(empty)).all()


def test_the_row_before_is_that_of_the_same_instrument():
    three = rows(2, absent=0.0).take(slice(0, 3))  # A, B; A
    three.quote["mid2"][:] = (200, 900, 203)
    seen, since, change = compared(three, nothing_seen(2))
    np.testing.assert_allclose(since, [np.nan, np.nan, np.log1p(100)], rtol=1e-6)
    np.testing.assert_allclose(change, [np.nan, np.nan, 1.5])
    assert seen.mid2.tolist() == [203, 900]
    assert seen.ts.tolist() == [three.ts[2], three.ts[1]]


@pytest.mark.parametrize("of_book", [False, True])
def test_a_cut_changes_no_input(of_book):
    reader, told = lagged(60)
    inputs, _ = measured(reader, told, of_book)
    whole = rows(60)
    _, expected = read(inputs, whole, whole.instrument, nothing_seen(2))
    seen, parts = nothing_seen(2), []
    for a, b in zip(range(0, 60, 7), range(7, 67, 7), strict=True):
        part = whole.take(slice(a, b))
        seen, x = read(inputs, part, part.instrument, seen)
        parts.append(x)
    np.testing.assert_array_equal(np.concatenate(parts), expected[: len(np.concatenate(parts))])
    assert isinstance(seen, Seen) and expected.shape[1] == inputs.width


@pytest.mark.parametrize("of_book", [False, True])
def test_the_mirrored_row_has_the_mirrored_inputs(of_book):
    reader, told = lagged(300)
    inputs, _ = measured(reader, told, of_book)
    whole = rows(300)
    _, raw = numbers(whole, of_book, nothing_seen(2))
    source, sign = turned(SPEC, of_book)
    there = standardised(inputs, raw[:, source] * sign, whole.instrument)
    here = standardised(inputs, raw, whole.instrument)
    np.testing.assert_array_equal(there, here[:, inputs.source] * inputs.sign)


def test_columns_turn_as_the_catalogue_says():
    source, sign = turned(SPEC, False)
    columns, signs = mirror(described(SPEC))
    np.testing.assert_array_equal(source, [*columns, len(columns)])
    np.testing.assert_array_equal(sign, [*signs, 1])


def test_only_rows_to_learn_from_are_measured():
    reader, told = lagged(200)
    late = np.arange(len(told.y)) > 150
    few = told._replace(valid=told.valid & ~late[:, None])
    spoiled = [t._replace(rows=(t.rows[0].take(slice(None)),)) for t in reader]
    at = 0
    for part in spoiled:
        n = len(part.rows[0].ts)
        part.rows[0].X[late[at : at + n]] *= 1e6
        at += n
    here, there = measured(reader, few, False), measured(Tapes(tuple(spoiled)), few, False)
    np.testing.assert_array_equal(here[0].standard, there[0].standard)


def test_deviations_are_those_of_each_instrument_and_others_hear_the_mean():
    whole = rows(400)
    told = labels(whole)
    whole.X[whole.instrument == 1] *= 100
    inputs, _ = measured(Tapes((tape(whole),)), told, False)
    a, b, other = inputs.standard[:, 0, 1]
    assert a / b == pytest.approx(100, rel=0.2)
    assert other == pytest.approx(np.sqrt(a * b))


def test_constant_and_missing_columns_are_harmless():
    whole = rows(200)
    whole.X[:, 2], whole.valid[:, 2] = 5, True
    whole.X[:, 3], whole.valid[:, 3] = 0, False
    inputs, _ = measured(Tapes((tape(whole),)), labels(whole), False)
    _, x = read(inputs, whole, whole.instrument, nothing_seen(2))
    assert np.isfinite(x).all()
    assert not x[:, [2, 3]].any()
    assert not {2, 3, int(inputs.source[2]), int(inputs.source[3])} <= set(inputs.masked)


def test_what_is_missing_now_and_then_is_said():
    whole = rows(500)
    inputs, _ = measured(Tapes((tape(whole),)), labels(whole), False)
    _, x = read(inputs, whole, whole.instrument, nothing_seen(2))
    r = len(SPEC.columns) + 1
    first = int(inputs.masked[0])
    np.testing.assert_array_equal(x[:, r] == 1, ~whole.valid[:, first])
    assert x.shape[1] == r + len(inputs.masked)
