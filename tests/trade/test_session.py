"""Orders beside a loop: predictions faster than venues answer, and a switch that is thrown."""

import asyncio
from contextlib import ExitStack, closing

import pytest
from trade.books import book
from trade.counters import SYMBOL, USDM, gateway, instrument, ladder, orders
from trade.test_desk import TABLE
from trade.test_trader import PLAN, T0, A, quiet, said, seen, trading

from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.replay.ledger import Placed
from flowsense.schema import SECOND, WHOLE
from flowsense.testing.loop import run
from flowsense.trade.desk import Desk
from flowsense.trade.session import Session
from flowsense.trade.trader import Seen, Trader
from flowsense.wall import now_utc, pause

WHERE = f"{USDM}:{SYMBOL}"


def beside(trader, work, *, now=None):
    """What `work(session, told)` returns while a session runs."""
    told = []

    async def go():
        session = Session(trader, told.append, now or (lambda: T0 + 30 * SECOND))
        running = asyncio.ensure_future(session.run())
        try:
            return await work(session, told)
        finally:
            running.cancel()
            await asyncio.wait((running,))

    return run(go())


def test_the_latest_prediction_of_an_asset_is_acted_on(tmp_path):
    async def work(session, told):
        for at in (1, 2):
            session.hear(said(1, at=at), {A: seen(29 * SECOND)})
        session.hear(quiet(3), {A: seen(30 * SECOND)})
        session.hear(said(-1, at=4, vetoes=("unsure",)), {A: seen(30 * SECOND)})
        session.hear(said(-1, at=5), {A: seen(30 * SECOND)})
        await pause(0.1)
        return len(told), session.heard, session.acted_on, dict(session.vetoes)

    with trading(tmp_path, A) as trader:
        assert beside(trader, work) == (1, 5, 3, {"unsure": 1})
        assert trader.desk.account.position(A) == -1_000


def test_a_switch_that_somebody_throws_is_seen_at_once(tmp_path):
    async def work(session, told):
        (tmp_path / "desk" / "HALT").touch()
        await pause(1.0)
        session.hear(said(), {A: seen(30 * SECOND)})
        await pause(1.0)
        return session.halted, told

    with trading(tmp_path, A) as trader:
        assert beside(trader, work) == ("somebody asked for it", [])


def test_what_cannot_be_written_down_ends_it(tmp_path):
    async def work(session, told):
        session.desk.journal.close()
        session.hear(said(), {A: seen(30 * SECOND)})
        await pause(0.5)

    with trading(tmp_path, A) as trader, pytest.raises((InputError, OSError)):

        async def go():
            session = Session(trader, print)
            await asyncio.gather(session.run(), work(session, []))

        run(go())


def as_seen():
    bids, asks = ladder(0, 1), ladder(0, -1)
    return Seen(now_utc(), book(bids, asks), WHOLE)


@pytest.mark.slow
def test_orders_reach_the_venue_and_stop_when_it_holds_what_is_not_ours(tmp_path):
    pytest.importorskip("ccxt", reason="needs ccxt")
    served = orders(rates={"unheard": 0.3, "busy": 0.2}, seed=5)
    with ExitStack() as stack:
        client, _ = stack.enter_context(gateway(served=served))
        desk = stack.enter_context(closing(Desk(tmp_path / "desk", {USDM: client}, TABLE)))
        trader = Trader(desk, [(WHERE,)], [instrument()], {USDM: Terms(taker=5e-4)}, PLAN)
        for n in range(6):
            side = 1 if n % 4 < 2 else -1
            one = said(side, where=WHERE, stop=1.0 if side > 0 else 1e9, take_profit=0.0)
            trader.hear(one, {WHERE: as_seen()}, now_utc())
            trader.acted.clear()
            assert desk.account.position(WHERE) == served.ledger.position(0)
        assert desk.account.filled >= 3
        served.ledger.orders[99] = Placed(99, "x", 0, 1, 5, 1, served.ms, at_once=False)
        served.ledger.lots[0] += 50
        desk.check()
        assert "not reconciled" in desk.halted and not served.ledger.open()
        assert trader.hear(said(where=WHERE), {WHERE: as_seen()}, now_utc()) is None
