"""Databento live: the gateway's bytes, cut anywhere, give the events of the file that it serves."""

from struct import pack

import numpy as np
import pytest

from flowsense.errors import DecodeError, InputError
from flowsense.replay.databento import Conversation, Recording, cut, failure, heartbeat
from flowsense.schema import CLEAR, GAP, LAST, LATE, TRADE, Decimal, Instrument
from flowsense.sources import chunks
from flowsense.sources.databento import SCHEMAS
from flowsense.sources.dbn import Dbn
from flowsense.sources.secret import Secret
from flowsense.sources.venues import Anew, Heard, How, Send, Stop, venue
from flowsense.sources.venues.decoder import Decoder

KEY = Secret("DATABENTO_API_KEY", "db-0123456789abcdefghijklmnopqrst")
SEEDS = [*range(3), *(pytest.param(k, marks=pytest.mark.soak) for k in range(3, 60))]
GLBX = "dbn/databento-python/GLBX.MDP3"
BY_ORDER = "dbn/nautilus/esh4-glbx-mdp3-20231224.mbo.dbn.zst"


def connected(path, others=()):
    """Of a file: its source, a decoder that was let in, and the gateway's side of the talk.

    others: instruments of the stream before its own.
    """
    source, recording = Dbn((path,)), Recording(path)
    metadata = recording.metadata
    schema = metadata.schema or "trades"
    name = f"databento/{metadata.dataset}/{schema}"
    decoder = Decoder(venue(name), (*others, *source.instruments))
    decoder.hear(Heard(1, How.OPENED))
    return source, decoder, Conversation(recording, KEY.into("{key}"), "aChallenge1")


def talk(decoder, gateway, size, seed=0, ts=2):
    """All that the decoder tells until the gateway has no more to say."""
    rng, told = np.random.default_rng(seed), []
    waiting = [*cut(gateway.greeting(), size, rng)]
    while waiting:
        told.append(decoder.hear(Heard(ts, How.MESSAGE, waiting.pop(0))))
        for ask in told[-1].asks:
            waiting += cut(gateway.line(KEY.into(ask.text)), size, rng)
    return np.concatenate([t.events for t in told]), np.concatenate([t.bars for t in told])


def same(source, events, bars, ts=2):
    """But for the time at which they were heard."""
    known = [*chunks(source)]
    wanted = np.concatenate([chunk.events for chunk in known])
    closed = np.concatenate([chunk.bars for chunk in known])
    wanted["ts_recv"], closed["ts_recv"] = ts, ts
    assert wanted.tobytes() == events.tobytes() and closed.tobytes() == bars.tobytes()


@pytest.mark.parametrize(
    "name",
    [
        *(f"{GLBX}/test_data.{schema}.dbn.zst" for schema in SCHEMAS if schema[0] not in "ct"),
        *(f"{GLBX}/test_data.{schema}.dbn.zst" for schema in ("tbbo", "trades")),
        *(f"dbn/dbn/test_data.mbp-10.v{version}.dbn.zst" for version in (1, 2, 3)),
        *(f"dbn/dbn/test_data.c{schema}.dbn" for schema in ("mbp-1", "bbo-1s")),
    ],
)
def test_bytes_cut_anywhere_give_the_events_of_the_file(data, name):
    for seed, size in enumerate((9, 10**6)):
        source, decoder, gateway = connected(data / name)
        same(source, *talk(decoder, gateway, size, seed))
        assert not decoder.errors and decoder.sink.counts["system"] == 1


@pytest.mark.slow
def test_an_evening_of_orders_is_that_of_the_file(data):
    source, decoder, gateway = connected(data / BY_ORDER)
    events, bars = talk(decoder, gateway, 40_000)
    same(source, events, bars)
    assert len(events) == 8_726


def test_the_greeting_is_answered_by_a_hash_and_the_key_is_never_said(data):
    _, decoder, _ = connected(data / GLBX / "test_data.mbo.dbn.zst")
    told = decoder.hear(Heard(2, How.MESSAGE, b"lsg_version=0.6.3\ncram=abc\n"))
    (ask,) = told.asks
    begins = "auth={key:abc}|dataset=GLBX.MDP3|encoding=dbn|ts_out=0|client=flowsense\n"
    assert ask == Send(begins)
    # echo -n "abc|db-0123456789abcdefghijklmnopqrst" | sha256sum
    digest = "b4544489465e668e6927fe5b2bad1181aabf432431e4056ebddb92a272d49b27"
    assert KEY.into(ask.text).startswith(f"auth={digest}-pqrst|")
    told = decoder.hear(Heard(2, How.MESSAGE, b"success=1|session_id=7\n"))
    assert [ask.text for ask in told.asks] == [
        "schema=mbo|stype_in=raw_symbol|symbols=ESH1|snapshot=1\n",
        "start_session=0\n",
    ]


@pytest.mark.parametrize("challenge", [b"x}|leak={key", b"", b"a b"])
def test_no_challenge_gets_at_the_key(data, challenge):
    _, decoder, _ = connected(data / GLBX / "test_data.mbo.dbn.zst")
    told = decoder.hear(Heard(2, How.MESSAGE, b"cram=" + challenge + b"\n"))
    assert [type(ask) for ask in told.asks] == [Anew]


def test_a_key_that_is_refused_stops_and_names_its_variable(data):
    _, decoder, _ = connected(data / GLBX / "test_data.mbo.dbn.zst")
    told = decoder.hear(Heard(2, How.MESSAGE, b"success=0|error=Unknown key\n"))
    assert told.asks == (Stop("the key of DATABENTO_API_KEY was refused: Unknown key"),)


@pytest.mark.parametrize(("code", "kind"), [(1, Stop), (4, Stop), (3, Anew), (7, Anew)])
def test_an_error_stops_or_begins_anew_and_what_was_told_is_lost(data, code, kind):
    _, decoder, gateway = connected(data / GLBX / "test_data.mbp-10.dbn.zst")
    talk(decoder, gateway, 1_000)
    told = decoder.hear(Heard(3, How.MESSAGE, heartbeat() + failure("it said so", code)))
    assert [type(ask) for ask in told.asks] == [kind] and "it said so" in told.asks[0].why
    assert told.events[["action", "bits"]].tolist() == [(CLEAR, GAP)] and len(told.gaps) == 1


def test_a_new_connection_begins_the_book_anew(data):
    source, decoder, gateway = connected(data / GLBX / "test_data.mbp-1.dbn.zst")
    talk(decoder, gateway, 100)
    decoder.hear(Heard(3, How.LOST, b"gone"))
    decoder.hear(Heard(4, How.OPENED))
    same(source, *talk(decoder, gateway, 100, ts=5), ts=5)


def test_a_recorded_session_of_many_schemas_tells_its_bars_and_no_book_without_a_snapshot(data):
    path = data / "dbn/databento-python/LIVE/test_data.live.dbn.zst"
    source, _, gateway = connected(path)
    schemas = "mbo+mbp-10+mbp-1+trades+ohlcv-1s+ohlcv-1m"
    decoder = Decoder(venue(f"databento/GLBX.MDP3/{schemas}"), source.instruments)
    decoder.hear(Heard(1, How.OPENED))
    events, bars = talk(decoder, gateway, 300)
    closed = np.concatenate([chunk.bars for chunk in chunks(source)])
    closed["ts_recv"] = 2
    assert len(events) == 0 and len(bars) == 2 and closed.tobytes() == bars.tobytes()
    counts = decoder.sink.counts
    assert (counts["symbol mapping"], counts["statistics"], counts["mbo"]) == (20, 9, 5)


def test_ids_that_were_not_asked_for_are_counted(data):
    path = data / GLBX / "test_data.mbp-1.dbn.zst"
    other = Dbn((path,)).instruments[0]._replace(symbol="NQH1")
    _, _, gateway = connected(path)
    decoder = Decoder(venue("databento/GLBX.MDP3/mbp-1"), (other,))
    decoder.hear(Heard(1, How.OPENED))
    events, _ = talk(decoder, gateway, 1_000)
    assert not len(events) and decoder.sink.counts["record of another instrument"] == 4


def test_instruments_are_those_of_definitions(data):
    body = data / "dbn/dbn/test_data.definition.v3.dbn.zst"
    spoken = venue("databento/XNAS.ITCH/mbo")
    raw = Recording(body)
    whole = raw.head + raw.records
    (found,) = spoken.instruments(("MSFT",), (whole,))
    assert (found.symbol, found.venue, found.by_order) == ("MSFT", "xnas.itch", True)
    assert found.tick == (1, -2)
    with pytest.raises(DecodeError, match="defines no symbol 'TSLA'"):
        spoken.instruments(("TSLA",), (whole,))


@pytest.mark.parametrize(
    "name", ["databento", "databento/", "databento/GLBX.MDP3", "databento/A/mbo+x"]
)
def test_a_venue_without_dataset_or_schema_is_refused(name):
    with pytest.raises(InputError, match="give dataset and schemas"):
        venue(name)
    with pytest.raises(InputError, match="leave tbbo out"):
        venue("databento/GLBX.MDP3/mbp-1+tbbo")


@pytest.mark.parametrize(
    "said",
    [
        b"hello\n",
        b"x" * 70_000,
        b"success=1\nXYZ\x03\0\0\0\0",
        b"success=1\nDBN\x03\xff\xff\xff\xff",
    ],
)
def test_what_no_gateway_says_ends_the_connection(data, said):
    _, decoder, _ = connected(data / GLBX / "test_data.mbo.dbn.zst")
    told = decoder.hear(Heard(2, How.MESSAGE, said))
    assert [type(ask) for ask in told.asks][-1:] == [Anew] and len(decoder.errors) == 1


def test_a_trade_between_ticks_is_told_at_the_nearest_and_counted(data):
    path = data / GLBX / "test_data.trades.dbn.zst"
    coarse = Dbn((path,)).instruments[0]._replace(tick=Decimal(1, 0))
    _, _, gateway = connected(path)
    decoder = Decoder(venue("databento/GLBX.MDP3/trades"), (coarse,))
    decoder.hear(Heard(1, How.OPENED))
    events, _ = talk(decoder, gateway, 1_000)
    exact = [e["price"] * 0.25 for chunk in Dbn((path,), tick=Decimal(25, -2)) for e in chunk]
    assert np.abs(events["price"] - exact).max() <= 0.5 and len(events) == len(exact)
    assert decoder.sink.counts["price between ticks"] == sum(price % 1 > 0 for price in exact) > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_a_gateway_sends_nothing_but_a_new_connection_comes_of_it(data, seed):
    rng = np.random.default_rng(seed)
    _, decoder, gateway = connected(data / GLBX / "test_data.mbp-10.dbn.zst")
    whole = b"success=1\n" + gateway.recording.whole
    for _ in range(60):
        bad = bytearray(whole)
        for at in rng.integers(len(bad), size=3):
            bad[at] = int(rng.integers(256))
        decoder.hear(Heard(1, How.OPENED))
        for piece in cut(bytes(bad[: int(rng.integers(len(bad)))]), 400, rng):
            decoder.hear(Heard(2, How.MESSAGE, piece))
    decoder.hear(Heard(3, How.OPENED))
    assert len(decoder.hear(Heard(4, How.MESSAGE, whole)).events)


def trade(ts, price, sequence):
    """A record of the schema trades, of the instrument and publisher of the file."""
    head = (48 // 4, 0, 1, 5482, ts, price * 10**9, 1)
    return pack("<BBHIQqIccBBQiI", *head, b"T", b"A", 128, 0, ts + 1_000, 0, sequence)


def resumed(data, before, after, until, size=10**6, others=()):
    """What two connections tell; the second is made at `until`, ns."""
    _, decoder, gateway = connected(data / GLBX / "test_data.trades.dbn.zst", others)
    decoder.hear(Heard(BEGUN, How.OPENED))
    gateway.recording.records = b"".join(trade(*one) for one in before)
    first, _ = talk(decoder, gateway, 10**6, ts=BEGUN + 1)
    decoder.hear(Heard(until - 1, How.LOST, b"cut"))
    decoder.hear(Heard(until, How.OPENED))
    again = Conversation(gateway.recording, KEY.into("{key}"), "aChallenge2")
    gateway.recording.records = b"".join(trade(*one) for one in after)
    second, _ = talk(decoder, again, size, ts=until + 1)
    return first[first["action"] == TRADE], second[second["action"] == TRADE], again, decoder


BEGUN = 1_700_000_000 * 10**9


def test_what_was_traded_meanwhile_is_replayed_and_told_late_but_what_was_heard(data):
    """From a second before the last trade: two at its time were heard, a third was not."""
    at = [BEGUN + k * 10**9 for k in range(12)]
    before = [(at[1], 4000, 1), (at[2], 4001, 2), (at[2], 4002, 3)]
    missed = [(at[2], 4003, 4), (at[5], 4004, 5), (at[5], 4005, 6)]
    now = [(at[11], 4006, 7)]
    first, second, gateway, decoder = resumed(data, before, [*before, *missed, *now], at[10])
    assert gateway.subscriptions[0]["start"] == str(at[1]) and len(first) == 3
    assert second["sequence"].tolist() == [4, 5, 6, 7]
    assert (second["bits"] & LATE > 0).tolist() == [True, True, True, False]
    assert second["ts_event"].tolist() == [one[0] for one in [*missed, *now]]
    assert (second["ts_recv"] == at[10] + 1).all() and decoder.sink.counts["late trade"] == 3


def test_a_replay_in_pieces_counts_trades_of_one_time_as_in_one_piece(data):
    at = [BEGUN + k * 10**9 for k in range(12)]
    before, missed = [(at[1], 4000, 1)], [(at[4], 4001, k) for k in range(2, 7)]
    _, second, _, _ = resumed(data, before, [*before, *missed, (at[11], 4006, 7)], at[10], 50)
    assert second["sequence"].tolist() == [2, 3, 4, 5, 6, 7]


def test_a_replay_reaches_back_a_day_and_no_further(data):
    days = BEGUN + 3 * 86_400 * 10**9
    _, _, gateway, _ = resumed(data, [(BEGUN + 5, 4000, 1)], [], days)
    assert gateway.subscriptions[0]["start"] == str(days - 23 * 3_600 * 10**9)
    _, _, gateway, _ = resumed(data, [], [], days)
    assert "start" not in gateway.subscriptions[0]


def test_beside_another_venue_whole_books_are_those_of_its_own_instruments(data):
    """What is replayed before the first record of now comes while no book is whole."""
    at = [BEGUN + k * 10**9 for k in range(12)]
    before, missed, now = [(at[1], 4000, 1)], [(at[5], 4001, 2)], [(at[11], 4002, 3)]
    other = Instrument("BTCUSDT", "binance-spot", Decimal(1, 0), Decimal(1, 0))
    for others in ((), (other,), (other,) * 2):
        _, second, _, decoder = resumed(data, before, before + missed + now, at[10], others=others)
        decoder.sink.ready[decoder.symbols[0]] = True
        decoder.sink.again(second[:1])
        told = decoder.sink.taken()[0]
        assert told["bits"].tolist() == [LATE | LAST] and told["instrument"][0] == len(others)
