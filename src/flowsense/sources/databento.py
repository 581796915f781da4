"""Databento live: the lines and DBN records of its subscription gateway, cut anywhere, to EVENTs.

=====================  ============================================================================
gateway says           and we
=====================  ============================================================================
``lsg_version=...``    wait
``cram=CHALLENGE``     answer with a hash of it and our key, which itself is never sent
``success=1|...``      subscribe to each schema, and start; of orders we ask for a snapshot
``success=0|error=``   stop
DBN metadata           read records from here on, as `sources.dbn` reads those of files
symbol mapping         know which id bears a symbol of ours; others are counted and left out
error                  stop where the key, a symbol or a schema is at fault, else begin anew;
                       records that were skipped because we read too slowly are a hole
system                 counted: heartbeats, acknowledgements, warnings
=====================  ============================================================================

TCP loses nothing and the venue's own holes are flagged (F_MAYBE_BAD_BOOK), so that a hole is a
connection that was lost, or skipped records. Gateways restart every week. Whatever was told
before is forgotten then: books begin again with a snapshot (orders) or with the next row (levels).
`ts_recv` is our clock, not Databento's as in a file.

What was traded while a connection was lost is asked for with the next: the gateway replays what has
happened since the last trades that we heard, within a day, and they are told as LATE, but for those
that we know. A replay ends for us with the first record of after the connection was made; of the
books in it nothing is told. Of orders there is none, as their snapshot excludes it.

Ticks and contracts are those of the definitions of the last days, over the historical API. Symbols
are raw symbols, of one publisher each: the first that is heard.

Databento, Live API, Raw: Authentication, Subscription, Session; Errors; MBO snapshots (docs).
Assumed: lines may hold further fields, and records of unknown types may come.
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import DecodeError, InputError
from flowsense.schema import DAY, DEPTH, SECOND, TRADE, Decimal, Events, Instrument
from flowsense.sources.dbn_book import HOLE, NONE, SEEN
from flowsense.sources.dbn_decode import Decoder
from flowsense.sources.dbn_files import SHORTEST, piece_of, walk
from flowsense.sources.dbn_messages import Array, Batch, Part
from flowsense.sources.dbn_metadata import COUNT, LARGEST, MAGIC, Metadata, read
from flowsense.sources.dbn_orders import T
from flowsense.sources.dbn_records import BARS, LAYOUTS, MAPPING, MBO, MBP_10, NANO, TBBO, UNDEFINED
from flowsense.sources.dbn_survey import ID, Survey, plain
from flowsense.sources.dbn_table import BOOKS, FLOWS, ONE, contract, first, nano
from flowsense.sources.units import common
from flowsense.sources.venues import Dialect, Venue
from flowsense.sources.venues.sink import Sink
from flowsense.wall import now_utc

SECRET = "DATABENTO_API_KEY"
REST = "https://hist.databento.com"
PORT = 13_000
FEEDS = {layout.name: layout.feed for layout in LAYOUTS.values()} | {"tbbo": TBBO}
SCHEMAS = (
    *("mbo", "mbp-10", "mbp-1", "tbbo", "bbo-1s", "bbo-1m", "cmbp-1", "cbbo-1s", "cbbo-1m"),
    *("tcbbo", "trades", "ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d", "status"),
)
LONGEST = 1 << 16  # bytes of a line, or of a record: no gateway says more
TOGETHER = 500  # symbols of one subscription
RECENT = 5  # days of definitions: weekends and holidays have none
DENIED, WRONG, SKIPPED = (1, 2), (4, 5), 7  # codes of errors
EXECUTED = ("trades", "tbbo", "tcbbo", "mbp-1", "mbp-10", "cmbp-1")  # schemas that tell each trade
REPLAYED = DAY - 3_600 * SECOND  # of the gateway's day, with an hour to spare


LATEST = np.dtype([("ts", "i8"), ("count", "i8")])  # ns of the last trade; how many of then


class Wanted(NamedTuple):
    """What is subscribed to."""

    dataset: str
    schemas: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the venue, as recordings of it have it."""
        return self.dataset.lower()

    @property
    def feeds(self) -> int:
        return sum({1 << FEEDS[schema] for schema in self.schemas})

    @property
    def quiet(self) -> int:
        """ns: nobody quotes a stock all the time, and bars come when they close."""
        return min(max(60 * SECOND, 5 * BARS.get(FEEDS[s], 0) // 2) for s in self.schemas)

    @property
    def path(self) -> Path:
        """What errors name."""
        return Path(f"{self.name}, live")


class DatabentoDialect:
    """The gateway's side of one connection: lines, metadata, then records."""

    def __init__(self, wanted: Wanted, symbols: tuple[str, ...], sink: Sink) -> None:
        self.wanted, self.symbols, self.sink = wanted, symbols, sink
        size = max(self.sink.index.values(), default=-1) + 1
        self.last = np.zeros(size, LATEST)  # by instrument, of all connections
        self.opened()

    def opened(self) -> None:
        self.ticks = np.ones(len(self.last), np.int64)
        self.decoder, self.past = self.fresh(), self.fresh()
        self.since = int(self.last["ts"].max(initial=0))  # of a replay; 0: there is none
        self.until = self.sink.ts_recv
        if self.since:  # a second more: instruments are not told of in order of their own clocks
            self.since = max(self.since - SECOND, self.until - REPLAYED)
        self.told = np.zeros(len(self.last), np.int64)  # of the trades at its last time, by replay
        self.buffer, self.greeted, self.records = b"", False, 0
        self.metadata: Metadata | None = None
        self.places = dict[int, int]()  # of ids, instruments; -1 of one that is not ours
        self.publishers = dict[int, int]()  # of instruments

    def fresh(self) -> Decoder:
        """As before the first record."""
        seen = np.zeros(len(self.last), SEEN)
        for symbol, k in self.sink.index.items():
            begin(self.sink.instruments[symbol], self.wanted.feeds, seen[k : k + 1])
            self.ticks[k] = seen[k]["tick"]
        return Decoder(seen, np.zeros(0, HOLE))

    def message(self, body: bytes) -> None:
        """Bytes of the connection, cut anywhere. Raises DecodeError."""
        self.buffer += body
        while not self.greeted and b"\n" in self.buffer:
            line, _, self.buffer = self.buffer.partition(b"\n")
            self.line(line.decode())
        if not self.greeted:
            limited(self.buffer)
            return
        try:
            if self.metadata is None:
                self.head()
            if self.metadata is not None and self.buffer:
                self.body(self.metadata)
        except InputError as error:
            raise DecodeError(str(error)) from error

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError(f"nothing was asked for as {key[:40]!r}")

    def line(self, text: str) -> None:
        """key=value|key=value"""
        fields = dict(part.partition("=")[::2] for part in text.split("|"))
        self.sink.count("line")
        if "cram" in fields:
            challenge = fields["cram"]
            if not challenge.isalnum() or not challenge.isascii():
                raise DecodeError(f"{challenge[:40]!r} is no challenge")
            said = f"auth={{key:{challenge}}}|dataset={self.wanted.dataset}|encoding=dbn|ts_out=0"
            self.sink.send(f"{said}|client=flowsense\n")
        elif fields.get("success") == "1":
            for schema in self.wanted.schemas:
                self.subscribe(schema)
            self.sink.send("start_session=0\n")
            self.greeted = True
        elif "success" in fields:
            self.sink.stop(f"the key of {SECRET} was refused: {fields.get('error', '')[:200]}")
        elif "lsg_version" not in fields:
            raise DecodeError(
                f"{text[:60]!r} is nothing that a gateway says before it has let us in"
            )

    def subscribe(self, schema: str) -> None:
        more = "|snapshot=1" if schema == "mbo" else ""
        if self.since and schema in EXECUTED:
            more = f"|start={self.since}"
        for k in range(0, len(self.symbols), TOGETHER):
            names = ",".join(self.symbols[k : k + TOGETHER])
            self.sink.send(f"schema={schema}|stype_in=raw_symbol|symbols={names}{more}\n")

    def head(self) -> None:
        """Metadata, when all of them are here."""
        if len(self.buffer) < 8:
            return
        if not self.buffer.startswith(MAGIC):
            raise DecodeError("the records do not begin with DBN metadata")
        (length,) = COUNT.unpack_from(self.buffer, 4)
        if length > LARGEST >> 4:
            raise DecodeError(f"DBN metadata of {length} bytes")
        if len(self.buffer) < 8 + length:
            return
        metadata, _ = read(BytesIO(self.buffer), self.wanted.path)
        quoted = "tbbo" in self.wanted.schemas  # its records look like those of mbp-1
        self.metadata = replace(metadata, schema="tbbo" if quoted else "")
        self.buffer = self.buffer[8 + length :]

    def body(self, metadata: Metadata) -> None:
        """All records that are whole; a mapping holds for those after it."""
        data = np.frombuffer(self.buffer, np.uint8)
        starts = np.empty(len(data) // SHORTEST + 1, np.int64)
        n, end = walk(data, starts)
        if end < 0:
            raise DecodeError(f"record {self.records + n}: its length cannot be")
        self.buffer = self.buffer[end:]
        kinds = data[starts[:n] + 1] == 0x16
        for run in np.split(starts[:n], np.flatnonzero(np.diff(kinds)) + 1):
            if len(run):
                self.run(data[run[0] :], run - run[0], metadata)

    def run(self, data: NDArray[np.uint8], starts: NDArray[np.int64], metadata: Metadata) -> None:
        piece = piece_of(data, starts, metadata, self.records + 1)
        self.records += len(starts)
        self.sink.counts.update(piece.counts)
        for part in piece.described:
            if part.layout.feed == MAPPING:
                self.map(part)
            elif part.layout.name == "error":
                self.failed(part)
        if len(piece.batch.messages):
            self.push(self.mine(piece.batch))

    def push(self, batch: Batch) -> None:
        """What is replayed, and what is of now."""
        m = batch.messages
        late = m["ts_event"] < (self.until if self.since else 0)
        if late.any():
            events, _ = self.past.push(batch._replace(messages=m[late]))
            self.sink.again(self.missed(events[events["action"] == TRADE]))
        events, bars = self.decoder.push(batch._replace(messages=m[~late]) if late.any() else batch)
        self.sink.add(events, bars)
        self.known(events[events["action"] == TRADE])

    def missed(self, trades: Events) -> Events:
        """Those that were not heard when they happened."""
        wanted = np.zeros(len(trades), np.bool_)
        for i, (k, ts) in enumerate(zip(trades["instrument"], trades["ts_event"], strict=True)):
            of = self.last[k]
            self.told[k] = 1 if ts > of["ts"] else self.told[k] + (ts == of["ts"])
            wanted[i] = ts > of["ts"] or (ts == of["ts"] and self.told[k] > of["count"])
            if wanted[i]:
                self.last[k] = ts, self.told[k]
        return trades[wanted]

    def known(self, trades: Events) -> None:
        """The last time of each, and how many trades were heard of it."""
        for k, ts in zip(trades["instrument"], trades["ts_event"], strict=True):
            of = self.last[k]
            if ts >= of["ts"]:
                self.last[k] = ts, of["count"] + 1 if ts == of["ts"] else 1

    def map(self, part: Part) -> None:
        names = part.raw["stype_out_symbol"]
        for number, raw in zip(part.raw["instrument_id"].tolist(), names, strict=True):
            self.places[number] = self.sink.index.get(plain(raw, part), -1)

    def mine(self, batch: Batch) -> Batch:
        """Messages of our instruments; trades between ticks at the nearest."""
        m = batch.messages
        keys, which = np.unique(m["key"], return_inverse=True)
        m["instrument"] = np.array([self.place(int(key)) for key in keys])[which]
        left_out = int((m["instrument"] < 0).sum())
        if left_out:
            self.sink.counts["record of another instrument"] += left_out
            batch = batch._replace(messages=m[m["instrument"] >= 0])
            m = batch.messages
        tick = self.ticks[m["instrument"]]
        between = (m["price"] != UNDEFINED) & (m["price"] % tick != 0) & (m["action"] == T)
        if between.any():
            self.sink.counts["price between ticks"] += int(between.sum())
            m["price"][between] = ((m["price"] + tick // 2) // tick * tick)[between]
        return batch

    def place(self, key: int) -> int:
        found = self.places.get(key & ID, -1)
        if found >= 0 and self.publishers.setdefault(found, key >> 32) != key >> 32:
            return -1
        return found

    def failed(self, part: Part) -> None:
        """An error record: what it says decides whether we may come again."""
        coded = "code" in (part.raw.dtype.names or ())
        codes = part.raw["code"].tolist() if coded else [0] * len(part.raw)
        for raw, code in zip(part.raw["err"], codes, strict=True):
            said = raw.split(b"\0")[0].decode(errors="replace")[:200]
            if code in DENIED:
                self.sink.stop(f"the key of {SECRET} is not taken: {said}")
            elif code in WRONG:
                self.sink.stop(f"{said}: correct the symbols or schemas")
            else:
                if code == SKIPPED:
                    self.sink.lost_all("records were skipped: we read too slowly")
                self.sink.anew(said)


def limited(buffer: bytes) -> None:
    if len(buffer) > LONGEST:
        raise DecodeError(f"a line of more than {LONGEST} bytes")


def begin(instrument: Instrument, feeds: int, seen: Array) -> None:
    """Fills its one SEEN."""
    tick = nano(instrument.tick, instrument.symbol, 0)
    seen["book"], seen["flow"] = first(feeds, BOOKS), first(feeds, FLOWS)
    seen["bar"], seen["shown"] = first(feeds, BARS), instrument.depth
    seen["tick"], seen["scale"] = tick, 1
    seen["replay"] = seen["fills"] = seen["likely"] = NONE


def listing(wanted: Wanted, symbols: tuple[str, ...]) -> tuple[str, ...]:
    """Where their definitions are: a form that is posted."""
    today = now_utc() // DAY * DAY
    start, end = (datetime.fromtimestamp(t // SECOND, UTC) for t in (today - RECENT * DAY, today))
    query = {
        "dataset": wanted.dataset,
        "schema": "definition",
        "symbols": ",".join(symbols),
        "stype_in": "raw_symbol",
        "start": f"{start:%Y-%m-%d}",
        "end": f"{end:%Y-%m-%d}",
        "encoding": "dbn",
    }
    return (f"/v0/timeseries.get_range {urlencode(query)}",)


def instruments(
    wanted: Wanted, symbols: tuple[str, ...], bodies: tuple[bytes, ...]
) -> tuple[Instrument, ...]:
    """Of definitions. Raises DecodeError for a symbol that has none."""
    found = Survey()
    for body in bodies:
        metadata, rest = read(file := BytesIO(body), wanted.path)
        data = np.frombuffer(rest + file.read(), np.uint8)
        starts = np.empty(len(data) // SHORTEST + 1, np.int64)
        n, end = walk(data, starts)
        if end != len(data):
            raise DecodeError(f"{wanted.name}: its definitions are cut off")
        if n:
            found.add(piece_of(data, starts[:n], metadata, 1))
    known = {d.symbol: d for d in found.definitions.values()}
    book = first(wanted.feeds, BOOKS)
    bars_alone = book == first(wanted.feeds, FLOWS) == NONE
    shown = 0 if bars_alone else DEPTH if book in (NONE, MBO, MBP_10) else 1
    out = list[Instrument]()
    for symbol in symbols:
        if symbol not in known:
            raise DecodeError(f"{wanted.name}: defines no symbol {symbol!r}")
        of = known[symbol]
        step = Decimal(of.increment, NANO) if of.increment else Decimal(1, -2)
        tick = Decimal(*common(step, step))
        worth = contract(of)
        out.append(
            Instrument(symbol, wanted.name, tick, ONE, worth, by_order=book == MBO, depth=shown)
        )
    return tuple(out)


def venue(name: str) -> Venue:
    """Of ``databento/GLBX.MDP3/mbo``, or several schemas with + between. Raises InputError."""
    _, dataset, told = (*name.split("/"), "", "")[:3]
    schemas = tuple(told.split("+"))
    wrong = next((schema for schema in schemas if schema not in SCHEMAS), None)
    if not dataset or wrong is not None:
        known = ", ".join(SCHEMAS)
        raise InputError(
            f"venue {name!r}: give dataset and schemas, like databento/GLBX.MDP3/mbo ({known})"
        )
    if {"tbbo", "mbp-1"} <= {*schemas}:
        raise InputError(f"venue {name!r}: mbp-1 tells all that tbbo does: leave tbbo out")
    wanted = Wanted(dataset.upper(), schemas)
    return Venue(
        wanted.name,
        f"tcp://{wanted.name.replace('.', '-')}.lsg.databento.com:{PORT}",
        REST,
        dialect=partial(_dialect, wanted),
        listing=partial(listing, wanted),
        instruments=partial(instruments, wanted),
        quiet_ns=wanted.quiet,
        secret=SECRET,
        basic=True,
        most=2_000,
    )


def _dialect(wanted: Wanted, symbols: tuple[str, ...], sink: Sink) -> Dialect:
    return DatabentoDialect(wanted, symbols, sink)
