import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.exchange.venue import Venue
from flowsense.schema import ADD, CLEAR, LAST, MODIFY, SECOND, SNAPSHOT, TRADE, Decimal, checked
from flowsense.simulate.flow import WORLD
from flowsense.simulate.hawkes import FLOW
from flowsense.simulate.latent import LATENT, Latent, Lead, latent_paths
from flowsense.simulate.market import CHUNK, EPOCH, Market, opening, run, simulate, world_of

EMPTYING = Market(instruments=1, leads=(), rates=(12.0, 4.0, 4.0), branching=0.05, floor=1)


def digest(simulation):
    arrays = (simulation.events, simulation.truth.latent)
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


def test_a_seed_is_a_market():
    one, again, other = (digest(simulate(Market.tiny(), 2, seed)) for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.compiled
def test_the_chunk_changes_nothing():
    whole, pieces = (simulate(Market(), 60, 1, chunk) for chunk in (CHUNK, 8_192))
    assert len(whole.events) > 8_192 and digest(whole) == digest(pieces)


@pytest.mark.compiled
@pytest.mark.slow
def test_plain_python_makes_the_same_bytes():
    call = "from test_market import *; print(digest(simulate(Market.tiny(), 10, 4)))"
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path}
    plain = subprocess.run([sys.executable, "-c", call], check=True, env=env, capture_output=True)
    assert plain.stdout.decode().strip() == digest(simulate(Market.tiny(), 10, 4))


def test_opens_with_a_snapshot_of_each_book_at_a_fixed_time(small):
    events, instruments = small.events, small.instruments
    checked(events, len(instruments))
    first = events[events["bits"] & SNAPSHOT != 0]
    assert (first == events[: len(first)]).all() and set(first["action"].tolist()) == {CLEAR, ADD}
    assert (
        np.flatnonzero(first["bits"] & LAST) == np.flatnonzero(first["action"] == CLEAR) + 96
    ).all()
    assert events["ts_event"][0] == EPOCH and events["ts_event"][-1] < EPOCH + 10 * SECOND
    assert [i.symbol for i in instruments] == ["SIMA", "SIMB", "SIMC"]
    assert all(i.by_order and i.tick == Decimal(1, -2) and i.venue == "sim" for i in instruments)


def test_the_feed_is_in_order_and_late_by_the_wire(small):
    events, truth = small.events, small.truth
    assert (events["ts_recv"] - events["ts_event"] == truth.market.wire_ns).all()
    for k in range(3):
        assert (np.diff(events["sequence"][(events["instrument"] == k)][1:]) == 1).all()


def test_each_execution_is_one_trade_then_one_fill(small):
    events = small.events[small.events["instrument"] == 0]
    at = np.flatnonzero(events["action"] == TRADE)
    trade, fill = events[at], events[at + 1]
    assert len(at) > 2 and (trade["side"] == -fill["side"]).all()
    for name in ("order_id", "price", "lots", "ts_event"):
        assert (trade[name] == fill[name]).all()


def finished(market, seconds, seed):
    """Events, and the venue as it was at the end."""
    rng, venue = np.random.default_rng(seed), Venue(market.instruments, wire_ns=market.wire_ns)
    span = (EPOCH, EPOCH + seconds * SECOND)
    latent = latent_paths(rng, market.latent, market.leads, market.prices(), span)
    first = opening(market, venue)
    parts = [first, *run(venue, world_of(market, span[1]), latent, rng, CHUNK)]
    return np.concatenate(parts), venue


def test_the_rebuilt_book_never_crosses_and_ends_as_the_venue_has_it(rebuild):
    events, venue = finished(Market.tiny(), 8, 5)
    for k in range(3):
        rows, book = rebuild(events, k)
        assert (rows[:, 1] < rows[:, 2]).all()
        for side in (1, -1):
            ours = [(i, *o[1:]) for i, o in book.orders.items() if o[0] == side]
            ours.sort(key=lambda o: -side * o[1])  # stable: the queue stays as it joined
            assert sorted(ours) == sorted(venue.resting(k, side))
            assert [o[1] for o in ours] == [o[1] for o in venue.resting(k, side)]
    assert (venue.engines["refused"] == 0).all()


def test_a_side_that_runs_empty_fills_again():
    events, _ = finished(EMPTYING, 20, 1)
    sign = np.select([events["action"] == ADD, events["action"] == TRADE], [1, 0], -1)
    sign[events["action"] == MODIFY] = 0  # a replace of the simulator keeps its lots
    checked(events, 1)
    for side in (1, -1):
        left = np.cumsum((sign * events["lots"])[(events["side"] == side) & (sign != 0)])
        empty = np.flatnonzero(left == 0)
        assert (left >= 0).all() and len(empty) > 3 and empty[0] < len(left) - 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"instruments": 0}, "instruments 0"),
        ({"branching": 1.0}, "branching 1.0 is not stationary"),
        ({"branching": 0.99}, "cannot be reached"),
        ({"branching": 1.0, "excitation": "pressing"}, "branching 1.0 is not stationary"),
        ({"excitation": "none"}, "excitation 'none': give mirrored, pressing"),
        ({"names": ("A", "A", "B")}, "names"),
        ({"opens": (1.0,)}, "opens"),
        ({"decimals": 12}, "decimals 12"),
        ({"opening": (100, 100)}, "opening"),
        ({"instruments": 101}, "1 to 100"),
        ({"latent": Latent(drift=(0.0,))}, "states"),
        ({"rates": (1.0, 30.0, 29.0)}, "no more adds"),
        ({"rates": (0.0, 30.0, 30.0)}, "above 0"),
        ({"latent": Latent(volatility=(0.0, 1.0, 2.0))}, "3 states"),
        ({"activity": (1.0, 2.0)}, "3 states"),
        ({"lean": 2.0}, "lean 2.0"),
        ({"attention": -0.1}, "attention -0.1"),
        ({"width": 0.0}, "width 0.0"),
        ({"depth": 0.0}, "depth 0.0"),
        ({"lots": 1.0}, "lots 1.0"),
        ({"floor": 0}, "floor 0"),
        ({"wire_ns": -1}, "wire_ns -1"),
        ({"leads": (Lead(0, 3, 1, 0.5),)}, "does not join"),
        ({"leads": (Lead(1, 1, 1, 0.5),)}, "does not join"),
        ({"leads": (Lead(0, 1, 0, 0.5),)}, "lag_ns > 0"),
        ({"leads": (Lead(0, 2, 1, 0.8), Lead(1, 2, 1, 0.7))}, "sum of beta"),
    ],
)
def test_a_market_that_cannot_be_is_refused(change, said):
    with pytest.raises(InputError, match=said):
        Market(**change)


def test_the_length_and_the_chunk_are_checked():
    with pytest.raises(InputError, match="seconds 0"):
        simulate(Market.tiny(), 0, 1)
    with pytest.raises(InputError, match="chunk 100"):
        simulate(Market.tiny(), 1, 1, 100)


@pytest.mark.parametrize("dtype", (WORLD, FLOW, LATENT), ids=("world", "flow", "latent"))
def test_no_padding_and_no_name_that_an_array_has(dtype):
    assert dtype.itemsize == sum(dtype[name].itemsize for name in dtype.names)
    assert not any(hasattr(np.recarray, n) or hasattr(np.record, n) for n in dtype.names)
