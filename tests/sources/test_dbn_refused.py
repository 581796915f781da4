"""Databento files that cannot be: one sentence each. And some that only look so."""

import databento_dbn as dbn
import numpy as np
import pyarrow as pa
import pytest
from dbn_wire import (
    ID,
    NANO,
    NOON,
    RESTING,
    bar,
    metadata,
    order,
    orders,
    quote,
    told,
    write,
)

from flowsense.errors import InputError
from flowsense.schema import (
    ADD,
    CLEAR,
    Decimal,
)
from flowsense.sources.dbn import Dbn
from flowsense.sources.open import open_source


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"tick": Decimal(3, 0)}, r"ESH4: prices come in steps of 100\.0, and the tick 3\.0"),
        ({"tick": Decimal(1, -10)}, r"tick 1e-10: give one above 0"),
        ({"tick": Decimal(0, 0)}, r"tick 0\.0: give one above 0"),
        ({"lot": Decimal(3, 0)}, r"lot 3\.0: sizes are whole numbers"),
    ],
)
def test_units_that_cannot_be(tmp_path, options, what):
    with pytest.raises(InputError, match=what):
        Dbn((write(tmp_path, orders("A 7 B 100 5 LAST")),), **options).instruments  # noqa: B018


def broken(at, value):
    """A good record with one byte changed."""
    raw = bytearray(order("A 7 B 100 5 LAST"))
    raw[at] = value
    return bytes(raw)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty: copy or download it again"),
        (b"DBN", "its DBN metadata are damaged or cut off"),
        (metadata()[:50], "its DBN metadata are damaged or cut off"),
        (b"DBN\4" + metadata()[4:], "is DBN 4, and 1 to 3 are known"),
        (metadata() + order("A 7 B 100 5") + order("A 7 B 100 5")[:40], "record 2: the file ends"),
        (metadata() + broken(0, 3), "record 1: its length cannot be"),
        (metadata() + broken(0, 15)[:60] + bytes(4), "record 1: type 160 is never 60 bytes long"),
        (metadata() + broken(38, 66), "record 1: action 66: it cannot be"),
        (metadata() + broken(47, 127), "record 1: ts_recv .*: it cannot be"),
        (metadata() + quote(dbn.MBP10Msg, [(99, 1, 101, 1), (100, 1, 102, 1)]), "out of order"),
        (metadata() + bar(dbn.RType.OHLCV_1M, (1, 3, 2, 2), 1, NOON), "lies outside low and high"),
    ],
)
def test_files_that_are_refused(tmp_path, content, what):
    path = tmp_path / "bad.dbn"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"bad.dbn: .*{what}"):
        list(open_source(path))


def test_damaged_compression(tmp_path):
    path = write(tmp_path, orders(*RESTING * 50), "bad.dbn.zst")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"bad.dbn.zst: its .zst compression is damaged"):
        list(open_source(path))


def test_types_of_later_versions_are_passed_over_and_counted(tmp_path):
    source = Dbn((write(tmp_path, broken(1, 0x55) + orders("A 7 B 100 5 LAST")),))
    assert source.counts == {"mbo": 1, "type 85": 1} and len(np.concatenate(list(source))) == 2


def test_live_records_with_the_time_they_were_sent(tmp_path):
    longer = bytearray(order("A 7 B 100 5 LAST") + NOON.to_bytes(8, "little"))
    longer[0] += 2
    path = write(tmp_path, bytes(longer) * 2, head=metadata(ts_out=True))
    assert [e[0] for e in told(path)] == [CLEAR, ADD, ADD]


def test_a_file_is_known_by_its_content_and_a_fragment_by_its_name(tmp_path):
    for name, head in (("mine", None), ("part.dbn.frag", b""), ("mine.zst", None)):
        source = open_source(write(tmp_path, orders("A 7 B 100 5 LAST"), name, head))
        assert source.counts == {"mbo": 1} and source.name == str(tmp_path / name)


def dbz(symbols, version=1):
    """The first frame of a file from before version 1, and a record."""
    fixed = metadata()[8:50] + bytes(8) + bytes(3) + bytes(39)
    body = b"DBZ" + bytes([version]) + fixed + symbols
    records = pa.compress(orders("A 7 B 100 5 LAST"), codec="zstd", asbytes=True)
    return b"\x50\x2a\x4d\x18" + len(body).to_bytes(4, "little") + body + records


def damaged(at, value):
    """Metadata with some of the bytes after the fixed part changed."""
    raw = bytearray(metadata())
    raw[108 + at : 108 + at + len(value)] = value
    return bytes(raw)


@pytest.mark.parametrize(
    "content",
    [
        dbz(b"no zstd"),
        dbz(b"", version=2),
        damaged(4, b"\xff\xff\xff\x7f"),  # as many symbols
        damaged(91, b"\xff"),  # the symbol
        damaged(174, b"x7"),  # its id
        damaged(166, bytes(4)),  # from when on
        damaged(-84, b"\x99\x09"),  # the schema
    ],
)
def test_damaged_metadata(tmp_path, content):
    path = tmp_path / "bad.dbz"
    path.write_bytes(content + orders("A 7 B 100 5 LAST") * (content[:3] == b"DBN"))
    with pytest.raises(InputError, match=r"bad.dbz: its DBN metadata are damaged or cut off"):
        open_source(path).instruments  # noqa: B018


def test_compression_is_seen_whatever_the_name(tmp_path):
    content = pa.compress(metadata() + orders(*RESTING), codec="zstd", asbytes=True)
    path = tmp_path / "mine.dbn"
    path.write_bytes(content)
    assert open_source(path).counts == {"mbo": 2}


def test_a_symbol_that_is_no_text(tmp_path):
    kind = dbn.SType.RAW_SYMBOL
    named = bytearray(bytes(dbn.SymbolMappingMsg(1, ID, NOON, kind, "ES", kind, "ESZ3", 0, 0)))
    named[89] = 255
    path = write(tmp_path, bytes(named) + orders(*RESTING))
    with pytest.raises(InputError, match=r"mbo.dbn: the symbol .* is no text"):
        open_source(path).instruments  # noqa: B018


@pytest.mark.parametrize(("amount", "worth"), [(1, Decimal(1, 0)), (0, Decimal(1, 0))])
def test_a_worth_that_is_not_known_is_one(tmp_path, amount, worth):
    definition = dbn.InstrumentDefMsg(
        1, ID, NOON, NOON, 3, NANO, "ESH4", "ES", "FUT", dbn.InstrumentClass.FUTURE,
        dbn.SecurityUpdateAction.ADD, min_price_increment_amount=amount,
    )  # fmt: skip
    source = Dbn((write(tmp_path, bytes(definition) + orders(*RESTING)),))
    assert source.instruments[0].contract == worth


def test_a_price_beyond_all_ticks(tmp_path):
    record = order("A 7 B 1 5 LAST", price=2**62 + 1)
    with pytest.raises(InputError, match=r"ESH4: prices of more than 2\*\*53 ticks"):
        Dbn((write(tmp_path, orders(*RESTING) + record),)).instruments  # noqa: B018
