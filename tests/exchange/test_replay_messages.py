"""Requests that arrive while a message of their instrument is under way."""

import numpy as np
import pytest
from exchange.replays import Client, event, instrument, level, snapshot, traded, written

from flowsense.exchange.client import ACCEPTED, CANCELLED, REJECTED, Why
from flowsense.exchange.matching import LIMIT, MARKET, REQUEST, WITHDRAW
from flowsense.exchange.replay import Replay
from flowsense.schema import CLEAR, EVENT, GAP, SNAPSHOT, zeros


def test_a_snapshot_after_a_gap_is_one_message():
    client = Client()
    client.market((CLEAR, 0, 0, 0, GAP, 0))
    (clear, *rest), q = snapshot(((95, 4),), ((96, 3),)), zeros(REQUEST, 1)
    q[0] = (client.ts + 1, 1, 0, 2, 0, MARKET, 1)
    lines = [(*clear[:4], SNAPSHOT | GAP, 0), *rest, event(8)]
    client.hear(client.venue.push(written(lines, client.ts), q))
    assert client.fills() == [(1, 96, 2, 0)]


def test_a_message_that_is_not_over_holds_up_its_instrument_alone():
    venue, whole = Replay((instrument(), instrument("B"))), snapshot(((99, 1),), ((101, 9),))
    venue.push(np.concatenate([written(whole, 10, 0), written(whole, 20, 1)]).view(EVENT))
    q = zeros(REQUEST, 4)
    for i, who in enumerate((0, 1, 0, 1)):
        q[i] = (31 + i, i + 1, 0, 1, who, MARKET, 1)
    told = venue.push(written([level(-1, 101, 0, bits=0)], 30, 0), q)
    told = np.concatenate([told, venue.push(written([level(1, 98, 1), event(8)], 40, 1))])
    assert (
        told["order_id"].tolist() == [2, 2, 4, 4]
        and told["ts_venue"].tolist() == [32] * 2 + [34] * 2
    )
    told = venue.push(written([level(-1, 102, 9), event(8), event(8)], 50, 0))
    assert told["order_id"].tolist() == [1, 1, 3, 3] and told["price"].tolist() == [0, 102] * 2


def test_a_request_waits_for_the_end_of_a_message():
    client = Client()
    q = zeros(REQUEST, 1)
    q[0] = (client.ts - 1, 1, 0, 1, 0, MARKET, 1)
    client.hear(client.venue.push(written([], 0), q))
    client.market(level(-1, 101, 0, 0), level(-1, 103, 5, 0), level(-1, 102, 5), event(8))
    assert client.fills() == [(1, 101, 1, 0)]  # sent before the message began
    q[0] = (client.ts + 1, 2, 0, 1, 0, MARKET, 1)
    lines = [level(-1, 102, 0, 0), level(-1, 104, 5, 0), level(-1, 101, 5, 0), level(-1, 103, 6)]
    events = written([*lines, event(8)], client.ts)
    client.hear(client.venue.push(events, q))
    assert client.fills()[1:] == [(2, 101, 1, 0)]


OPENED = [event(CLEAR, bits=SNAPSHOT), level(1, 99, 5, SNAPSHOT), level(-1, 101, 5, SNAPSHOT)]
WHOLE = [*snapshot(((99, 5),), ((101, 5),)), event(8)]


def begun():
    """A venue of two instruments, an order of ours in the first, and a snapshot that has begun."""
    venue, q = Replay((instrument(), instrument("B"))), zeros(REQUEST, 1)
    q[0] = (13, 1, 98, 2, 0, LIMIT, 1)
    assert venue.push(written(WHOLE, 11), q)["what"].tolist() == [ACCEPTED]
    return venue, written(OPENED, 20)


def late():
    """A WITHDRAW and an order, sent while it is under way."""
    out = zeros(REQUEST, 2)
    out[0], out[1] = (21, 1, 0, 9, 0, WITHDRAW, 0), (21, 2, 98, 2, 0, LIMIT, 1)
    return out


@pytest.mark.parametrize(
    ("lines", "who"),
    (
        ([event(8, bits=0)], 0),
        ([traded(-1, 99, 1)], 0),
        ([level(1, 99, 5, SNAPSHOT)], 1),
        (OPENED, 0),
    ),
    ids=("time", "a trade", "another instrument", "a second one"),
)
def test_a_snapshot_that_something_else_interrupts_is_not_waited_for(lines, who):
    venue, opened = begun()
    assert len(venue.push(opened, late())) == 0
    told = venue.push(written(lines, 30, who))
    assert told["what"].tolist() == [CANCELLED, REJECTED]
    assert told["why"].tolist() == [0, Why.NO_BOOK]


def test_a_snapshot_that_goes_on_is_waited_for_however_it_is_cut():
    venue, opened = begun()
    venue.push(opened, late())
    assert len(venue.push(written([level(1, 97, 5, SNAPSHOT)], 30))) == 0
    assert len(venue.push(written([level(1, 96, 5, SNAPSHOT | 1)], 31))) == 0
    told = venue.push(written([event(8)], 32))
    assert told["what"].tolist() == [CANCELLED, ACCEPTED]
