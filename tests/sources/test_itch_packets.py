"""Captures: each shared one by a slow reader, and what happens to packets on their way."""

import struct
from itertools import permutations

import numpy as np
import pytest
from sources.itch_bytes import (
    MIDNIGHT,
    OPEN,
    add,
    delete,
    ethernet,
    listed,
    mold,
    pcap,
    program,
    system,
)

from flowsense.errors import InputError
from flowsense.schema import ADD, CANCEL, CLEAR, EVENT, GAP, LAST, STATUS, TRADING, checked
from flowsense.sources import itch
from flowsense.sources.files import head

FIXTURES = {  # instruments, and messages by type
    "Bx.Equities.{}_AddOrderNoMpidAttributionMessage": (["AMZU"], "A"),
    "Bx.Equities.{}_OrderDeleteMessage": (["#4135"], "D"),
    "Bx.Equities.{}_OrderReplaceMessage": (["#2908"], "U"),
    "Nasdaq.Equities.{}_AddOrderNoMpidAttributionMessage": (["IVOO"], "A"),
    "Nasdaq.Equities.{}_MarketParticipantPositionMessage": (["FGMC"], "L"),
    "Nasdaq.Equities.{}_Multiple.Packets": (["#2737", "META"], "DFF" + 36 * "A"),
    "Nasdaq.Equities.{}_NetOrderImbalanceIndicatorMessage": (["MDC"], "I"),
    "Nasdaq.Equities.{}_OrderDeleteMessage": (["#3517"], "D"),
    "Nasdaq.Equities.{}_OrderExecutedMessage": (["#2345"], "E"),
    "Nasdaq.Equities.{}_OrderReplaceMessage": (["#7603"], "U"),
    "Nasdaq.Equities.{}_StockTradingActionMessage": (["AMC"], "H"),
}
DAY = 1_692_676_800 * 10**9  # 2023-08-22 in New York, ns UTC
NS = MIDNIGHT + OPEN  # when the first packet comes


def slow(path):
    """(ns of the packet, sequence, message) of a capture, by fixed offsets: Ethernet with a tag."""
    data, at, out = path.read_bytes(), 24, []
    while at < len(data):
        seconds, ns, kept, _ = struct.unpack_from("<4I", data, at)
        frame, at = data[at + 16 : at + 16 + kept], at + 16 + kept
        assert frame[12:14] == b"\x81\x00" and frame[27] == 17
        first, count = struct.unpack_from(">QH", frame, 46 + 10)
        place = 46 + 20
        for k in range(count):
            size = int.from_bytes(frame[place : place + 2])
            message = frame[place + 2 : place + 2 + size]
            out.append((seconds * 10**9 + ns, first + k, message))
            place += 2 + size
        assert place == len(frame)
    return out


def expected(messages, locates):
    """The events of messages none of which belongs to an order that is known."""
    for ts, sequence, m in messages:
        who, when = locates.index(int.from_bytes(m[1:3])), DAY + int.from_bytes(m[5:11])
        if chr(m[0]) in "AF":
            key, side, lots, _, price = struct.unpack_from(">QcI8sI", m, 11)
            sign = 1 if side == b"B" else -1
            yield (when, ts, key, price // 100, lots, sequence, who, ADD, sign, LAST, 0)
        elif m[:1] == b"H":
            assert m[19:20] == b"T"
            yield (when, ts, 0, 0, TRADING, sequence, who, STATUS, 0, LAST, 0)


@pytest.mark.parametrize("name", FIXTURES)
def test_every_shared_capture_is_what_a_slow_reader_says(data, name):
    path = data / "itch5_pcap" / f"{name.format('TotalView.Itch.v5.0')}.pcap"
    (source,), (symbols, types) = itch.open([path]), FIXTURES[name]
    messages = slow(path)
    assert itch.claims(path, head(path))
    assert sorted("".join(chr(m[0]) for *_, m in messages)) == sorted(types)
    assert [i.symbol for i in source.instruments] == symbols
    locates = sorted({int.from_bytes(m[1:3]) for *_, m in messages})
    events = [tuple(e) for chunk in source for e in checked(chunk, len(symbols)).tolist()]
    told = [e for e in events if e[7] != CLEAR]
    assert told == list(expected(messages, locates))
    assert source.counts.get("message of an unknown order", 0) == sum(t in "DEU" for t in types)


def test_the_hole_between_two_shared_packets_is_told(data):
    path = data / "itch5_pcap" / "Nasdaq.Equities.TotalView.Itch.v5.0_Multiple.Packets.pcap"
    (source,) = itch.open([path])
    gap = [e for e in np.concatenate(list(source)) if e["action"] == CLEAR]
    first, second = (sequence for _, sequence, _ in slow(path)[:2])
    assert source.counts["lost message"] == second - first - 1 == 4_244_620
    assert [(e["instrument"], e["bits"]) for e in gap] == [(0, GAP), (1, GAP)]


@pytest.fixture
def capture(tmp_path):
    """Writes (ns after the open, payload) as a capture; -> its events and counts."""

    def read(*packets, frames=ethernet, **form):
        path = tmp_path / "some.pcap"
        path.write_bytes(pcap(*((NS + ns, frames(p)) for ns, p in packets), **form))
        (source,) = itch.open([path])
        return np.concatenate([*source, np.empty(0, EVENT)]), source.counts

    return read


DAYS = [system("O"), listed(1, "AAA"), system("S")]
DAYS += [add(1, k, "B", k, "AAA", 100 * k) for k in range(1, 7)]
PARTS = [(k + 1, DAYS[k : k + 3]) for k in (0, 3, 6)]
PAYLOADS = [mold(first, *messages) for first, messages in PARTS]


def keys(events):
    return events["order_id"][events["action"] == ADD].tolist()


@pytest.mark.parametrize("order", list(permutations((1, 2))))
@pytest.mark.parametrize("again", [0, 1, 2])
def test_packets_out_of_order_or_repeated_change_nothing_but_when_we_knew(capture, order, again):
    events, counts = capture(*((k, PAYLOADS[p]) for k, p in enumerate((0, *order, again))))
    plain, _ = capture(*enumerate(PAYLOADS))
    assert keys(events) == keys(plain) == [1, 2, 3, 4, 5, 6]
    assert np.array_equal(events["sequence"], plain["sequence"])
    assert (np.diff(events["ts_recv"]) >= 0).all()
    assert counts["repeated message"] == 3
    assert "gap" not in counts


def test_what_comes_late_is_known_late(capture):
    events, counts = capture((0, PAYLOADS[0]), (5, PAYLOADS[2]), (9, PAYLOADS[1]))
    assert (events["ts_recv"][1:] == NS + 9).all()
    assert counts["packet out of order"] == 1


def test_messages_that_two_packets_share_are_given_once(capture):
    events, counts = capture(
        (0, mold(1, *DAYS[:5])), (1, mold(4, *DAYS[3:7])), (2, mold(9, *DAYS[8:])),
        (3, mold(6, *DAYS[5:9])),
    )  # fmt: skip
    assert keys(events) == [1, 2, 3, 4, 5, 6]
    assert counts["repeated message"] == 2 + 2 + 1


@pytest.mark.parametrize("wait", [5, 2 * 10**9])
def test_a_hole_that_is_not_filled_is_a_gap(capture, wait):
    more = (wait, mold(10, delete(1, 6), delete(1, 1)))
    events, counts = capture((0, PAYLOADS[0]), (1, PAYLOADS[2]), more)
    assert events["action"].tolist() == [CLEAR, CLEAR, ADD, ADD, ADD, CANCEL]
    assert events["bits"].tolist()[1] == GAP
    assert counts["lost message"] == 3 and counts["gap"] == 1
    assert counts["message of an unknown order"] == 1


def test_a_gap_forgets_the_orders_before_it(capture):
    events, counts = capture((0, mold(1, *DAYS)), (2, mold(12, delete(1, 1))))
    assert events["action"].tolist()[-2:] == [ADD, CLEAR]
    assert counts["message of an unknown order"] == 1


def test_what_belongs_to_no_session_is_counted(capture):
    other = mold(1, *DAYS, session=b"SESSION002")
    beat, end = mold(10), mold(10)[:-2] + b"\xff\xff"
    junk = b"hello", b"x" * 40, mold(2**63, system("O"))
    packets = [PAYLOADS[0], other, *junk, beat, *PAYLOADS[1:], end]
    events, counts = capture(*enumerate(packets))
    assert keys(events) == [1, 2, 3, 4, 5, 6]
    assert counts["packet of session SESSION002"] == 1
    assert counts["packet that is not MoldUDP64"] == 3
    assert counts["heartbeat"] == counts["end of session"] == 1


def test_frames_that_are_no_whole_datagram_are_counted(capture):
    def frames(payload):
        frame = ethernet(payload)
        broken = {
            b"arp": frame[:12] + b"\x08\x06" + frame[14:],
            b"tcp": frame[:23] + b"\x06" + frame[24:],
            b"fragment": frame[:20] + b"\x20\x00" + frame[22:],
            b"length": frame[:38] + b"\xff\xff" + frame[40:],
            b"short": frame[:20],
        }
        return broken.get(payload, frame)

    names = (b"arp", b"tcp", b"fragment", b"length", b"short")
    events, counts = capture(*enumerate((*PAYLOADS, *names)), frames=frames)
    assert keys(events) == [1, 2, 3, 4, 5, 6]
    assert counts["packet of another kind"] == len(names)


@pytest.mark.parametrize(
    "form",
    [
        {"order": ">"},
        {"magic": 0xA1B2C3D4},
        {"link": 101, "frames": lambda p: ethernet(p)[14:]},
        {"link": 113, "frames": lambda p: bytes(2) + ethernet(p)},
        {"frames": lambda p: ethernet(p, True)},
    ],
)
def test_other_forms_of_a_capture_are_the_same(capture, form):
    events, _ = capture(*((1_000 * k, p) for k, p in enumerate(PAYLOADS)), **form)
    assert keys(events) == [1, 2, 3, 4, 5, 6]
    assert events["ts_recv"][-1] == NS + 2_000


def test_a_captured_day_is_the_raw_day(tmp_path, capture):
    messages = program(5)
    packets = [(0, mold(k + 1, *messages[k : k + 9])) for k in range(0, len(messages), 9)]
    events, _ = capture(*packets)
    (path := tmp_path / "01302019.NASDAQ_ITCH50").write_bytes(
        b"".join(len(m).to_bytes(2) + m for m in messages)
    )
    (raw,) = itch.open([path])
    for name in ("action", "order_id", "price", "lots", "sequence", "side", "bits", "ts_event"):
        assert np.array_equal(events[name], np.concatenate(list(raw))[name])


def test_captures_that_cannot_be_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "some.pcap"

    def refused(content):
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            list(*itch.open([path]))
        assert str(error.value).startswith(f"{path}: ")
        return str(error.value)

    good = pcap(*((NS, ethernet(p)) for p in PAYLOADS))
    assert "ends inside packet 3" in refused(good[:-1])
    assert "ends inside packet 2" in refused(good[: 24 + 16 + len(ethernet(PAYLOADS[0])) + 3])
    assert "no pcap capture" in refused(good[:20])
    assert "link type 147" in refused(pcap(link=147))
    assert "is no packet" in refused(good[:32] + b"\xff" * 8 + good[40:])
    assert "is it ITCH 5.0?" in refused(pcap((NS, ethernet(mold(1, system("O"))))))


@pytest.mark.parametrize("seed", range(6))
def test_damaged_captures_are_refused_or_counted(tmp_path, seed):
    rng, path = np.random.default_rng(seed), tmp_path / "some.pcap"
    messages = program(seed, 60)
    parts = [mold(k + 1, *messages[k : k + 5]) for k in range(0, len(messages), 5)]
    good = np.frombuffer(pcap(*((NS + k, ethernet(p)) for k, p in enumerate(parts))), np.uint8)
    for _ in range(40):
        data = good.copy()
        at = rng.integers(len(data), size=3)
        data[at] = rng.integers(256, size=3)
        path.write_bytes(data.tobytes())
        try:
            (source,) = itch.open([path])
            for chunk in source:
                checked(chunk, len(source.instruments))
        except InputError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


def test_a_packet_cut_short_is_lost(tmp_path):
    frames = [ethernet(p) for p in PAYLOADS]
    good = pcap(*((NS, f) for f in frames))
    at = 24 + 16 + len(frames[0]) + 12  # how long the second was on the wire
    path = tmp_path / "some.pcap"
    path.write_bytes(good[:at] + struct.pack("<I", len(frames[1]) + 1) + good[at + 4 :])
    (source,) = itch.open([path])
    assert source.counts["packet cut short"] == 1 and source.counts["lost message"] == 3
