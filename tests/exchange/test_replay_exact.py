"""By order: who is ahead is known."""

import pytest
from exchange.replays import Client, event, traded

from flowsense.schema import (
    ADD,
    CANCEL,
    CLEAR,
    FILL,
    LAST,
    MODIFY,
    SNAPSHOT,
)


def by_order():
    lines = [event(ADD, 1, 99, 4, SNAPSHOT, oid=1), event(ADD, 1, 99, 6, SNAPSHOT, oid=2)]
    lines += [event(ADD, -1, 101, 5, SNAPSHOT | LAST, oid=3)]
    return lines


def exact():
    """4 and 6 lots ahead of ours, 7 behind."""
    client = Client(lines=[event(CLEAR, bits=SNAPSHOT), *by_order()], by_order=True)
    mine = client.limit(1, 99, 5)
    client.market(event(ADD, 1, 99, 7, oid=4))
    return client, mine


def ahead(client):
    return int(client.venue.arrays["own"]["ahead"][0, 0, 0])


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (event(CANCEL, 1, 99, 3, oid=2), 7),
        (event(CANCEL, 1, 99, 9, oid=1), 6),
        (event(CANCEL, 1, 99, 7, oid=4), 10),
        (event(FILL, 1, 99, 2, oid=1), 8),
        (event(MODIFY, 1, 99, 1, oid=2), 5),
        (event(MODIFY, 1, 99, 9, oid=2), 4),
        (event(MODIFY, 1, 98, 6, oid=2), 4),
        (event(MODIFY, 1, 99, 1, oid=4), 10),
        (event(CANCEL, 1, 99, 3, oid=77), 10),
        (event(CLEAR), 0),
    ],
)
def test_by_order_each_order_ahead_moves_ours(line, left):
    client, _ = exact()
    client.market(line)
    assert ahead(client) == left


def test_by_order_lots_executed_beyond_those_ahead_are_ours():
    client, mine = exact()
    for oid, lots in ((1, 4), (2, 6)):
        client.market(traded(-1, 99, lots, oid=oid), event(FILL, 1, 99, lots, oid=oid))
    assert client.fills() == []
    client.market(traded(-1, 99, 3, oid=4), event(FILL, 1, 99, 3, oid=4))
    assert client.fills() == [(mine, 99, 3, 2)]


def test_one_that_went_to_the_back_is_ahead_of_whoever_comes_then():
    client, _ = exact()
    client.market(event(MODIFY, 1, 99, 9, oid=2))
    client.limit(1, 99, 1)
    client.market(event(CANCEL, 1, 99, 9, oid=2))
    assert client.venue.arrays["own"]["ahead"][0, 0, :2].tolist() == [4, 11]


def test_by_order_a_snapshot_tells_who_is_still_ahead():
    client, _ = exact()
    lines = [event(ADD, 1, 99, 3, SNAPSHOT, oid=2), event(ADD, 1, 98, 4, SNAPSHOT, oid=1)]
    lines += [event(ADD, 1, 99, 9, SNAPSHOT, oid=5), event(ADD, -1, 101, 5, SNAPSHOT | LAST, oid=3)]
    client.market(event(CLEAR, bits=SNAPSHOT), *lines)
    assert ahead(client) == 3
