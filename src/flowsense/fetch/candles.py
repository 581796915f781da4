"""Candles of Binance and of Massive, page by page, into one Parquet table.

=================  ================================================================================
Binance            klines of spot, USD-M and COIN-M, 1,000 a page; the next begins after the last
Massive            aggregates of stocks and of crypto pairs of all exchanges, 50,000 a page, not
                   adjusted for splits, which nobody knew at the time; the next page is its
                   `next_url`, followed on the same server only
=================  ================================================================================

Columns: ``open_time`` (UTC), ``symbol``, ``open``, ``high``, ``low``, ``close``, ``volume``,
``trades``. Candles that had not closed when they were asked for are left out.

Binance, Kline/Candlestick Data; Massive, Custom Bars (docs).
"""

import shutil
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlencode, urlsplit

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from flowsense.errors import InputError
from flowsense.fetch import Wanted, parts
from flowsense.fetch.client import Client
from flowsense.forecast import spell
from flowsense.schema import MILLISECOND
from flowsense.sources.secret import secret
from flowsense.store.atomic import replacing
from flowsense.wall import now_utc

PRICES = ("open", "high", "low", "close")
SCHEMA = pa.schema(
    [
        ("open_time", pa.timestamp("ns", "UTC")),
        ("symbol", pa.string()),
        *((name, pa.float64()) for name in (*PRICES, "volume")),
        ("trades", pa.int64()),
    ]
)
SPANS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
FULL, MOST = 1_000, 50_000  # candles of a page


class Row(NamedTuple):
    ts: int  # ns, when it opened
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


class Page(NamedTuple):
    rows: list[Row]
    more: str  # path of the next; "": there is none


class Vendor(Protocol):
    """How one vendor tells candles."""

    @property
    def base(self) -> str: ...
    @property
    def rate(self) -> int: ...  # requests a minute
    @property
    def variable(self) -> str: ...  # of the key; "": none
    def first(self, wanted: Wanted, start: int) -> str:
        """Path of the page that begins at `start`."""
        ...

    def page(self, wanted: Wanted, body: bytes, base: str) -> Page:
        """Raises ValueError, TypeError, KeyError or IndexError for what it cannot be."""
        ...


class Binance(NamedTuple):
    base: str
    path: str
    intervals: str
    rate: int = 600
    variable: str = ""

    def first(self, wanted: Wanted, start: int) -> str:
        interval = spell(wanted.interval)
        if interval not in self.intervals.split():
            raise InputError(f"--interval: {wanted.venue} has {self.intervals}")
        query = {"symbol": wanted.symbol, "interval": interval, "startTime": start // MILLISECOND}
        query |= {"endTime": wanted.end // MILLISECOND - 1, "limit": FULL}
        return f"{self.path}?{urlencode(query)}"

    def page(self, wanted: Wanted, body: bytes, base: str) -> Page:
        told = orjson.loads(body)
        rows = [Row._make((int(k[0]) * MILLISECOND, *map(float, k[1:6]), int(k[8]))) for k in told]
        more = len(rows) == FULL and rows[-1].ts + MILLISECOND < wanted.end
        return Page(rows, self.first(wanted, rows[-1].ts + MILLISECOND) if more else "")


class Massive(NamedTuple):
    prefix: str
    base: str = "https://api.massive.com"
    rate: int = 6_000
    variable: str = "MASSIVE_API_KEY"

    def first(self, wanted: Wanted, start: int) -> str:
        text = spell(wanted.interval)
        if text[-1] not in SPANS or text[-2] in "mun":
            raise InputError("--interval: Massive has seconds, minutes, hours and days")
        symbol = wanted.symbol.replace("-", "") if self.prefix else wanted.symbol
        ticker, span = quote(self.prefix + symbol), f"{text[:-1]}/{SPANS[text[-1]]}"
        ends = f"{start // MILLISECOND}/{wanted.end // MILLISECOND - 1}"
        query = f"adjusted=false&sort=asc&limit={MOST}"
        return f"/v2/aggs/ticker/{ticker}/range/{span}/{ends}?{query}"

    def page(self, wanted: Wanted, body: bytes, base: str) -> Page:
        told = orjson.loads(body)
        rows = [
            Row._make((int(k["t"]) * MILLISECOND, *(float(k[x]) for x in "ohlcv"), k.get("n", 0)))
            for k in told.get("results") or ()
        ]
        return Page(rows, behind(told.get("next_url") or "", base))


FEW = "1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d"
VENDORS: dict[str, Vendor] = {
    "binance-spot": Binance("https://api.binance.com", "/api/v3/klines", f"1s {FEW}"),
    "binance-usdm": Binance("https://fapi.binance.com", "/fapi/v1/klines", FEW),
    "binance-coinm": Binance("https://dapi.binance.com", "/dapi/v1/klines", FEW),
    "massive-stocks": Massive(""),
    "massive-crypto": Massive("X:"),
}


def behind(address: str, base: str) -> str:
    """The path of an address of that server. Raises ValueError where it is of another."""
    if not address:
        return ""
    there, ours = urlsplit(address), urlsplit(base)
    if (there.scheme, there.netloc) != (ours.scheme, ours.netloc):
        raise ValueError(
            f"the next page is on {there.netloc[:60]!r}, where our key has no business"
        )
    return f"{there.path}?{there.query}"


async def candles(wanted: Wanted, out: Path, base: str = "") -> int:
    """How many there are in `out`. Raises InputError; what has come until then is kept."""
    vendor = VENDORS[wanted.venue]
    key = secret(vendor.variable) if vendor.variable else None
    vendor.first(wanted, wanted.start)
    folder, base = parts(wanted, out), base or vendor.base
    pages = sorted(folder.glob("*.parquet"))
    last = wanted.start - 1
    if pages:
        last = pq.read_table(pages[-1])["open_time"].cast(pa.int64())[-1].as_py()
    path = vendor.first(wanted, last + MILLISECOND if pages else wanted.start)
    asked = set[str]()  # a server that sends us in circles has told all
    async with Client(base, rate=vendor.rate, key=key) as client:
        while path:
            page = understood(vendor, wanted, await client.read(path), base)
            rows = checked(wanted, page.rows, last)
            if rows:
                pages.append(folder / f"{len(pages):06}.parquet")
                with replacing(pages[-1]) as draft:
                    pq.write_table(table(wanted, rows), draft)
                last = rows[-1].ts
            asked.add(path)
            path = page.more if page.more not in asked else ""
    return joined(wanted, pages, out)


def understood(vendor: Vendor, wanted: Wanted, body: bytes, base: str) -> Page:
    try:
        return vendor.page(wanted, body, base)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(f"{wanted.venue}: the reply is not understood ({error!r:.120})") from error


def checked(wanted: Wanted, rows: list[Row], last: int) -> list[Row]:
    """Those of the span, after `last`, that have closed. Raises InputError for no candle."""
    now, before = now_utc(), -1
    for row in rows:
        good = 0 < row.low <= min(row.open, row.close) <= max(row.open, row.close) <= row.high
        if not (good and row.high < float("inf") and 0 <= row.volume < float("inf")):
            raise InputError(f"{wanted.venue}: sent no candle: {row}: ask for another span")
        if row.ts <= before:
            raise InputError(f"{wanted.venue}: sent candles out of order: {row}: try again")
        before = row.ts
    until = min(wanted.end, now - wanted.interval + 1)
    return [row for row in rows if last < row.ts < until]


def table(wanted: Wanted, rows: list[Row]) -> pa.Table:
    ts, *numbers = zip(*rows, strict=True)
    columns: list[Any] = [pa.array(ts, pa.int64()).cast(SCHEMA.field(0).type)]
    columns += [[wanted.symbol] * len(rows), *numbers]
    return pa.table(columns, schema=SCHEMA)


def joined(wanted: Wanted, pages: list[Path], out: Path) -> int:
    """All pages as the one file; they are gone then."""
    folder = out.with_name(out.name + ".part")
    if not pages:
        shutil.rmtree(folder)
        raise InputError(f"{wanted.venue}: has no candles of {wanted.symbol} in that span")
    rows = 0
    with replacing(out) as draft, pq.ParquetWriter(draft, SCHEMA) as writer:
        for page in pages:
            found = pq.read_table(page)
            writer.write_table(found)
            rows += len(found)
    shutil.rmtree(folder)
    return rows
