"""What is told twice counts once: order flow, volume and signed volume as in the clean stream."""

import numpy as np
import pytest

from flowsense.features.catalogue import spec
from flowsense.features.fold import Fold
from flowsense.schema import EVENT, LAST, SET, SNAPSHOT, TRADE, Chunk, checked, zeros
from flowsense.simulate.market import Market, simulate
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.sources.binance import open as binance
from flowsense.sources.lobster import open as lobster
from flowsense.sources.repeated import Once, Repeats, without
from flowsense.testing import Recording
from flowsense.testing.streams import cut

FLOW = spec(("ofi", "flow"), ("events:1",))


def prints(*fields):
    """Executions of one instrument: sequence, price, bits."""
    out = zeros(EVENT, len(fields))
    out["action"], out["lots"] = TRADE, 3
    out["sequence"], out["price"], out["bits"] = np.array(fields).T
    return out


def messages(events):
    """Where each message ends; those of different instruments do not mix."""
    return np.flatnonzero(events["bits"] & LAST) + 1


def told_again(events, rng, share):
    """Messages at random told twice, and one run of them once more, as after a reconnect."""
    ends = messages(events)
    pieces = np.split(events, ends[:-1])
    out = [p for piece in pieces for p in ([piece, piece] if rng.random() < share else [piece])]
    at = int(rng.integers(len(out) // 2))
    more = [out[at : at + 200], out[at:]]
    dirty = np.concatenate([*out[:at], *more[0], *more[1]]).view(EVENT)
    dirty["ts_recv"] = np.maximum.accumulate(dirty["ts_recv"])
    return dirty


def flow(events, instruments):
    """Order flow imbalance, volume and signed volume of the whole stream, lots."""
    fold = Fold(FLOW, instruments)
    quotes = [tape.quotes for tape in fold.push(checked(events, len(instruments)))]
    told = events[events["action"] == TRADE]
    signed = int((told["lots"] * told["side"]).sum())
    return int(np.concatenate(quotes)["ofi"][-1]), int(told["lots"].sum()), signed


def once(events, instruments):
    source = Once(Recording(instruments, events))
    return np.concatenate(list(source)).view(EVENT), source.left_out


def same_but_late(a, b):
    """Equal but for when a message that waited behind repeats came."""
    return all((a[k] == b[k]).all() for k in EVENT.names if k != "ts_recv")


def test_a_record_told_again_is_a_repeat_and_its_twin_in_one_message_is_not():
    events = prints((7, 100, 0), (7, 100, LAST), (7, 100, 0), (7, 100, LAST), (8, 100, LAST))
    assert Repeats(1).mark(events).tolist() == [False, False, True, True, False]


def test_what_has_neither_sequence_nor_order_id_is_never_a_repeat():
    assert not Repeats(1).mark(prints((0, 100, LAST), (0, 100, LAST))).any()


def test_snapshots_pass():
    events = prints((7, 100, SNAPSHOT), (7, 100, SNAPSHOT | LAST), (7, 100, SNAPSHOT | LAST))
    events["action"] = SET
    assert not Repeats(1).mark(events).any()


def test_the_end_of_a_message_moves_to_what_is_left_of_it():
    events = prints((7, 100, LAST), (8, 101, 0), (7, 100, LAST))
    left = without(events, np.array([False, False, True]))
    assert left["price"].tolist() == [100, 101] and left["bits"].tolist() == [LAST, LAST]


@pytest.mark.parametrize("window", [8, 64])
def test_memory_is_bounded_and_the_window_is_kept(window):
    clean = prints(*((k, 100, LAST) for k in range(1, 501)))
    far, near = clean[: 500 - 2 * window], clean[500 - window :]
    repeats = Repeats(1, window)
    size = sum(a.nbytes for a in repeats.arrays.values())
    found = repeats.mark(np.concatenate([clean, far[-1:], near]).view(EVENT))
    assert found[501:].all() and not found[:501].any()
    assert sum(a.nbytes for a in repeats.arrays.values()) == size


@pytest.mark.compiled
@pytest.mark.parametrize("seed", range(6))
def test_flow_of_a_simulated_market_is_exactly_that_of_the_clean_run(seed):
    made = simulate(Market.tiny(), 20, seed)
    dirty = told_again(made.events, np.random.default_rng(seed), 0.01)
    found, left_out = once(dirty, made.instruments)
    assert same_but_late(found, made.events) and len(dirty) > len(made.events) + 200
    assert sum(left_out.values()) == len(dirty) - len(made.events)
    assert flow(found, made.instruments) == flow(made.events, made.instruments)
    assert flow(dirty, made.instruments)[1] > flow(found, made.instruments)[1]


@pytest.mark.compiled
@pytest.mark.parametrize("seed", range(3))
def test_cuts_change_nothing(seed):
    made = simulate(Market.tiny(), 20, seed)
    rng = np.random.default_rng(seed)
    dirty = told_again(made.events, rng, 0.02)
    places = tuple(np.sort(rng.choice(len(dirty), 9, replace=False)).tolist())
    n = len(made.instruments)
    whole, pieces = Repeats(n).mark(dirty), Repeats(n)
    chunks = (c.events for c in cut(Chunk(dirty, NO_BARS, NO_OBSERVATIONS), places))
    assert np.concatenate([pieces.mark(c) for c in chunks]).tolist() == whole.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["binance", "lobster"])
def test_flow_of_a_recording_is_exactly_that_of_the_clean_run(data, name):
    path = {
        "binance": data / "binance_ws_raw" / "spot_ethusdt_20240808.jsonl.zst",
        "lobster": data / "lobster" / "AMZN_2012-06-21_34200000_52200000_message_5.csv.zst",
    }[name]
    (source,) = {"binance": binance, "lobster": lobster}[name]([path])
    clean = np.concatenate(list(source)).view(EVENT)[:60_000]
    clean = clean[: messages(clean)[-1]]
    assert not once(clean, source.instruments)[1]
    dirty = told_again(clean, np.random.default_rng(1), 0.01)
    found, _ = once(dirty, source.instruments)
    assert flow(found, source.instruments) == flow(clean, source.instruments)
    assert flow(dirty, source.instruments)[1] > flow(clean, source.instruments)[1]
