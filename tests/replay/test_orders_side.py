"""A venue's order side: who may ask, what is refused, and what a recording's book fills."""

import hmac
from hashlib import sha256
from urllib.parse import urlencode

import pytest

from flowsense.errors import InputError
from flowsense.replay.binance_orders import Orders, split
from flowsense.replay.ledger import Ledger
from flowsense.replay.mishaps import FATES, Mishaps
from flowsense.schema import MILLISECOND, Decimal, Instrument

NOW = 1_000_000
LISTED = Instrument("BTCUSDT", "binance-usdm", Decimal(1, -1), Decimal(1, -3))
GOOD = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC"}
GOOD |= {"quantity": "0.2", "price": "1000.1", "newClientOrderId": "x1"}


def venue(spot=False, **more):
    ledger = Ledger((LISTED,), lambda k, side: [(10_000 - side, 100), (10_000 - 5 * side, 500)])
    return Orders(spot, ledger, "key", "secret", now=lambda: NOW * MILLISECOND, **more)


def ask(orders, call, key="key", secret="secret", **given):
    """Status and body of a signed request."""
    method, name = call.split()
    query = urlencode({"timestamp": NOW} | given)
    signature = hmac.new(secret.encode(), query.encode(), sha256).hexdigest()
    path = f"/{'api/v3' if orders.spot else 'fapi/v1'}/{name}"
    found = orders.answer(method, path, f"{query}&signature={signature}", key)
    return None if found is None else (found.status, found.body)


def test_an_order_takes_the_levels_up_to_its_price():
    orders = venue()
    status, body = ask(orders, "POST order", **GOOD)
    assert (status, body["status"], body["executedQty"]) == (200, "EXPIRED", "0.100")
    assert float(body["cumQuote"]) == pytest.approx(0.1 * 1000.1)
    assert ask(orders, "GET order", symbol="BTCUSDT", origClientOrderId="x1") == (200, body)
    assert orders.ledger.position(0) == 100


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"key": "other"}, -2015),
        ({"secret": "other"}, -1022),
        ({"timestamp": NOW - 6_000}, -1021),
        ({"timestamp": NOW + 5_000}, -1021),
        ({"timestamp": "soon"}, -1102),
        ({"symbol": "ETHUSDT"}, -1121),
        ({"type": "MARKET"}, -1106),
        ({"side": "HOLD"}, -1106),
        ({"quantity": "0.0005"}, -1111),
        ({"quantity": "-1"}, -1111),
        ({"price": "x"}, -1102),
        ({"quantity": "0.001"}, -4164),
        ({"quantity": "100000"}, -2019),
        ({"reduceOnly": "true"}, -2022),
    ],
)
def test_what_is_wrong_is_refused_with_its_code(given, code):
    orders = venue()
    status, body = ask(orders, "POST order", **GOOD | given)
    assert status in (400, 401) and body["code"] == code and not orders.ledger.orders


def test_two_orders_of_one_name_do_not_rest_together():
    orders, rests = venue(), GOOD | {"timeInForce": "GTC", "price": "900"}
    assert ask(orders, "POST order", **rests)[0] == 200
    assert ask(orders, "POST order", **rests)[1]["code"] == -4116
    assert ask(orders, "DELETE order", symbol="BTCUSDT", origClientOrderId="x1")[0] == 200
    assert ask(orders, "DELETE order", symbol="BTCUSDT", origClientOrderId="x1")[1]["code"] == -2011


def test_what_is_owned_can_be_sold_and_nothing_else():
    orders = venue(spot=True)
    sale = GOOD | {"side": "SELL", "price": "900"}
    assert ask(orders, "POST order", **sale)[1]["code"] == -2010
    ask(orders, "POST order", **GOOD | {"price": "1001"})
    assert ask(orders, "POST order", **sale | {"newClientOrderId": "x2"})[1]["status"] == "FILLED"
    money = {b["asset"]: float(b["free"]) for b in ask(orders, "GET account")[1]["balances"]}
    assert money["BTC"] == 0 and money["USDT"] < 1e6


def test_paths_of_others_are_not_answered():
    assert ask(venue(), "GET depth") is None and ask(venue(True), "GET positionRisk") is None


def test_all_is_cancelled_when_the_countdown_ends():
    orders, times = venue(), [NOW]
    orders.now = lambda: times[0] * MILLISECOND
    ask(orders, "POST order", **GOOD | {"timeInForce": "GTC", "price": "900"})
    ask(orders, "POST countdownCancelAll", symbol="BTCUSDT", countdownTime=500)
    times[0] += 400
    assert len(ask(orders, "GET openOrders", symbol="BTCUSDT")[1]) == 1
    times[0] += 200
    assert ask(orders, "GET openOrders", symbol="BTCUSDT")[1] == []


@pytest.mark.parametrize("fate", FATES)
def test_mishaps_take_an_order_or_do_not(fate):
    orders = venue(mishaps=Mishaps({fate: 1.0}))
    ask(orders, "POST order", **GOOD)
    assert bool(orders.ledger.orders) == (fate in ("unheard", "unknown"))


def test_mishaps_are_those_of_their_seed():
    drawn = [[Mishaps({"busy": 0.3, "many": 0.3}, 7).fate() for _ in range(1)] for _ in range(2)]
    one, two = (Mishaps({"busy": 0.3, "many": 0.3}, 7) for _ in range(2))
    fates = [one.fate() for _ in range(100)]
    assert fates == [two.fate() for _ in range(100)] and drawn[0] == drawn[1]
    assert 20 < fates.count("busy") < 40 and 25 < fates.count("") < 55


@pytest.mark.parametrize("rates", [{"busy": 1.5}, {"busy": -0.1}, {"bussy": 0.1}])
def test_mishaps_that_cannot_be_are_refused(rates):
    with pytest.raises(InputError, match="mishap"):
        Mishaps(rates)


def test_names_are_split():
    assert split("BTCUSDT") == ("BTC", "USDT") and split("ETHBTC") == ("ETH", "BTC")
    assert split("ABCXYZ") == ("ABC", "XYZ")
