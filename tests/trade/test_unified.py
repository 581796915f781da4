"""The real ccxt client beside a venue of our own, on the loopback address."""

import asyncio
from decimal import Decimal

import pytest
from trade.counters import KEYS, QUICK, SPOT, SYMBOL, USDM, counter, gateway, instrument, orders

from flowsense.errors import InputError
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.ledger import OPEN as RESTS
from flowsense.replay.ledger import Placed
from flowsense.replay.server import Replay
from flowsense.schema import Decimal as UNITS
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order
from flowsense.trade import DONE, Order, Refused, Unknown
from flowsense.trade.unified import Unified

pytest.importorskip("ccxt", reason="needs ccxt")
pytestmark = pytest.mark.slow
both = pytest.mark.parametrize("venue", [USDM, SPOT])


def order(venue=USDM, id="fs0000000001", side=1, lots=10, price=600_100, **more):
    return Order(id, venue, SYMBOL, side, lots, price, **more)


@both
def test_an_order_fills_at_the_levels_of_the_venue(venue):
    with gateway(venue) as (client, _):
        told = client.submit(order(venue, lots=150))
        assert told[:5] == ("fs0000000001", SYMBOL, 1, DONE, 150)
        assert told.value == pytest.approx(0.1 * 60_000 + 0.05 * 60_001)
        assert told.fee == pytest.approx(0.0005 * told.value) and told.kept == 0
        assert client.find("fs0000000001", SYMBOL) == told
        assert client.positions() == {SYMBOL: Decimal(150)}


@both
def test_what_does_not_fill_at_once_goes(venue):
    with gateway(venue) as (client, _):
        told = client.submit(order(venue, lots=150, price=600_000))
        assert (told.state, told.filled) == (DONE, 100)
        assert client.submit(order(venue, "fs2", price=500_000)).filled == 0
        assert client.open_orders() == () and client.find("fs3", SYMBOL) is None


@both
def test_fills_are_told_one_by_one(venue):
    with gateway(venue) as (client, _):
        client.submit(order(venue, lots=150))
        fills = client.fills(SYMBOL, 0)
        assert [(f.side, f.lots, f.price) for f in fills] == [(1, 100, 60_000), (1, 50, 60_001)]
        assert {f.currency for f in fills} == {"USDT"}
        assert client.fills(SYMBOL, fills[0].ts + 10**15) == ()


@both
def test_orders_that_rest_are_told_and_cancelled(venue):
    with gateway(venue) as (client, served):
        for n in (1, 2, 3):
            served.ledger.orders[n] = Placed(n, f"x{n}", 0, 1, 5, 1, served.ms, at_once=False)
        assert [(t.id, t.state) for t in client.open_orders()] == [
            (f"x{n}", "open") for n in (1, 2, 3)
        ]
        client.cancel("x2", SYMBOL)
        client.cancel("x2", SYMBOL)  # it is gone, and nothing happens
        assert [o.client for o in served.ledger.open()] == ["x1", "x3"]
        client.cancel_all()
        client.cancel_all()
        assert served.ledger.open() == []


@both
@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"lots": 1, "price": 10},
            "0.001|Filter|minNotional|InvalidOrder|ExchangeError|BadRequest",
        ),
        ({"lots": 10**6}, "nsufficient"),
    ],
)
def test_what_the_venue_refuses_is_refused(venue, given, why):
    with gateway(venue) as (client, served):
        with pytest.raises(Refused, match=why):
            client.submit(order(venue, **given))
        assert not served.ledger.orders


def test_a_reducing_order_opens_nothing():
    with gateway() as (client, served):
        with pytest.raises(Refused, match="ReduceOnly"):
            client.submit(order(reduce=True))
        client.submit(order(id="fs2", lots=30))
        told = client.submit(order(id="fs3", side=-1, lots=20, price=1, reduce=True))
        assert told.filled == 20 and served.ledger.position(0) == 10


@both
@pytest.mark.parametrize("fate", ["unheard", "unknown", "busy"])
def test_nobody_knows_what_the_venue_did_not_say_and_it_can_be_asked(venue, fate):
    with gateway(venue, orders(venue, rates={fate: 1.0})) as (client, served):
        with pytest.raises(Unknown):
            client.submit(order(venue))
        found = client.find("fs0000000001", SYMBOL)
        assert (found is None) == (fate == "busy") and served.asked["POST order"] == 1


@pytest.mark.parametrize("fate", ["many", "banned"])
def test_who_sends_too_much_is_quiet_for_as_long_as_the_venue_says(fate):
    with gateway(served=orders(rates={fate: 1.0})) as (client, served):
        for id in ("fs1", "fs2", "fs3"):
            with pytest.raises(Refused):
                client.submit(order(id=id))
        assert served.asked["POST order"] == 1


def test_the_venue_cancels_by_itself_when_it_hears_nothing():
    with gateway() as (client, served):
        served.ledger.orders[1] = Placed(1, "x", 0, 1, 5, 1, served.ms, at_once=False)
        assert client.alive(0.001) and served.ledger.orders[1].state == RESTS
        client.find("x", SYMBOL)
        assert client.open_orders() == ()
        assert client.alive(60.0) and served.until and client.alive(0.0) and not served.until
    with gateway(SPOT) as (client, _):
        assert not client.alive(1.0)


def refused(served):
    """Why no client is made of it."""
    with pytest.raises(InputError) as error, gateway(served=served):
        pass
    return str(error.value)


def test_a_key_that_the_venue_does_not_take_is_told_without_it():
    served = orders()
    served.key = "another"
    said = refused(served)
    assert said.startswith("binance-usdm: cannot be traded at: Authentication")
    assert "kkk" not in said and "signature" not in said


def test_a_venue_of_our_own_that_takes_no_orders_is_told():
    table = (instrument(USDM),)

    async def go():
        told = Messages(Recording(table, by_level(by_order(9, 7, 0))))
        async with Replay(told, speaker(USDM)(table)) as venue:
            await asyncio.to_thread(Unified, USDM, table, KEYS, rest=venue.rest)

    with pytest.raises(InputError, match="takes no orders: `replay` does with --orders"):
        asyncio.run(go())


def test_steps_that_are_not_those_of_the_venue_are_refused():
    served = orders()
    served.ledger.instruments = (served.ledger.instruments[0]._replace(tick=UNITS(5, -1)),)
    assert "BTCUSDT: steps of the price are 0.5, not 0.1" in refused(served)


def test_least_values_and_money_are_the_venues():
    with gateway() as (client, _):
        assert client.notional(SYMBOL) == 5.0 and client.free() == 1_000_000.0


def test_a_clock_that_goes_another_way_is_set_by_the_venues():
    with gateway() as (client, served):
        right, served.now = served.now, lambda: right() + 60 * 10**9
        with pytest.raises(Refused, match="recvWindow"):
            client.submit(order())
        assert client.submit(order(id="fs2")).filled == 10


def test_nothing_that_is_logged_holds_a_key(caplog):
    caplog.set_level("DEBUG")
    with gateway() as (client, _):
        client.submit(order())
    assert "k" * 20 not in caplog.text and "s" * 20 not in caplog.text


def test_two_markets_of_one_coin_are_not_traded_in_a_spot_account():
    served = orders(SPOT)
    table = [instrument(SPOT)._replace(symbol=name) for name in ("BTCUSDT", "ETHBTC")]
    served.ledger.instruments = tuple(table)
    with counter(served) as rest, pytest.raises(InputError, match="share BTC: trade one of them"):
        Unified(SPOT, table, KEYS, rest=rest, **QUICK)


def test_an_account_in_hedge_mode_is_not_traded():
    with gateway() as (client, served):
        client.submit(order())
        served.answer = with_side(served.answer)
        with pytest.raises(Unknown, match="hedge mode"):
            client.positions()


def with_side(answer):
    def hedged(method, path, query, key):
        found = answer(method, path, query, key)
        if "positionRisk" in path:
            found.body[0]["positionSide"] = "LONG"
        return found

    return hedged
