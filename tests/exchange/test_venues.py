import pytest

from flowsense.errors import InputError
from flowsense.exchange.contracts import checked
from flowsense.exchange.venues import VENUES, fees, shares, told


def test_fees_are_shares_of_the_value():
    """2 and 5 basis points."""
    found = fees("binance-usdm").terms
    assert (found.maker, found.taker, found.rebate) == pytest.approx((2e-4, 5e-4, 0))
    assert told(fees("binance-usdm")) == "maker 2, taker 5 bp"


def test_a_maker_who_is_paid_gets_a_rebate():
    found = shares("of somewhere", -1, 3)
    assert (found.terms.maker, found.terms.rebate) == pytest.approx((0, 1e-4))
    assert told(found) == "maker -1, taker 3 bp"


def test_shares_are_charged_each():
    assert told(fees("us-equities")) == "0.0035 for each unit"


def test_all_of_them_can_be():
    for name, found in VENUES.items():
        assert checked(found.terms) == found.terms and 0 <= found.terms.taker < 0.01, name
        assert found.terms.taker or found.each


def test_an_unknown_one_is_refused_with_the_closest():
    with pytest.raises(InputError, match="did you mean binance-spot"):
        fees("binance-spt")
