"""What the edge of the replayed venue refuses."""

import numpy as np
import pytest
from exchange.replays import event, instrument, written

from flowsense.errors import InputError
from flowsense.exchange.client import REPORT, Terms
from flowsense.exchange.latency import Constant
from flowsense.exchange.matching import LIMIT, REQUEST
from flowsense.exchange.replay import Replay, Rules
from flowsense.exchange.resting import MARKET as STATE
from flowsense.exchange.resting import OWN
from flowsense.schema import (
    zeros,
)


def refused(match, events=None, **fields):
    venue = Replay((instrument(),))
    venue.push(written([event(8)], 50))
    q = zeros(REQUEST, 1)
    q[0] = (50, 1, 99, 1, 0, LIMIT, 1)
    for name, value in fields.items():
        q[name] = value
    with pytest.raises(InputError, match=match):
        venue.push(written([], 0) if events is None else events, q)


@pytest.mark.parametrize(
    ("name", "value"),
    [("instrument", 1), ("kind", 9), ("side", 0), ("order_id", 0), ("ts", 49)],
)
def test_the_edge_names_the_request_and_the_value(name, value):
    refused(f"request 0: {name} {value}", **{name: value})


def test_the_edge_refuses_what_comes_late_and_other_records():
    refused("in order", written([event(8)], 40))
    with pytest.raises(InputError, match="not REQUEST"):
        Replay((instrument(),)).push(written([], 0), zeros(REPORT, 1))
    venue, q = Replay((instrument(),)), zeros(REQUEST, 2)
    q["order_id"], q["kind"], q["side"] = 7, LIMIT, 1
    with pytest.raises(InputError, match="request 1: order_id 7"):
        venue.push(written([], 0), q)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(queue="lucky"),
        Rules(power=0.0),
        Rules(power=float("nan")),
        Rules(orders=0),
        Rules(feed_ns=-2),
        Rules(order=Constant(-1)),
    ],
)
def test_rules_that_cannot_be_are_refused(rules):
    with pytest.raises(InputError, match="give"):
        Replay((instrument(),), rules=rules)


def test_terms_are_one_for_all_or_one_for_each():
    with pytest.raises(InputError, match="2 terms of 1"):
        Replay((instrument(),), (Terms(), Terms()))
    assert len(Replay((instrument(), instrument("B"))).terms) == 2


@pytest.mark.parametrize("dtype", (OWN, STATE), ids=("own", "state"))
def test_no_name_that_an_array_has(dtype):
    assert not any(hasattr(np.recarray, n) or hasattr(np.record, n) for n in dtype.names)
