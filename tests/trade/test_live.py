"""`flowsense trade --live` at a venue of our own: its stream and its order side on one port."""

import asyncio
import os
import signal
import time

import pytest
from trade.counters import KEY, SECRET

from flowsense.cli.trade import Wanted, confirmed, session
from flowsense.exchange.client import Terms
from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.binance_orders import beside
from flowsense.replay.feed import Messages
from flowsense.replay.ledger import Placed
from flowsense.replay.server import Replay
from flowsense.risk.anomaly import Anomaly
from flowsense.risk.settings import Costs, Settings, Stance
from flowsense.schema import Decimal, Instrument
from flowsense.serve.config import PipelineConfig
from flowsense.serve.pipeline import InferencePipeline
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order
from flowsense.trade.trader import Plan
from flowsense.wall import pause

VENUE = "binance-usdm"
TABLE = (Instrument("AAAUSDT", VENUE, Decimal(1, -2), Decimal(1, 0)),)
NAME = "FLOWSENSE_BINANCE_USDM"
BOLD = Settings(  # acts on whatever it hears
    stance=Stance(least_confidence=0.0, least_reward_risk=0.0),
    costs=Costs(spreads=0.0),
    anomaly=Anomaly(warmup=1),
)


def traded(folder):
    """What the venue's order side is after a session, at the end of which a stranger comes."""
    model = save(folder / "model")
    market = Recording(TABLE, by_level(by_order(3_000, 7, 0)))

    async def go():
        spoken = speaker(VENUE)(TABLE)
        venue = Replay(Messages(market), spoken)
        venue.orders = orders = beside(spoken, KEY, SECRET)
        orders.now = time.time_ns  # as the client's, which is not of this loop
        async with venue:
            at = {VENUE: Address(venue.stream, venue.rest)}
            config = PipelineConfig(
                *(model, ("AAAUSDT",), VENUE), addresses=at, aside=False, risk=BOLD
            )
            asked = Wanted(folder / "o", Plan(10_000.0), {VENUE: Terms()}, True, None)
            going = session(InferencePipeline(config), ((f"{VENUE}:AAAUSDT",),), at, asked)
            running = asyncio.ensure_future(going)
            await pause(62.0)
            assert not (folder / "o" / "HALT").exists()
            orders.ledger.orders[9_999] = Placed(9_999, "x", 0, 1, 5, 1, orders.ms, at_once=False)
            await pause(61.0)
            os.kill(os.getpid(), signal.SIGINT)
            await running
            return orders

    return run(go())


@pytest.fixture
def keys(monkeypatch):
    ccxt = pytest.importorskip("ccxt", reason="needs ccxt")
    monkeypatch.setattr(ccxt.binance, "throttle", lambda self, cost=None: None)
    monkeypatch.setenv("FLOWSENSE_LIVE", VENUE)
    monkeypatch.setenv(f"{NAME}_KEY", KEY)
    monkeypatch.setenv(f"{NAME}_SECRET", SECRET)


@pytest.mark.slow
def test_it_listens_beats_and_compares_until_somebody_else_is_there(tmp_path, keys, capsys):
    confirmed((VENUE,))
    orders = traded(tmp_path)
    said = capsys.readouterr().out
    assert "LIVE: real orders are sent to binance-usdm" in said and not orders.ledger.open()
    assert ": x: here no order" in (tmp_path / "o" / "HALT").read_text()
    assert orders.asked["POST countdownCancelAll"] >= 3  # every 20 s of a minute
    assert orders.asked["GET positionRisk"] >= 2
    assert orders.asked["POST order"] == len(orders.ledger.orders) - 1 > 3  # each once
    assert len(orders.ledger.executions) > 3 and "buy " in said and "sell " in said
    assert KEY not in said and SECRET not in said
