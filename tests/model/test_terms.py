"""What turns with the book, and what a term of it is."""

from math import asinh, nan

import numpy as np
import pytest

from flowsense.model.terms import even, expand, mirror, odd, plain, products, raw, standards
from flowsense.tape import Column

COLUMNS = (
    Column("imb", "1", "", "-"),
    Column("spread", "ticks", ""),
    Column("bids", "lots", "", "asks"),
    Column("asks", "lots", "", "bids"),
)


def expanded(X, terms, standard):
    out = np.zeros((len(X), len(terms)), np.float32)
    place = np.zeros(len(X), np.int64)
    expand(np.asarray(X, np.float32), place, terms, np.asarray([standard], float), out)
    return out


def test_odd_terms_are_signed_columns_and_differences_of_partners():
    assert odd(COLUMNS).tolist() == [[0, 0, 0, 0], [2, 3, -1, 0]]


def test_even_terms_are_plain_columns_sums_of_partners_and_sizes_of_odd_ones():
    assert even(COLUMNS).tolist() == [[1, 0, 0, 0], [2, 3, 1, 0], [0, 0, 0, 1], [2, 3, -1, 1]]


def test_in_the_mirror_odd_terms_change_sign_and_even_ones_stay():
    X = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    columns, signs = mirror(COLUMNS)
    turned = X[:, columns] * signs
    np.testing.assert_array_equal(raw(turned, odd(COLUMNS)), -raw(X, odd(COLUMNS)))
    np.testing.assert_array_equal(raw(turned, even(COLUMNS)), raw(X, even(COLUMNS)))


def test_a_term_by_hand():
    X = [[3.0, 0, 5, 2], [nan, 0, nan, 2], [1e9, 0, 2, 2]]
    standard = [[1.0, 0.5], [0.0, 1.0]]
    found = expanded(X, odd(COLUMNS), standard)
    expected = [[asinh(2), asinh(6)], [0, 0], [asinh(20), 0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rows_expand_as_they_are_put_together_in_numpy():
    X = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    terms = np.concatenate([plain(COLUMNS), odd(COLUMNS), even(COLUMNS)])
    standard = standards(X, terms, np.arange(len(terms)) % 2 == 0)
    z = (raw(X, terms) - standard[:, 0]) * standard[:, 1]
    slow = np.arcsinh(2 * np.clip(z, -10, 10))
    np.testing.assert_allclose(expanded(X, terms, standard), slow, atol=1e-5)


def test_standards_are_of_what_is_there_and_0_where_nothing_changes():
    X = np.array([[1, 7, nan, 0], [3, 7, nan, 0], [nan, 7, nan, 0]], np.float32)
    found = standards(X, plain(COLUMNS), np.array([True, True, True, False]))
    assert found[0].tolist() == [2.0, 1.0]
    assert found[1:, 1].tolist() == [0.0, 0.0, 0.0]


def test_standards_of_no_rows_leave_every_term_out():
    none = np.zeros((0, 4), np.float32)
    assert not standards(none, plain(COLUMNS), np.ones(4, bool)).any()


@pytest.mark.parametrize("evens", [("spread", "bids"), ("bids", "unknown", "spread")])
def test_products_are_found_by_name(evens):
    terms = np.concatenate([odd(COLUMNS), even(COLUMNS)])
    found = products(COLUMNS, terms, ("imb", "not there"), evens)
    assert sorted(found.tolist()) == [[0, 2], [0, 3]]
