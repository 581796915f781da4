"""Databento's own files: every field against its decoder, and the book against the plain rules."""

import re
from collections import Counter
from heapq import nlargest, nsmallest
from itertools import pairwise

import databento_dbn as dbn
import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.fold import Fold
from flowsense.schema import ADD, CANCEL, DEPTH, FILL, MODIFY, TRADE, checked
from flowsense.sources import chunks
from flowsense.sources.dbn import Dbn
from flowsense.sources.dbn_files import metadata_of, opened, parts_of, pieces, walk
from flowsense.sources.dbn_records import F_LAST, F_MAYBE_BAD_BOOK, F_SNAPSHOT, ORDERS
from flowsense.sources.open import open_source

ES = [f"nautilus/esh4-glbx-mdp3-202312{day}.mbo.dbn.zst" for day in (24, 25)]
BARS = "nautilus/historical_bars_catalog/databento"
FILES, OLDER = 175, 10


@pytest.fixture(scope="session")
def files(data):
    """All of them by name, without those that are no DBN."""
    found = (p for p in sorted((data / "dbn").rglob("*")) if p.is_file())
    return {str(p.relative_to(data / "dbn")): p for p in found if p.suffix != ".jsonl"}


def content(path):
    if path.suffix == ".zst":
        return pa.input_stream(path, compression="zstd").read()
    return path.read_bytes()


def theirs(path):
    """Records as Databento's decoder gives them, in the version they were written in."""
    said = re.search(r"\.v(\d)\.dbn\.frag", path.name)
    whole = ".frag" not in path.name
    decoder = dbn.DBNDecoder(
        has_metadata=whole,
        input_version=None if whole else int(said[1]) if said else 2,
        upgrade_policy=dbn.VersionUpgradePolicy.AS_IS,
    )
    decoder.write(content(path))
    return decoder.decode()[1 if whole else 0 :]


def ours(path):
    """(number, layout, record) of all records."""
    with opened(path) as (metadata, rest, file):
        data = np.frombuffer(rest + file.read(), np.uint8)
        starts = np.empty(len(data) // 16 + 1, np.int64)
        n, _ = walk(data, starts)
        for _, part, where in parts_of(data, starts[:n], metadata, 1) if n else ():
            yield from zip(where.tolist(), [part.layout] * len(where), part.raw, strict=True)


def plain(value):
    """As the bytes in the file say it."""
    if isinstance(value, bytes):
        return value.split(b"\0")[0].decode()
    if isinstance(value, dbn.Action | dbn.Side):
        return ord(str(value))
    return value if isinstance(value, str) else int(value)


def fields(record, layout):
    """Those of ours that theirs has under the same name."""
    names = [n for n in layout.dtype.names if n not in ("length", "levels")]
    told = {name: plain(getattr(record, name)) for name in names}
    for k in range(layout.levels):
        level = record.levels[k]
        told[f"px{k}"] = [level.bid_px, level.ask_px]
        told[f"sz{k}"] = [level.bid_sz, level.ask_sz]
    return told


def mine(raw, layout):
    told = {n: plain(raw[n]) for n in layout.dtype.names if n not in ("length", "levels")}
    for k in range(layout.levels):
        told |= {
            f"px{k}": raw["levels"]["px"][k].tolist(),
            f"sz{k}": raw["levels"]["sz"][k].tolist(),
        }
    return told


def same(path, every=1):
    want = theirs(path)
    seen = Counter()
    for number, layout, raw in ours(path):
        seen[number] += 1
        if number % every == 0:
            assert mine(raw, layout) == fields(want[number], layout), (path, number)
    assert seen == Counter(range(len(want))), path


def test_every_field_of_every_file_is_what_databento_decodes(files):
    small = {name: p for name, p in files.items() if p.suffix != ".dbz" and name not in ES}
    assert len(files) == FILES
    for path in small.values():
        same(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ES)
def test_every_field_of_the_orders_is_what_databento_decodes(files, name):
    same(files[name])


def test_files_from_before_version_1_hold_what_those_after_it_do(files):
    older = {name: p for name, p in files.items() if p.suffix == ".dbz"}
    assert len(older) == OLDER
    for name, path in older.items():
        later = files[name.replace(".dbz", ".v1.dbn.zst")]
        if "definition" in name:  # of other days
            continue
        for a, b in zip(pieces(path), pieces(later), strict=True):
            assert_array_equal(a.batch.messages, b.batch.messages)
            assert_array_equal(a.batch.books, b.batch.books)
            assert a.counts == b.counts
        one, two = metadata_of(path), metadata_of(later)
        assert (one.dataset, one.schema, one.mappings) == (two.dataset, two.schema, two.mappings)


def test_metadata_are_what_databento_decodes(files):
    for path in files.values():
        if ".frag" in path.name or path.suffix == ".dbz" or "definition-" in path.name:
            continue
        decoder = dbn.DBNDecoder()
        decoder.write(content(path))
        want, got = decoder.decode()[0], metadata_of(path)
        assert (got.dataset, got.schema) == (want.dataset, str(want.schema or "")), path
        assert (got.start, got.limited, got.ts_out) == (want.start, bool(want.limit), want.ts_out)
        told = {(m.symbol, n) for n, ms in got.mappings.items() for m in ms}
        spans = [(s, i) for s, every in want.mappings.items() for i in every if i["symbol"]]
        assert told == {(symbol, int(span["symbol"])) for symbol, span in spans}, path


@pytest.mark.slow
def test_every_file_decodes_and_each_record_is_counted(files):
    for path in files.values():
        source = open_source(path)
        told = list(chunks(source))
        for chunk in told:
            checked(chunk.events, len(source.instruments))
        records = 0 if path.suffix == ".dbz" else len(theirs(path))
        assert path.suffix == ".dbz" or sum(source.counts.values()) == records, path


def test_what_is_no_market_data_is_counted_by_name(files):
    source = open_source(files["databento-python/LIVE/test_data.live.dbn.zst"])
    assert source.counts == {
        "definition": 2,
        "mbo": 5,
        "mbp-1": 2,
        "mbp-10": 2,
        "ohlcv-1m": 2,
        "ohlcv-1s": 2,
        "statistics": 9,
        "symbol mapping": 20,
        "trades": 2,
    }
    assert [i.symbol for i in source.instruments] == ["ESZ4"]


def plain_book(path):
    """(record, orders by id, traded) at each F_LAST of a file, by Databento's rules alone: A and M
    say what an order is, C takes its size from it, T and F change nothing, R removes all."""
    orders, traded = {}, 0
    records = theirs(path)
    for k, (r, after) in enumerate(pairwise([*records, None])):
        match str(r.action):
            case "A" | "M":
                orders[r.order_id] = [str(r.side), r.price, r.size]
            case "C":
                left = orders[r.order_id]
                left[2] -= r.size
                if left[2] <= 0:
                    del orders[r.order_id]
            case "R":
                orders.clear()
            case "T":
                traded += 1
        ends = r.flags & F_SNAPSHOT and after and not after.flags & F_SNAPSHOT
        if r.flags & F_LAST or ends:
            yield k, orders, traded


def touch(orders, side, tick):
    """The ten best levels, (ticks, lots)."""
    levels = Counter()
    for of, price, size in orders.values():
        if of == side:
            levels[price // tick] += size
    best = nlargest if side == "B" else nsmallest
    return [(price, levels[price]) for price in best(DEPTH, levels)]


def whole_books(source):
    """BOOK at each LAST."""
    fold = Fold(spec((), ("events:1",)), source.instruments)
    tapes = [
        tape for chunk in source for tape in fold.push(checked(chunk, len(source.instruments)))
    ]
    return np.concatenate([tape.rows[0].book for tape in tapes])


@pytest.mark.slow
@pytest.mark.parametrize("name", ES)
def test_the_book_of_orders_is_that_of_the_plain_rules(files, name):
    books, at = whole_books(Dbn((files[name],))), 0
    for at, (_, orders, _) in enumerate(plain_book(files[name])):
        if at % 97 and at < len(books) - 1:
            continue
        book = books[at]
        for side, px, sz in (("B", "bid_px", "bid_sz"), ("A", "ask_px", "ask_sz")):
            shown = [(p, n) for p, n in zip(book[px].tolist(), book[sz].tolist(), strict=True) if n]
            assert shown == touch(orders, side, 250_000_000), at
    assert at == len(books) - 1


@pytest.mark.slow
def test_there_is_no_row_while_the_book_is_not_whole(files, tmp_path):
    raw = bytearray(content(files[ES[1]]))
    head = 8 + int.from_bytes(raw[4:8], "little")
    bad = 40_000
    raw[head + bad * ORDERS.itemsize + ORDERS.fields["flags"][1]] |= F_MAYBE_BAD_BOOK
    path = tmp_path / "bad.dbn"
    path.write_bytes(raw)
    whole = sum(k < bad for k, _, _ in plain_book(files[ES[1]]))
    assert len(whole_books(Dbn((path,)))) == whole


@pytest.fixture(scope="module")
def futures(files):
    """Two days of one future, as they follow each other."""
    source = Dbn(tuple(files[name] for name in ES))
    return source, np.concatenate(list(source))


@pytest.mark.compiled
def test_two_days_go_on_as_one_stream(futures, files):
    source, events = futures
    (instrument,) = source.instruments
    assert (instrument.symbol, instrument.venue) == ("ESH4", "glbx.mdp3")
    assert float(instrument.tick) == 0.25 and instrument.by_order
    second = np.concatenate(list(Dbn((files[ES[1]],))))
    assert_array_equal(events[-len(second) :], second)
    checked(events, 1)


def test_there_is_one_trade_for_each_execution(futures, files):
    records = [r for r in theirs(files[ES[1]]) if str(r.action) == "T"]
    trades = futures[1][futures[1]["action"] == TRADE]
    assert trades["price"].tolist() == [r.price // 250_000_000 for r in records]
    assert trades["lots"].tolist() == [r.size for r in records]
    sides = {"B": 1, "A": -1, "N": 0}
    assert trades["side"].tolist() == [sides[str(r.side)] for r in records]
    assert trades["order_id"].tolist() == [r.order_id for r in records]


def test_fills_take_what_rested_or_what_an_iceberg_showed_next(futures):
    """A dict of orders over the events: more than is shown is only taken before a MODIFY."""
    resting, beyond = {}, set()
    for action, number, lots in futures[1][["action", "order_id", "lots"]].tolist():
        if action in (ADD, MODIFY):
            resting[number] = lots
            beyond.discard(number)
        elif action in (FILL, CANCEL):
            assert lots > 0 and number not in beyond
            resting[number] -= lots
            if resting[number] < 0:
                assert action == FILL
                beyond.add(number)
    assert not beyond


def test_most_of_what_was_traded_was_filled(futures, files):
    """Of the fills that Databento tells, all whose removal follows in the same message."""
    events = futures[1]
    told = sum(r.size for r in theirs(files[ES[1]]) if str(r.action) == "F")
    filled = int(events["lots"][events["action"] == FILL].sum())
    assert 0.99 * told < filled <= told


@pytest.mark.slow
@pytest.mark.parametrize("size", [997, 4_099, 1 << 22])
@pytest.mark.parametrize("names", [ES, [BARS]], ids=["orders", "mixed"])
def test_where_the_bytes_are_cut_changes_nothing(data, names, size):
    paths = [
        p for n in names for p in sorted((data / "dbn").glob(f"{n}*" if n in ES else f"{n}/*"))
    ]
    whole, cut = (list(Dbn(tuple(paths), size=s).chunks()) for s in (1 << 18, size))
    for kind in ("events", "bars"):
        a, b = (np.concatenate([getattr(c, kind) for c in part]) for part in (whole, cut))
        assert a.tobytes() == b.tobytes() and (len(a) or kind == "bars")


def test_bars_quotes_trades_and_definitions_of_a_folder_are_one_source(data):
    source = open_source(data / "dbn" / BARS)
    assert [(i.symbol, i.depth) for i in source.instruments] == [("ESU4", 1), ("NQU4", 0)]
    assert [float(i.contract) for i in source.instruments] == [50, 20]
    told = list(chunks(source))
    assert sum(len(c.bars) for c in told) == 60
    trades = sum(int((c.events["action"] == TRADE).sum()) for c in told)
    assert trades == source.counts["trades"] == 120


def mutated(raw, rng):
    out = bytearray(raw)
    for _ in range(rng.integers(1, 6)):
        out[rng.integers(len(out))] = rng.integers(256)
    if rng.random() < 0.2:
        del out[rng.integers(len(out)) :]
    return bytes(out)


@pytest.mark.slow
def test_damaged_bytes_are_refused_or_read_but_never_worse(files, tmp_path):
    rng, refused = np.random.default_rng(0), 0
    seeds = [p for p in files.values() if p.stat().st_size < 3_000]
    for k in range(1_500):
        path = seeds[int(rng.integers(len(seeds)))]
        suffix = (
            ".dbz" if path.suffix == ".dbz" else ".dbn.frag" if ".frag" in path.name else ".dbn"
        )
        raw = path.read_bytes() if suffix == ".dbz" else content(path)
        broken = tmp_path / f"{k}{suffix}"
        broken.write_bytes(mutated(raw, rng))
        try:
            source = open_source(broken)
            for chunk in chunks(source):
                checked(chunk.events, len(source.instruments))
        except InputError as error:
            refused += 1
            assert str(error).count("\n") == 0
        broken.unlink()
    assert 100 < refused < 1_400
