"""Speed of the books alone, beside hftbacktest's hash-map depth on the same recorded updates.

Ours keeps the ten best levels of both sides, and brings the BOOK up to date wherever the recording
says that it is whole; theirs keeps the best price. Theirs is timed through a backtest that does
nothing else, less the same backtest over as many records that it ignores.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, records
from flowsense.bench import Result, recordings
from flowsense.book import tables
from flowsense.book.orders import ORDER, l3
from flowsense.book.sides import LEVEL, SIDES, TOUCH, l2, show
from flowsense.schema import BOOK, CLEAR, EVENT, LAST, SET, Events
from flowsense.simulate.market import Market, simulate
from flowsense.sources.open import open_source
from flowsense.testing.toy import by_level, by_order
from flowsense.wall import Stopwatch

RECORDINGS = ("usdm_btcusdt", "usdm_ethusdt", "spot_btcusdt", "cm_btcusd_perp")
ORDERS = Path("dbn", "nautilus", "esh4-glbx-mdp3-20231225.mbo.dbn.zst")
PART, PASSES = 4096, 15  # a part's least time over the passes counts; what disturbs one drops out
STATE = np.dtype([("sides", SIDES), ("touch", TOUCH), ("book", BOOK)])
PEER = Path(".peers/hftbacktest/bin/python")  # made by scripts/peers.py
THEIRS = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ]
)
PROGRAM = f"""
import json, sys, time
import numpy as np
from numba import njit
from hftbacktest import BUY_EVENT, DEPTH_EVENT, LOCAL_EVENT, SELL_EVENT
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest

@njit
def elapse(backtest, n):
    backtest.elapse(n)

def seconds(data):
    least = np.full(-(-len(data) // {PART}), np.inf)
    for _ in range({PASSES}):
        asset = BacktestAsset().data([data]).linear_asset(1.0).constant_order_latency(0, 0)
        asset = asset.risk_adverse_queue_model().no_partial_fill_exchange()
        asset = asset.trading_value_fee_model(0, 0).tick_size(1.0).lot_size(1.0)
        backtest = HashMapMarketDepthBacktest([asset.last_trades_capacity(0)])
        for k in range(len(least)):
            since = time.perf_counter()
            elapse(backtest, {PART})
            least[k] = min(least[k], time.perf_counter() - since)
        depth = backtest.depth(0)
        best = [int(depth.best_bid_tick), int(depth.best_ask_tick)]
        backtest.close()
    return float(least.sum()), best

for path in sys.argv[1:]:
    data = np.load(path)["data"]
    side = np.where(data["ival"] > 0, np.uint64(BUY_EVENT), np.uint64(SELL_EVENT))
    data["ival"], ignored = 0, np.uint64(LOCAL_EVENT | 100)
    data["ev"] = np.uint64(LOCAL_EVENT | DEPTH_EVENT) | side
    whole, best = seconds(data)
    data["ev"] = ignored | side
    print(json.dumps([whole - seconds(data)[0], best]))
"""


class Timing(NamedTuple):
    """What a stream of events cost."""

    seconds: float
    best: tuple[int, int]  # prices at its end


@compiled(types.void(array(STATE), array(LEVEL), array(ORDER), array(EVENT, readonly=True)))
def apply(state: Record, levels: Record, orders: Record, events: Record) -> None:
    for i in range(len(events)):
        e = events[i]
        s = state[e.instrument]
        if s.sides.order_slots:
            l3(s.touch, levels, s.sides, orders, e)
        else:
            l2(s.touch, levels, s.sides, e)
        if e.bits & LAST:
            show(s.book, levels, s.sides, s.touch)


def ours(events: Events, instruments: int, by_order: bool) -> Timing:
    """Books and the growth of their tables, all else excluded."""
    least = np.full(-(-len(events) // PART), np.inf)
    for _ in range(PASSES):
        state = np.zeros(instruments, STATE)
        levels, orders = tables.allocate(state["sides"], np.full(instruments, by_order))
        room = 0
        for k in range(len(least)):
            part, watch = records(events[k * PART : (k + 1) * PART]), Stopwatch()
            with watch:
                while len(part):
                    if room <= 0:
                        levels, orders, room = tables.make_room(state["sides"], levels, orders)
                    apply(records(state), records(levels), records(orders), part[:room])
                    room, part = room - len(part[:room]), part[room:]
            least[k] = min(least[k], watch.seconds)
    book = state["book"][0]
    return Timing(float(least.sum()), (int(book["bid_px"][0]), int(book["ask_px"][0])))


def streams() -> dict[str, Events]:
    """Depth updates by name: recorded ones where FLOWSENSE_DATA has them, else simulated ones."""
    folder = recordings() / "binance_ws_raw"
    paths = {name: folder / f"{name}_20240808.jsonl.zst" for name in RECORDINGS}
    raw = {n: np.concatenate(list(open_source(p))) for n, p in paths.items() if p.exists()}
    raw = raw or {"simulated": by_level(by_order(60_000))}
    return {n: e[(e["action"] == SET) | (e["action"] == CLEAR)].view(EVENT) for n, e in raw.items()}


def hash_map(markets: dict[str, Events]) -> list[Timing]:
    """hftbacktest over the same updates, one record a nanosecond. Its folder must be there."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"{name}.npz")) for name in markets]
        for path, events in zip(paths, markets.values(), strict=True):
            sets = events[events["action"] == SET]
            data = np.zeros(len(sets), THEIRS)
            data["exch_ts"] = data["local_ts"] = np.arange(1, len(sets) + 1)
            data["px"], data["qty"], data["ival"] = sets["price"], sets["lots"], sets["side"]
            np.savez(path, data=data)
        command = [str(PEER), "-c", PROGRAM, *paths]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return [Timing(seconds, (bid, ask)) for seconds, (bid, ask) in said]


def dicts(events: Events) -> Timing:
    """A dict per side, whose best price is looked for once, at the end."""
    sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
    rows = events[events["action"] == SET][["side", "price", "lots"]].tolist()
    watch = Stopwatch()
    with watch:
        for side, price, lots in rows:
            if lots:
                sides[side][price] = lots
            else:
                sides[side].pop(price, None)
    return Timing(watch.seconds, (max(sides[1]), min(sides[-1])))


def messages() -> Events:
    """Twenty minutes of the simulated market's orders, three instruments."""
    return np.asarray(simulate(Market(), 1_200, 1).events).view(EVENT)


def recorded_messages() -> dict[str, float]:
    """A day of one future, order by order, where FLOWSENSE_DATA has it: its file and its book."""
    path = recordings() / ORDERS
    if not path.exists():
        return {}
    source, least = open_source(path), float("inf")
    events = np.concatenate(list(source)).view(EVENT)
    for _ in range(PASSES):
        watch = Stopwatch()
        with watch:
            count = sum(len(chunk) for chunk in source)
        least = min(least, watch.seconds)
    book = ours(events, len(source.instruments), True)
    return {"messages_per_s_es": count / book.seconds, "decoded_per_s_es": count / least}


def figures(timings: list[Timing], markets: dict[str, Events]) -> dict[str, Any]:
    counts = [int((e["action"] == SET).sum()) for e in markets.values()]
    seconds = sum(t.seconds for t in timings)
    pairs = zip(markets, timings, counts, strict=True)
    each = {f"ns_per_update_{name}": t.seconds / n * 1e9 for name, t, n in pairs}
    return {"updates_per_s": sum(counts) / seconds, **each}


def run() -> Result:
    """L2 updates a second, all recordings together; L3 messages a second beside."""
    markets, orders = streams(), messages()
    mine = [ours(events, 1, False) for events in markets.values()]
    if PEER.exists():
        name, theirs = "hftbacktest HashMapMarketDepth", hash_map(markets)
    else:
        name = "plain Python dicts (scripts/peers.py hftbacktest was not run)"
        theirs = [dicts(events) for events in markets.values()]
    if [t.best for t in mine] != [t.best for t in theirs]:
        raise RuntimeError(f"books end at {mine}, those of {name} at {theirs}")
    metrics, baseline = figures(mine, markets), figures(theirs, markets)
    count: NDArray[np.int64] = np.unique(orders["instrument"])
    metrics["messages_per_s"] = len(orders) / ours(orders, len(count), True).seconds
    metrics |= recorded_messages()
    ratio = metrics["updates_per_s"] / baseline["updates_per_s"]
    return Result("book", metrics, {"name": name, **baseline}, ratio)
