"""Speed of the fused loop, and of polars that computes a part of the same columns.

Polars is given what it cannot make, the whole books and the trades of each as a table, and makes a
part of the columns from it with expressions; ours is charged what families cost beyond the same
loop without any. Both per column and event of the stream.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flowsense.bench import Result, recordings
from flowsense.features.catalogue import DEFAULT, spec
from flowsense.features.context import TAUS, TAUS_NS
from flowsense.features.depth import TOGETHER
from flowsense.features.fold import Fold
from flowsense.schema import (
    BOOK,
    DEPTH,
    EVENT,
    LAST,
    MILLISECOND,
    TRADE,
    Decimal,
    Events,
    Instrument,
)
from flowsense.sources.open import open_source
from flowsense.testing.toy import by_level, by_order
from flowsense.wall import Stopwatch

CLOCK, EACH, NEVER = "interval:100ms", "events:1", "interval:10000000s"
STEP = 100 * MILLISECOND
SLOW = {tau: float(ns) for tau, ns in zip(TAUS[2:], TAUS_NS[2:], strict=True)}
NEAR = 2
PART = 4096  # events whose least time over the passes is counted; what disturbs one pass drops out


class Stream(NamedTuple):
    """What is measured on."""

    name: str
    instrument: Instrument
    events: Events


def stream(limit: int = 500_000) -> Stream:
    """Recorded Binance depth where FLOWSENSE_DATA has it, else a simulated market."""
    folder = recordings() / "binance_ws_raw"
    path = folder / "usdm_btcusdt_20240808.jsonl.zst"
    if path.exists():
        source = open_source(path)
        events = np.concatenate(list(source))[:limit]
        return Stream(path.name, source.instruments[0], events.view(EVENT))
    toy = Instrument("TOY", "toy", Decimal(1, -2), Decimal(1, 0))
    return Stream("simulated", toy, by_level(by_order(min(limit, 60_000))))


def folded(market: Stream, families: tuple[str, ...], clock: str, passes: int) -> tuple[float, int]:
    """Seconds that a whole stream takes, and its rows: the least time of every part."""
    parts = [market.events[a : a + PART] for a in range(0, len(market.events), PART)]
    least = np.full(len(parts), np.inf)
    for _ in range(passes):
        fold, rows = Fold(spec(families, (clock,)), (market.instrument,)), 0
        for k, part in enumerate(parts):
            watch = Stopwatch()
            with watch:
                tapes = list(fold.push(part))
            least[k] = min(least[k], watch.seconds)
            rows += sum(len(tape.rows[0].ts) for tape in tapes)
    return float(least.sum()), rows


def whole_books(market: Stream) -> pl.DataFrame:
    """One line per whole book: ts, ten levels a side, and the trades since the one before."""
    fold = Fold(spec((), ("events:1",)), (market.instrument,))
    tapes = list(fold.push(market.events))
    ts = np.concatenate([tape.rows[0].ts for tape in tapes])
    books = np.concatenate([tape.rows[0].book for tape in tapes])
    levels = {
        f"{name}{k}": books[name][:, k]
        for name in BOOK.names or ()
        if name != "known"
        for k in range(DEPTH)
    }
    return pl.DataFrame({"ts": ts, **levels, **traded(market.events, len(ts))})


def traded(events: Events, books: int) -> dict[str, NDArray[np.int64]]:
    """Lots and signed lots per whole book; those of the snapshot are none."""
    trades = events[events["action"] == TRADE]
    ends = np.flatnonzero(events["bits"] & LAST)[-books:]
    at = np.searchsorted(ends, np.flatnonzero(events["action"] == TRADE))
    inside = at < books
    lots, signed = (
        np.bincount(at[inside], weights[inside], books).astype(np.int64)
        for weights in (trades["lots"], trades["lots"] * trades["side"])
    )
    lots[0] = signed[0] = 0
    return {"lots": lots, "signed": signed}


def order_flow(k: int) -> pl.Expr:
    """Of level k between whole books. Cont, Kukanov & Stoikov 2014, eq. 2."""
    bid, bids, ask, asks = (
        pl.col(f"{name}{k}") for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")
    )
    was = [x.shift(1) for x in (bid, bids, ask, asks)]
    joined = bids * (bid >= was[0]) - was[1] * (bid <= was[0])
    left = was[3] * (ask >= was[2]) - asks * (ask <= was[2])
    return (joined + left).fill_null(0)


def imbalance(bids: pl.Expr, asks: pl.Expr) -> pl.Expr:
    return (bids - asks) / (bids + asks)


def of_books() -> Iterator[pl.Expr]:
    """Columns of one book alone."""
    bid, ask = pl.col("bid_px0"), pl.col("ask_px0")
    bids, asks = ([pl.col(f"{s}_sz{k}") for k in range(DEPTH)] for s in ("bid", "ask"))
    yield from (imbalance(bids[k], asks[k]).alias(f"imb_l{k + 1}") for k in range(DEPTH))
    for k in TOGETHER:
        of = imbalance(pl.sum_horizontal(bids[:k]), pl.sum_horizontal(asks[:k]))
        yield of.alias(f"imb_cum{k}")
    near = (
        pl.sum_horizontal(
            lots[k] / (1 + (pl.col(f"{side}_px{k}") - pl.col(f"{side}_px0")).abs())
            for k in range(DEPTH)
        )
        for side, lots in (("bid", bids), ("ask", asks))
    )
    yield imbalance(*near).alias("imb_near")
    yield (ask - bid).alias("spread")
    yield (0.5 * (ask - bid) * imbalance(bids[0], asks[0])).alias("micro")
    yield (bid - pl.col("bid_px1")).alias("gap_bid")
    yield (pl.col("ask_px1") - ask).alias("gap_ask")


def increments() -> dict[str, pl.Expr]:
    """What happened between two books, to be summed."""
    move = ((pl.col("bid_px0") + pl.col("ask_px0")).diff() * 0.5).fill_null(0.0)
    return {
        **{f"ofi_l{k + 1}": order_flow(k) for k in range(DEPTH)},
        "absolute": order_flow(0).abs(),
        "flow": pl.col("signed"),
        "volume": pl.col("lots"),
        "ret": move,
        "rv": move * move,
        "rv_up": move.clip(lower_bound=0) ** 2,
        "rv_down": move.clip(upper_bound=0) ** 2,
    }


def decayed() -> list[str]:
    """Increments that are also summed with decay."""
    near = [f"ofi_l{k}" for k in range(1, NEAR + 1)]
    return [*near, "absolute", "flow", "volume", "ret", "rv", "rv_up", "rv_down"]


def columns_of(books: pl.DataFrame) -> pl.DataFrame:
    """Columns at every boundary of 100 ms after the first book, by expressions alone."""
    start, end = books["ts"][0], books["ts"][-1]
    since = (pl.col("ts") - start).cast(pl.Float64)
    made = books.lazy().select("ts", *of_books(), *(x.alias(n) for n, x in increments().items()))
    sums = [
        (pl.col(name) * (since / tau).exp()).cum_sum().alias(f"{name}_{t}")
        for name in decayed()
        for t, tau in SLOW.items()
    ]
    totals = [pl.col(f"ofi_l{k + 1}").cum_sum() for k in range(DEPTH)]
    first = start - start % STEP + STEP
    grid = pl.LazyFrame({"ts": np.arange(first, end + 1, STEP)})
    rows = grid.join_asof(made.with_columns(*sums, *totals), on="ts", allow_exact_matches=False)
    fade = [
        (pl.col(f"{name}_{t}") * (-since / tau).exp())
        for name in decayed()
        for t, tau in SLOW.items()
    ]
    shares = [
        share.alias(f"{name}_{t}")
        for t in SLOW
        for name, share in (
            ("ofi_share", pl.col(f"ofi_l1_{t}") / pl.col(f"absolute_{t}")),
            ("flow_share", pl.col(f"flow_{t}") / pl.col(f"volume_{t}")),
        )
    ]
    grown = [
        pl.col(f"ofi_l{k + 1}").diff().fill_null(pl.col(f"ofi_l{k + 1}")) for k in range(DEPTH)
    ]
    return rows.with_columns(*fade, *grown).with_columns(*shares).collect()


def shared(made: pl.DataFrame) -> list[str]:
    """Those of its columns that are ours by name."""
    ours = set(spec(DEFAULT).columns)
    return [name for name in made.columns if name in ours]


def least(call: Callable[[], Any], passes: int) -> float:
    """Seconds of the fastest pass."""
    best = float("inf")
    for _ in range(passes):
        watch = Stopwatch()
        with watch:
            call()
        best = min(best, watch.seconds)
    return best


def run(passes: int = 7) -> Result:
    """ns per event and per row of ours; ns per column and event of both."""
    market = stream()
    n, width = len(market.events), len(spec(DEFAULT).columns)
    bare, _ = folded(market, (), CLOCK, passes)
    quiet, _ = folded(market, DEFAULT, NEVER, passes)
    full, rows = folded(market, DEFAULT, CLOCK, passes)
    dense, each = folded(market, DEFAULT, EACH, passes)
    books = whole_books(market)
    made = columns_of(books)
    theirs = least(lambda: columns_of(books), passes) / (n * len(shared(made)))
    ours = (full - bare) / (n * width)
    metrics = {
        "data": market.name,
        "columns": width,
        "events": n,
        "rows": rows,
        "ns_per_event": quiet / n * 1e9,
        "ns_per_row": (dense - quiet) / max(each, 1) * 1e9,
        "events_per_s": n / full,
        "events_per_s_without_families": n / bare,
        "ns_per_column_event": ours * 1e9,
    }
    baseline = {
        "name": f"polars {pl.__version__} on whole books, {pl.thread_pool_size()} threads",
        "columns": len(shared(made)),
        "ns_per_column_event": theirs * 1e9,
    }
    return Result("features", metrics, baseline, theirs / ours)
