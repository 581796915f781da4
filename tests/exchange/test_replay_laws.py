"""What holds whatever the market does and however it is cut."""

import numpy as np
import pytest
from exchange.crowds import asked, crowd, levelled, matched, request, script
from exchange.replays import Client, event, instrument, written
from numba import config

from flowsense.errors import InputError
from flowsense.exchange.client import FILLED, Terms
from flowsense.exchange.latency import Lognormal
from flowsense.exchange.matching import LIMIT, MARKET, REPLACE, WITHDRAW
from flowsense.exchange.replay import Replay, Rules
from flowsense.schema import ADD, BEAT, CANCEL, CLEAR, EVENT, FILL, LAST, SET, SNAPSHOT, TRADE

SMALL = bool(config.DISABLE_JIT)
RULES = Rules(order=Lognormal(60, 0.8, 5), response=Lognormal(40, 0.5), orders=12)


def markets(n):
    """One by order, one by level, in one stream; and requests for both."""
    one, two = crowd(1, n), levelled(crowd(2, n))
    two["instrument"] = 1
    events = np.concatenate([one, two])
    events = events[np.argsort(events["ts_recv"], kind="stable")].view(EVENT)
    requests = asked(3, events, n // 4)
    requests["instrument"] = np.arange(len(requests)) // 3 % 2
    return events, requests


def venue(**more):
    table = instrument(by_order=True), instrument("B")
    return Replay(table, rules=RULES._replace(**more), seed=5)


def pieces(events, requests, cuts, save):
    """The same in pieces: each request with the piece before whose end it was sent."""
    at, told, parts = venue(), [], np.split(np.arange(len(events)), cuts)
    for part in [p for p in parts if len(p)]:
        due = int(np.searchsorted(requests["ts"], events["ts_recv"][part[-1]], "right"))
        told.append(at.push(events[part], requests[:due]))
        requests = requests[due:]
        if save:
            other = venue()
            other.restore(at.snapshot())
            at = other
    return np.concatenate(told)


@pytest.mark.parametrize("save", (False, True), ids=("cut", "saved"))
def test_cut_anywhere_it_reports_the_same(save):
    events, requests = markets(60 if SMALL else 300)
    whole, rng = venue().push(events, requests), np.random.default_rng(4)
    assert len(whole) > 10 and (np.diff(whole["ts"]) >= 0).all()
    for n in (3, 40):
        cuts = np.sort(rng.integers(0, len(events), n))
        ends = events["ts_recv"][cuts - 1] < events["ts_recv"][cuts]  # else a request is too late
        assert pieces(events, requests, cuts[ends], save).tobytes() == whole.tobytes()


def test_one_event_at_a_time_is_the_same():
    events, requests = markets(40 if SMALL else 120)
    cuts = np.flatnonzero(np.diff(events["ts_recv"])) + 1
    whole = venue().push(events, requests)
    assert pieces(events, requests, cuts, False).tobytes() == whole.tobytes()


@pytest.mark.parametrize("apart", (700, 5_000, 20_000))
def test_prices_further_apart_than_a_ladder_holds_make_no_difference(apart):
    """Levels come, go and are asked for above its window, below it and within."""
    events, requests = markets(60 if SMALL else 300)
    want = venue().push(events, requests)
    for records in (events, requests, want):
        records["price"] *= apart
    assert venue().push(events, requests).tobytes() == want.tobytes()


def test_another_seed_draws_other_latencies():
    events, requests = markets(60)
    table = instrument(by_order=True), instrument("B")
    one, two = (Replay(table, rules=RULES, seed=s).push(events, requests) for s in (1, 2))
    assert one["ts"].tolist() != two["ts"].tolist()


class Seeds:
    """A latency of none, which keeps the seeds that it is drawn with."""

    def __init__(self):
        self.seen = set()

    def ns(self, ts, first, seed):
        self.seen.add(seed)
        return np.zeros(len(ts), np.int64)


def test_no_two_ways_of_neighbouring_seeds_share_their_draws():
    events, requests = markets(60)
    table, ways = (instrument(by_order=True), instrument("B")), [Seeds() for _ in range(6)]
    for seed, pair in enumerate(zip(ways[::2], ways[1::2], strict=True)):
        Replay(table, rules=RULES._replace(order=pair[0], response=pair[1]), seed=seed).push(
            events, requests
        )
    seen = [seed for way in ways for seed in way.seen]
    assert len(seen) == len(set(seen)) == 6


def test_a_snapshot_of_another_venue_is_refused():
    saved = venue().snapshot()
    for other in (
        venue(orders=9),
        Replay((instrument(),)),
        Replay((instrument(),), Terms(least=2)),
    ):
        with pytest.raises(InputError, match="snapshot"):
            other.restore(saved)


def test_nothing_is_reported_before_it_is_known():
    events, requests = markets(60 if SMALL else 200)
    at, cut = venue(), len(events) // 2
    told = at.push(events[:cut], requests[requests["ts"] <= events["ts_recv"][cut]])
    assert (told["ts"] <= events["ts_recv"][cut - 1]).all()
    assert (told["ts"] >= told["ts_venue"]).all()


def room(events, price, side):
    """Lots at a price and side that the market showed or added in all, and that traded there."""
    sets = events[(events["action"] == SET) & (events["price"] == price)]
    lots = sets["lots"][sets["side"] == side]
    grown = np.diff(lots, prepend=0).clip(0).sum()
    return int(grown)


def test_no_more_is_taken_of_a_price_than_the_market_ever_put_there():
    events = levelled(crowd(7, 80 if SMALL else 500))
    requests = asked(8, events, len(events) // 2)
    requests["kind"] = np.where(np.arange(len(requests)) % 3 == 0, LIMIT, MARKET)
    requests["lots"], requests["order_id"] = requests["lots"] * 20, 1 + np.arange(len(requests))
    told = Replay((instrument(),)).push(events, requests)
    took = told[(told["what"] == FILLED) & (told["maker"] == 0)]
    assert len(took) > 20
    for price, side in {*zip(took["price"].tolist(), took["side"].tolist(), strict=True)}:
        here = (took["price"] == price) & (took["side"] == side)
        assert took["lots"][here].sum() <= room(events, price, -side)


def test_no_more_executes_at_one_time_than_traded_or_was_displayed():
    events = levelled(crowd(9, 80 if SMALL else 500))
    requests = asked(10, events, len(events) // 3)
    requests["lots"] *= 9
    told = Replay((instrument(),)).push(events, requests)
    made = told[(told["what"] == FILLED) & (told["maker"] == 1)]
    assert len(made) > (1 if SMALL else 10)
    for ts in np.unique(made["ts_venue"]):
        then = events[events["ts_event"] == ts]
        traded = then["lots"][then["action"] == TRADE].sum()
        shown = then["lots"][then["action"] == SET].sum()
        assert made["lots"][made["ts_venue"] == ts].sum() <= traded + shown


def placed(seed, n, side, away):
    """One lot really placed in the engine where the market was matched, and beside it.

    -> when it was executed there; when in replays that are exact, averse and probable.
    """
    crowded, at = script(seed, n), n // 3
    events, _ = matched(crowded)
    own = request(np.random.default_rng(0), int(crowded["ts"][at - 1]), LIMIT, 0)
    own["side"], own["price"], own["lots"] = side, 100 - side * away, 1
    later = crowded[at:].copy()
    moved = ((later["kind"] == WITHDRAW) | (later["kind"] == REPLACE)) & (later["order_id"] >= at)
    later["order_id"][moved] += 1
    twin, ids = matched(np.concatenate([crowded[:at], own, later]))
    filled = twin[(twin["action"] == FILL) & (twin["order_id"] == ids[at])]
    took = (twin["order_id"] == ids[at]) & (twin["action"] == ADD)
    if not took.any():
        return None
    own["order_id"] = 1
    beat = written([(BEAT, 0, 0, 0, 0, 0)], int(events["ts_recv"][-1]) + 1)
    stream = np.concatenate([events, beat]).view(EVENT)
    truth = int(filled["ts_event"][0]) if len(filled) else None
    return truth, [first(stream, own, *mode) for mode in MODES]


MODES = ((True, "risk-averse"), (False, "risk-averse"), (False, "probabilistic"))


def first(events, own, by_order, queue):
    events = events if by_order else levelled(events)
    told = Replay((instrument(by_order=by_order),), rules=Rules(queue=queue)).push(events, own)
    told = told[told["what"] == FILLED]
    return int(told["ts_venue"][0]) if len(told) else None


@pytest.fixture(scope="module")
def tried():
    rng, n = np.random.default_rng(11), 60 if SMALL else 300
    sides = ((int(rng.choice((-1, 1))), int(rng.integers(0, 4))) for _ in range(6))
    return [t for k, (side, away) in enumerate(sides) if (t := placed(k, n, side, away))]


def test_an_exact_order_fills_when_the_same_order_really_placed_did(tried):
    assert sum(truth is not None for truth, _ in tried) > len(tried) / 2
    assert all(truth == exact for truth, (exact, *_) in tried)


def test_a_risk_averse_order_never_fills_before_an_exact_one(tried):
    assert all(averse is None or exact <= averse for _, (exact, averse, _) in tried)


def test_reports_that_fill_the_room_for_them_go_on_in_another_call():
    events, requests = markets(60 if SMALL else 300)
    whole, tight = venue().push(events, requests), venue()
    tight.out = tight.out[: 2 * (RULES.orders + 1) + 4]  # of one event, at most
    assert tight.push(events, requests).tobytes() == whole.tobytes()


def test_who_is_ahead_survives_a_book_that_outgrows_its_table():
    lines = [event(CLEAR, bits=SNAPSHOT)]
    lines += [event(ADD, 1, 99, 1, SNAPSHOT, oid=i) for i in range(1, 10)]
    client = Client(lines=[*lines, event(ADD, -1, 101, 1, SNAPSHOT | LAST, oid=10)], by_order=True)
    client.limit(1, 99, 1)
    slots = client.venue.arrays["state"]["sides"]["order_slots"][0]
    client.market(*(event(ADD, 1, 50 + i % 9, 1, oid=11 + i) for i in range(3_000)))
    assert client.venue.arrays["state"]["sides"]["order_slots"][0] > slots
    client.market(*(event(CANCEL, 1, 99, 1, oid=i) for i in range(1, 5)))
    assert client.venue.arrays["own"]["ahead"][0, 0, 0] == 5


def test_a_venue_tells_its_instruments():
    table = instrument(), instrument("B", by_order=True)
    assert Replay(table).instruments == table
