"""Money by hand: a linear future, a stock and an inverse perpetual."""

import numpy as np
import pytest

from flowsense._jit import kernel
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.exchange.contracts import (
    checked,
    contract,
    fee,
    gain,
    value,
    worth,
)
from flowsense.schema import Decimal, Instrument

GOOG = Instrument("GOOG", "X", Decimal(1, -2), Decimal(1, 0))
FUTURE = contract(Instrument("ES", "X", Decimal(25, -2), Decimal(1, 0), contract=Decimal(50, 0)))
PERPETUAL = Instrument("BTCUSD", "X", Decimal(1, -1), Decimal(1, 0), Decimal(100, 0), True)
STOCK, INVERSE = contract(GOOG), contract(PERPETUAL)


def test_values_are_in_the_currency_of_settlement():
    assert value(STOCK, 15_025, 10) == pytest.approx(1_502.5)
    assert value(FUTURE, 20_000, 2) == 2 * 50 * 5_000.0
    assert value(INVERSE, 500_000, 5) == 500 / 50_000.0  # bitcoin


def test_a_position_gains_by_its_side():
    assert gain(FUTURE, 20_000, 20_004, 3) == 3 * 50 * 1.0
    assert gain(FUTURE, 20_000, 20_004, -3) == -150.0
    assert gain(INVERSE, 500_000, 625_000, 5) == pytest.approx(500 * (1 / 50_000 - 1 / 62_500))
    assert gain(INVERSE, 500_000, 400_000, -5) == pytest.approx(0.0025)


def test_gains_of_an_inverse_contract_add_up_in_what_it_is_about():
    whole = gain(INVERSE, 500_000, 700_000, 7)
    parts = gain(INVERSE, 500_000, 550_000, 7) + gain(INVERSE, 550_000, 700_000, 7)
    assert whole == pytest.approx(parts)


def test_fees_are_of_the_value_and_of_the_lots():
    terms = Terms(maker=0.0002, taker=0.0005, rebate=0.0001, per_lot=0.01)
    stock, inverse = contract(GOOG, terms), contract(PERPETUAL, terms)
    assert fee(stock, 10_000, 10, maker=False) == pytest.approx(1_000 * 0.0005 + 0.1)
    assert fee(stock, 10_000, 10, maker=True) == pytest.approx(1_000 * 0.0001 + 0.1)
    assert fee(inverse, 500_000, 5, maker=False) == pytest.approx(0.01 * 0.0005 + 0.05 / 50_000)
    assert fee(contract(GOOG, Terms(rebate=0.0001)), 10_000, 10, maker=True) == pytest.approx(-0.1)


def test_what_is_worth_less_than_nothing_is_charged_for_its_size():
    """As crude oil of May 2020 was."""
    assert worth(FUTURE, -4) == -50.0 and value(FUTURE, -4, 2) == 100.0
    assert gain(FUTURE, 4, -4, 1) == -100.0
    one = contract(GOOG, Terms(taker=0.01))
    assert fee(one, -100, 10, maker=False) == pytest.approx(0.1)


def test_arrays_and_kernels_give_the_same():
    price, lots = np.array([400_000, 500_000]), np.array([5, -5])
    for function in (value, lambda c, p, n: gain(c, 450_000, p, n)):
        each = [function(INVERSE, p, n) for p, n in zip(price, lots, strict=True)]
        assert function(INVERSE, price, lots).tolist() == each


@kernel
def inside(c, price, lots):
    return worth(c, price), value(c, price, lots), gain(c, price, 7.0, lots), fee(c, price, lots, 1)


@pytest.mark.slow
@pytest.mark.parametrize("instrument", [GOOG, PERPETUAL])
def test_a_record_stands_for_a_contract_in_a_loop(instrument):
    c = contract(instrument, Terms(maker=0.0003, rebate=0.0001, per_lot=0.01))
    record = np.array([c], [(name, "f8") for name in c._fields]).view(np.recarray)[0]
    known = worth(c, 3.0), value(c, 3.0, 5), gain(c, 3.0, 7.0, 5), fee(c, 3.0, 5, maker=True)
    assert inside(c, 3.0, 5) == inside(record, 3.0, 5) == known


@pytest.mark.parametrize(
    ("terms", "match"),
    [
        (Terms(maker=-0.0001), "what a maker is paid is `rebate`"),
        (Terms(taker=-1.0), "taker -1.0, give 0 or more"),
        (Terms(funding=float("nan")), "funding nan"),
        (Terms(margin=float("inf")), "margin inf"),
        (Terms(least=0), "least 0, give a whole number"),
        (Terms(least=1.5), "least 1.5"),
        (Terms(funding_ns=0), "funding_ns 0"),
    ],
)
def test_terms_that_cannot_be_are_refused(terms, match):
    with pytest.raises(InputError, match=match):
        checked(terms)


def test_terms_that_can_be_pass():
    assert checked(Terms(funding=-0.0003)) == Terms(funding=-0.0003)
