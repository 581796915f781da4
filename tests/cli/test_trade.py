"""What `flowsense trade` asks for before anything is begun, and a dry run from start to end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from serve.board.test_columns import START, opening

from flowsense.cli.app import app
from flowsense.cli.trade import Wanted, begun, seen, session, telling
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.features.fold import Fold
from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.schema import EVENT, Decimal, Instrument
from flowsense.serve.board.columns import SPEC, STEP
from flowsense.serve.config import PipelineConfig
from flowsense.serve.decisions import Decided
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.records import beat
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order
from flowsense.trade.router import Leg, Routed
from flowsense.trade.trader import Acted, Plan
from flowsense.wall import pause

VENUE = "binance-spot"
TABLE = (Instrument("AAAUSDT", VENUE, Decimal(1, -2), Decimal(1, 0)),)
GIVEN = ("trade", "run", "binance-usdm:BTCUSDT", "--capital", "1000", "--out", "o")


def refused(*more, given=GIVEN):
    with pytest.raises(InputError) as error:
        app([*given, *more], standalone_mode=False)
    return str(error.value)


@pytest.fixture(autouse=True)
def without_keys(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith("FLOWSENSE_BINANCE")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("FLOWSENSE_LIVE", raising=False)
    monkeypatch.chdir(tmp_path)


def test_live_takes_more_than_the_flag(monkeypatch):
    assert refused("--live").endswith("confirm it by setting FLOWSENSE_LIVE=binance-usdm")
    monkeypatch.setenv("FLOWSENSE_LIVE", "binance-spot,binance-usdm")
    assert "FLOWSENSE_BINANCE_USDM_KEY" in refused("--live")
    monkeypatch.setenv("FLOWSENSE_BINANCE_USDM_KEY", "k")
    assert "FLOWSENSE_BINANCE_USDM_SECRET" in refused("--live")


def test_venues_whose_orders_were_never_tried_are_refused():
    given = ("trade", "run", "okx:BTC-USDT-SWAP", "--capital", "1", "--out", "o", "--fee", "okx=5")
    assert "no live orders are sent there" in refused("--live", given=given)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--capital", "-1"), "capital -1"),
        (("--slippage", "20000"), "slippage"),
        (("--loss", "2"), "loss 2"),
        (("--fee", "binance-usdm=x"), "basis points"),
        (("binance-usdm:BTCUSDT",), "named twice"),
        (("okx:BTC-USDT-SWAP",), "give --fee okx=5"),
        (("--demo",), "leave out the others"),
        ((), "run"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(more, why):
    assert why in refused(*more)


def test_without_ccxt_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("FLOWSENSE_LIVE", "binance-usdm")
    monkeypatch.setenv("FLOWSENSE_BINANCE_USDM_KEY", "k")
    monkeypatch.setenv("FLOWSENSE_BINANCE_USDM_SECRET", "s")
    monkeypatch.setitem(sys.modules, "ccxt", None)
    assert "pip install flowsense[trade]" in refused("--live")


def test_each_order_is_told_and_each_reason_once(capsys):
    leg = Leg("a", "X", 1, 5, 100, 0.5, 50.0, 0.0)
    routed = Routed((leg,), 1.0, 0.5, 100.0, 101.0, ("b:X: its book is not whole",))
    tell = telling()
    for _ in range(2):
        tell(Acted("a:X", 1.0, (routed,), ()))
    said = capsys.readouterr().out
    assert said.count("buy 0.5 at a:X for 50.00") == 2 and said.count("left out: b:X") == 1
    assert "0.5000 less than at one venue" in said


def test_a_run_and_an_asset_are_needed():
    assert "or give --demo" in refused(given=("trade", "--capital", "1", "--out", "o"))


def test_a_dry_run_halts_when_told_and_says_what_is_left(tmp_path, capsys):
    model = save(tmp_path / "model")
    market = Recording(TABLE, by_level(by_order(300, 7, 0)))

    async def go():
        async with Replay(Messages(market), speaker(VENUE)(TABLE)) as venue:
            at = {VENUE: Address(venue.stream, venue.rest)}
            config = PipelineConfig(model, ("AAAUSDT",), VENUE, addresses=at, aside=False)
            asked = Wanted(tmp_path / "o", Plan(1_000.0), {VENUE: Terms()}, False, None)
            going = session(InferencePipeline(config), ((f"{VENUE}:AAAUSDT",),), at, asked)
            running = asyncio.ensure_future(going)
            for number in (signal.SIGUSR1, signal.SIGINT):
                await pause(5.0)
                os.kill(os.getpid(), number)
            await running

    run(go())
    said = capsys.readouterr().out
    assert "Dry run: no order is sent anywhere" in said and "0 orders filled" in said
    assert (tmp_path / "o" / "HALT").exists() and " predictions, 0 to act on; vetoes: " in said


def test_the_book_of_a_venue_with_a_colon_in_its_name_is_found():
    there = Instrument("BTC/USD:USD", "ccxt:kraken", Decimal(1, -2), Decimal(1, 0))
    opened = np.concatenate([*opening(), beat(START + STEP)]).view(EVENT)
    tape = next(t for t in Fold(SPEC, (there,)).push(opened) if len(t.rows[0].ts))
    pipeline = InferencePipeline(PipelineConfig(Path("run"), ("ccxt:kraken:BTC/USD:USD",)))
    pipeline.audience.table = (there,)
    pipeline.audience.rows[there.venue, there.symbol] = Decided(tape, *[None] * 5), 0, None

    found = seen(pipeline, ["ccxt:kraken:BTC/USD:USD"])

    assert found["ccxt:kraken:BTC/USD:USD"].mid == 10_000


def test_a_venue_that_nobody_answers_for_is_asked_again(tmp_path, capsys):
    away = {VENUE: Address("ws://127.0.0.1:9", "http://127.0.0.1:9")}
    config = PipelineConfig(tmp_path, ("AAAUSDT",), VENUE, addresses=away, aside=False)

    async def go():
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(4.0, stop.set)
        return await begun(InferencePipeline(config), stop)

    assert run(go()) is False
    said = capsys.readouterr().out
    assert "try again in 1 s" in said and "try again in 2 s" in said and "in 8 s" not in said
