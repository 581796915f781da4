"""Speed of the replayed venue beside hftbacktest's, with the same orders on the same events.

Orders of one lot that never take, at up to two ticks from the last trade, each withdrawn some time
later; constant latency, risk-averse queues. hftbacktest gets the events of the exchange alone, so
that it has no client's book to keep, in the faster of its depths, an array that spans the prices of
the stream, and its loop is compiled; ours is one push, its checks of the events included. Both are
timed without their construction, in processor seconds, the least of twenty passes.

Which orders executed must agree; when they did differs by two rules: they match in the middle of a
message, we when the book is whole; and they give the lots of one trade to each order at its price,
we share them once. Both are counted, and whatever else differs.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result, recordings
from flowsense.bench.book import PEER, THEIRS
from flowsense.exchange.client import FILLED, POST, Reports, Requests
from flowsense.exchange.latency import Constant
from flowsense.exchange.matching import REQUEST, WITHDRAW
from flowsense.exchange.replay import Replay, Rules
from flowsense.schema import (
    BEAT,
    CLEAR,
    EVENT,
    LAST,
    NO_BID,
    SET,
    TRADE,
    Decimal,
    Events,
    Instrument,
    zeros,
)
from flowsense.sources.open import open_source
from flowsense.testing.toy import by_level, by_order
from flowsense.wall import Stopwatch

RECORDINGS = ("usdm_btcusdt", "usdm_ethusdt")
WAIT, PASSES, ORDERS = 2_000_000, 19, 1_000  # ns each way; passes; orders of a recording
COLUMNS = ("order_id", "kind", "side", "price")
ONE = (Instrument("A", "X", Decimal(1, 0), Decimal(1, 0)),)
PROGRAM = f"""
import json, sys, time
import numpy as np
from numba import njit
from hftbacktest import BUY_EVENT, DEPTH_CLEAR_EVENT, DEPTH_EVENT, EXCH_EVENT, FILLED, GTX, LIMIT
from hftbacktest import SELL_EVENT, TRADE_EVENT, BacktestAsset, ROIVectorMarketDepthBacktest

@njit
def drive(bt, ts, who, price, side, end, filled):
    bt.elapse(0)
    for i in range(len(ts)):
        bt.elapse(ts[i] - bt.current_timestamp)
        if side[i] > 0:
            bt.submit_buy_order(0, who[i], price[i], 1.0, GTX, LIMIT, False)
        elif side[i] < 0:
            bt.submit_sell_order(0, who[i], price[i], 1.0, GTX, LIMIT, False)
        else:
            bt.cancel(0, who[i], False)
        if i % 64 == 63:
            collect(bt, filled)
            bt.clear_inactive_orders(0)
    bt.elapse(end - bt.current_timestamp)
    collect(bt, filled)

@njit
def collect(bt, filled):
    orders = bt.orders(0).values()
    while orders.has_next():
        order = orders.get()
        if order.status == FILLED and filled[order.order_id] == 0:
            filled[order.order_id] = order.exch_timestamp

for path in sys.argv[1:]:
    told = np.load(path)
    data, q, end = told["data"], told["requests"], int(told["end"])
    kind = np.array([DEPTH_EVENT, TRADE_EVENT, DEPTH_CLEAR_EVENT], np.uint64)[data["ev"]]
    side = np.where(data["ival"] > 0, np.uint64(BUY_EVENT), np.uint64(SELL_EVENT))
    side[data["ival"] == 0] = BUY_EVENT | SELL_EVENT
    data["ev"], data["ival"], least = np.uint64(EXCH_EVENT) | kind | side, 0, float("inf")
    prices = data["px"][data["px"] > 0]
    columns = [q["ts"], q["order_id"].astype(np.uint64), q["price"].astype(float)]
    columns.append(q["side"].astype(np.int64))
    for _ in range({PASSES + 1}):
        filled = np.zeros(int(q["order_id"].max()) + 1, np.int64)
        asset = BacktestAsset().data([data]).linear_asset(1.0)
        asset = asset.constant_order_latency({WAIT}, {WAIT}).risk_adverse_queue_model()
        asset = asset.no_partial_fill_exchange().trading_value_fee_model(0, 0)
        asset = asset.tick_size(1.0).lot_size(1.0).last_trades_capacity(0)
        asset = asset.roi_lb(prices.min()).roi_ub(prices.max())
        bt = ROIVectorMarketDepthBacktest([asset])
        since = time.process_time()
        drive(bt, *columns, end, filled)
        least = min(least, time.process_time() - since)
        bt.close()
    print(json.dumps([least, filled.tolist()]))
"""


class Played(NamedTuple):
    """One venue over one stream."""

    seconds: float
    filled: NDArray[np.int64]  # (ids + 1,) ns of the venue; 0: never


def timed(events: Events) -> Events:
    """Sets and executions alone, each at its own nanosecond, so that no order is in doubt."""
    kept = np.isin(events["action"], (SET, TRADE, CLEAR))
    out = events[kept].copy()
    n = np.arange(len(out))
    out["ts_recv"] = np.maximum.accumulate(out["ts_recv"] - n) + n
    out["ts_event"], out["instrument"] = out["ts_recv"], 0
    end = zeros(EVENT, 1)
    end["action"], end["ts_recv"] = BEAT, out["ts_recv"][-1] + 4 * WAIT
    end["ts_event"] = end["ts_recv"]
    return np.concatenate([out, end]).view(EVENT)


def simulated() -> Events:
    """A small market by level, beginning with a book."""
    return timed(by_level(by_order(200_000)))


def streams() -> dict[str, Events]:
    """Recorded ones where FLOWSENSE_DATA has them, and one simulated."""
    folder = recordings() / "binance_ws_raw"
    paths = {name: folder / f"{name}_20240808.jsonl.zst" for name in RECORDINGS}
    raw = {n: np.concatenate(list(open_source(p))) for n, p in paths.items() if p.exists()}
    return {name: timed(e.view(EVENT)) for name, e in raw.items()} | {"simulated": simulated()}


def orders(events: Events, n: int, seed: int = 0) -> Requests:
    """2 n requests: n POSTs of one lot about the last trade, and the WITHDRAW of each."""
    rng, out = np.random.default_rng(seed), zeros(REQUEST, 2 * n)
    trades = events[events["action"] == TRADE]
    begin, end = int(trades["ts_recv"][len(trades) // 20]), int(trades["ts_recv"][-1])
    ts, side = np.sort(rng.integers(begin, end, n)), rng.choice((-1, 1), n)
    last = trades["price"][np.searchsorted(trades["ts_recv"], ts) - 1]
    out["order_id"], out["lots"] = np.tile(np.arange(1, n + 1), 2), 1
    out["ts"][:n], out["kind"][:n], out["side"][:n] = ts, POST, side
    out["price"][:n] = last - side * rng.integers(0, 3, n)
    out["ts"][n:] = ts + rng.integers((end - begin) // n, 20 * (end - begin) // n, n)
    out["kind"][n:] = WITHDRAW
    out["ts"] = np.minimum(out["ts"], events["ts_recv"][-2])
    return out[np.argsort(out["ts"], kind="stable")].view(REQUEST)


def ours(events: Events, requests: Requests) -> Played:
    """The replayed venue, its construction left out as theirs is."""
    least, rules = float("inf"), Rules(Constant(WAIT), Constant(WAIT), orders=1024)
    told: Reports | None = None
    for _ in range(PASSES + 1):
        venue, watch = Replay(ONE, rules=rules), Stopwatch(processor=True)
        with watch:
            told = venue.push(events, requests)
        least = min(least, watch.seconds)
    assert told is not None
    filled = np.zeros(int(requests["order_id"].max()) + 1, np.int64)
    fills = told[told["what"] == FILLED]
    filled[fills["order_id"]] = fills["ts_venue"]
    return Played(least, filled)


def hftbacktest(cases: dict[str, tuple[Events, Requests]]) -> list[Played]:
    """The peer on the same. Its folder must be there."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"{name}.npz")) for name in cases]
        for path, (events, requests) in zip(paths, cases.values(), strict=True):
            told = events[events["action"] != BEAT]
            data = np.zeros(len(told), THEIRS)
            data["exch_ts"] = data["local_ts"] = told["ts_event"]
            data["px"], data["qty"], data["ival"] = told["price"], told["lots"], told["side"]
            data["ev"] = np.select([told["action"] == TRADE, told["action"] == CLEAR], [1, 2], 0)
            end = events["ts_recv"][-1]
            sided = requests.copy()
            sided["side"][requests["kind"] == WITHDRAW] = 0
            np.savez(path, data=data, requests=sided, end=end)
        command = [str(PEER), "-c", PROGRAM, *paths]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return [Played(seconds, np.array(filled)) for seconds, filled in said]


def plain(events: Events, requests: Requests) -> Played:
    """The same by dicts and a list, for machines without the peer."""
    told = [(int(q["ts"]) + WAIT, *(int(q[n]) for n in COLUMNS)) for q in requests][::-1]
    names = ("ts_event", "action", "side", "price", "lots", "bits")
    rows = list(zip(*(events[n].tolist() for n in names), strict=True))
    market, watch = Plain(int(requests["order_id"].max())), Stopwatch(processor=True)
    with watch:
        for ts, action, side, price, lots, bits in rows:
            while told and told[-1][0] < ts and market.whole:
                market.ask(*told.pop()[1:])
            market.whole = bool(bits & LAST)
            if action == TRADE:
                market.trade(ts, side, price, lots)
            elif action == SET:
                market.level(side, price, lots)
            elif action == CLEAR:
                market.sides = {1: {}, -1: {}}
            if bits & LAST:
                market.meet(ts)
    return Played(watch.seconds, market.filled)


class Plain:
    """One instrument as a reader of the rules writes it; orders are of one lot."""

    def __init__(self, ids: int) -> None:
        self.sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.own: dict[int, list[int]] = {}  # id: side, price, lots ahead
        self.filled = np.zeros(ids + 1, np.int64)
        self.whole, self.near = True, False

    def touch(self, side: int) -> int:
        """The best price, as side * price; what is never met where the side is empty."""
        return max((side * p for p in self.sides[side]), default=NO_BID)

    def ask(self, who: int, kind: int, side: int, price: int) -> None:
        if kind == WITHDRAW:
            self.own.pop(who, None)
        elif -side * price > self.touch(-side):  # else it would take
            self.own[who] = [side, price, self.sides[side].get(price, 0)]

    def fill(self, who: int, ts: int) -> None:
        self.filled[who] = ts
        del self.own[who]

    def trade(self, ts: int, taker: int, price: int, lots: int) -> None:
        through = [i for i, (s, p, _) in self.own.items() if s == -taker and (p - price) * s > 0]
        for i in sorted(through, key=lambda i: -self.own[i][0] * self.own[i][1])[:lots]:
            self.fill(i, ts)
        lots = max(lots - len(through), 0)
        for i, order in list(self.own.items()):
            if order[:2] == [-taker, price]:
                gone, order[2] = lots > order[2], max(order[2] - lots, 0)
                if gone:
                    self.fill(i, ts)
                    lots -= 1

    def level(self, side: int, price: int, lots: int) -> None:
        self.sides[side].pop(price, None)
        if lots:
            self.sides[side][price] = lots
            self.near |= any(s == -side and (p - price) * s >= 0 for s, p, _ in self.own.values())
        for order in self.own.values():
            if order[:2] == [side, price]:
                order[2] = min(order[2], lots)

    def meet(self, ts: int) -> None:
        if not self.near or self.touch(1) >= -self.touch(-1):
            return
        self.near = False
        for side in (1, -1):
            touch, keys = self.touch(-side), {i: s * p for i, (s, p, _) in self.own.items()}
            ours = sorted((-k, i) for i, k in keys.items() if self.own[i][0] == side)
            for key, i in ours:
                if key <= touch:
                    self.fill(i, ts)


def differences(events: Events, mine: Played, theirs: Played) -> dict[str, int]:
    """How many orders ended otherwise, by why."""
    messages = np.cumsum(np.r_[0, (events["bits"][:-1] & LAST) != 0])
    one, two = (messages[np.searchsorted(events["ts_event"], p.filled)] for p in (mine, theirs))
    both, differ = (mine.filled > 0) & (theirs.filled > 0), mine.filled != theirs.filled
    inside = both & differ & (one == two)
    shared = both & differ & ~inside & np.isin(theirs.filled, mine.filled[mine.filled > 0])
    rest = differ & ~inside & ~shared
    return {
        "executed_by_one_alone": int((differ & ~both).sum()),
        "inside_a_message": int(inside.sum()),
        "lots_shared": int(shared.sum()),
        "otherwise": int((rest & both).sum()),
    }


def run() -> Result:
    """Events a second over all streams, and where orders ended otherwise."""
    cases = {name: (events, orders(events, ORDERS)) for name, events in streams().items()}
    mine = [ours(*case) for case in cases.values()]
    if PEER.exists():
        name, theirs = "hftbacktest, array depth, events of the exchange alone", hftbacktest(cases)
    else:
        name = "plain Python (scripts/peers.py hftbacktest was not run)"
        theirs = [plain(*case) for case in cases.values()]
    metrics, baseline = figures(cases, mine), figures(cases, theirs)
    metrics["orders"] = sum(len(requests) // 2 for _, requests in cases.values())
    for (events, _), a, b in zip(cases.values(), mine, theirs, strict=True):
        for why, count in differences(events, a, b).items():
            metrics[why] = metrics.get(why, 0) + count
    ratio = metrics["events_per_s"] / baseline["events_per_s"]
    return Result("exchange", metrics, {"name": name, **baseline}, ratio)


def figures(cases: dict[str, tuple[Events, Requests]], played: list[Played]) -> dict[str, Any]:
    counts = [len(events) for events, _ in cases.values()]
    pairs = zip(cases, counts, played, strict=True)
    each = {f"ns_per_event_{name}": p.seconds / n * 1e9 for name, n, p in pairs}
    executed = sum(int((p.filled > 0).sum()) for p in played)
    rate = sum(counts) / sum(p.seconds for p in played)
    return {"events_per_s": rate, "executed": executed, **each}
