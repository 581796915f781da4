"""The compiled venue beside a plain one, and beside the engine in which the market was matched."""

from typing import NamedTuple

import numpy as np
import pytest
from exchange.crowds import asked, crowd, levelled
from exchange.replay_oracle import Oracle
from exchange.replays import instrument
from numba import config

from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Replay, Rules
from flowsense.schema import LAST, TRADE

SMALL = bool(config.DISABLE_JIT)
TOLD = ("ts_venue", "order_id", "price", "lots", "left", "what", "why", "side", "maker")
WAIT = 25


class Event(NamedTuple):
    ts: int  # of the clock
    was: int  # of the event
    order_id: int
    price: int
    lots: int
    action: int
    side: int
    bits: int


class Request(NamedTuple):
    ts: int
    order_id: int
    price: int
    lots: int
    instrument: int
    kind: int
    side: int


def plain(events, requests, by_order, power):
    """What the oracle reports of these, each request before the first event that is later."""
    oracle, waiting, whole = Oracle(by_order, power), [Request(*q.tolist()) for q in requests], True
    clock = 0
    for e in events:
        now = max(clock, int(e["ts_event"]))
        while waiting and waiting[0].ts + WAIT < now and whole:
            q = waiting.pop(0)
            oracle.act(q, max(clock, q.ts + WAIT))
        clock = now
        names = ("ts_event", "order_id", "price", "lots", "action", "side", "bits")
        oracle.observe(Event(now, *(int(e[n]) for n in names)))
        whole = bool(e["bits"] & LAST)
    return oracle.told


def replayed(events, requests, by_order, power, **rules):
    queue = {"queue": "probabilistic", "power": power} if power else {}
    rules = Rules(order=Constant(WAIT), **queue, **rules)
    return Replay((instrument(by_order=by_order),), rules=rules).push(events, requests)


def rows(reports):
    return list(zip(*(reports[n].tolist() for n in TOLD), strict=True))


def told_late(events, seed):
    """Some executions are of up to 60 ns before they are told, as where trades have a channel."""
    late = (events["action"] == TRADE) * np.random.default_rng(seed).integers(0, 60, len(events))
    events["ts_event"] -= late * (late % 2)
    return events


def compare(seed, n, by_order, power):
    events = crowd(seed, n, halts=True)
    events = told_late(events if by_order else levelled(events), seed)
    requests = asked(seed, events, n // 6)
    told = replayed(events, requests, by_order, power)
    want = plain(events, requests, by_order, power)
    assert rows(told) == want[: len(told)]
    assert len(want) == len(told)
    return told


MODES = ((True, None), (False, None), (False, 2.0))


@pytest.mark.parametrize(("by_order", "power"), MODES, ids=("exact", "averse", "probable"))
def test_equals_the_oracle_on_random_markets(by_order, power):
    told = [compare(seed, 240, by_order, power) for seed in range(3 if SMALL else 6)]
    told = np.concatenate(told)
    assert {*told["what"].tolist()} >= ({1, 2} if SMALL else {1, 2, 3, 4, 5})
    assert told["maker"].sum() > (0 if SMALL else 10)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize(("by_order", "power"), MODES, ids=("exact", "averse", "probable"))
def test_equals_the_oracle_on_many_random_markets(by_order, power):
    for seed in range(100, 108):
        assert len(compare(seed, 900, by_order, power)) > 50
