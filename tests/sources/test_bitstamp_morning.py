"""The recorded morning of 2015-05-01 against the venue's own books in it."""

import sys
from collections import Counter

import numpy as np
import orjson
import pytest

from flowsense.features.catalogue import spec
from flowsense.features.fold import Fold, join
from flowsense.schema import ADD, CANCEL, CLEAR, FILL, MODIFY, TRADE, WHOLE, checked
from flowsense.sources import bitstamp
from flowsense.sources.files import blocks

COLUMNS = ("action", "side", "price", "lots", "order_id", "bits", "sequence")
CENTS, LOTS = 100, 10**8


@pytest.fixture(scope="module")
def morning(data):
    return data / "bitstamp_l3" / "2015-05-01_00-16h.log.zst"


@pytest.fixture(scope="module")
def events(morning):
    (source,) = bitstamp.open([morning])
    return checked(np.concatenate(list(source)), 1)


def said(path):
    for block in blocks(path):
        for number, line in enumerate(block.data.splitlines(), block.first):
            _, kind, body = line.split(b" ", 2)
            yield number, kind.decode(), orjson.loads(body)


def cents(text):
    return round(float(text) * CENTS)


def lots(text):
    return round(float(text) * LOTS)


def naive(lines):
    """The touch before each book, of a replay that believes every line."""
    sides, orders = (Counter(), Counter()), {}
    for number, kind, d in lines:
        if kind == "order_book":
            yield number, touch(*sides)
        elif kind != "trade":
            if was := orders.pop(d["id"], None):
                side, price, size = was
                sides[side][price] -= size
                if not sides[side][price]:
                    del sides[side][price]
            if kind != "order_deleted":
                new = d["order_type"], cents(d["price"]), lots(d["amount"])
                orders[d["id"]] = new
                sides[new[0]][new[1]] += new[2]


def remembered(lines):
    """Without those of an order after its deletion: one of them alone spoils the naive replay."""
    dead = set()
    for number, kind, d in lines:
        if kind.startswith("order_") and d.get("id") not in dead:
            yield number, kind, d
        if kind == "order_deleted":
            dead.add(d["id"])


def touch(bids, asks):
    bid, ask = max(bids, default=None), min(asks, default=None)
    return bid, ask, bids.get(bid), asks.get(ask)


def rebuilt(events, numbers):
    """The touch before each of these lines, of the events alone: {line: touch}."""
    sides, orders, out = {1: Counter(), -1: Counter()}, {}, {}
    numbers = iter(numbers)
    wanted = next(numbers)
    for action, side, price, size, order, _, line in rows(events):
        while line >= wanted:
            out[wanted] = touch(sides[1], sides[-1])
            if (wanted := next(numbers, None)) is None:
                return out
        if action == CLEAR:
            orders, sides = {}, {1: Counter(), -1: Counter()}
        elif action in (ADD, MODIFY):
            sides[side][price] += size - orders.get(order, 0)
            orders[order] = size
        elif action in (CANCEL, FILL):
            sides[side][price] -= size
            orders[order] -= size
            if not sides[side][price]:
                del sides[side][price]
    while wanted is not None:
        out[wanted] = touch(sides[1], sides[-1])
        wanted = next(numbers, None)
    return out


def rows(events):
    return zip(*(events[c].tolist() for c in COLUMNS), strict=True)


@pytest.mark.slow
def test_the_touch_is_the_venues_own_before_each_of_its_books(morning, events, capsys):
    shown = {n: d for n, kind, d in said(morning) if kind == "order_book"}
    truth = {
        n: tuple(f(d[s][0][k]) for k, f in enumerate((cents, lots)) for s in ("bids", "asks"))
        for n, d in shown.items()
    }
    shares = {}
    for name, found in (
        ("naive", dict(naive(said(morning)))),
        ("naive, deletions remembered", dict(naive(remembered(said(morning))))),
        ("flowsense", rebuilt(events, list(truth))),
    ):
        price = sum(found[n][:2] == truth[n][:2] for n in truth) / len(truth)
        shares[name] = price, sum(found[n] == truth[n] for n in truth) / len(truth)
    with capsys.disabled():
        for name, (price, both) in shares.items():
            sys.stdout.write(f"\n{name}: {price:.2%} of the touches, {both:.2%} with sizes")
    assert len(truth) == 18_303
    assert shares["naive"][0] < 0.17 and shares["naive"][1] < 0.17
    assert shares["naive, deletions remembered"][0] < 0.995
    assert shares["flowsense"][0] > 0.998 and shares["flowsense"][1] > 0.9969


@pytest.mark.slow
def test_each_trade_is_told_once_and_nearly_all_have_an_aggressor(morning, events):
    trades = [d for _, kind, d in said(morning) if kind == "trade"]
    told = events[events["action"] == TRADE]
    assert told["order_id"].tolist() == [d["id"] for d in trades]
    assert told["lots"].tolist() == [lots(d["amount"]) for d in trades]
    assert told["price"].tolist() == [cents(d["price"]) for d in trades]
    assert len(told) == 2_772 and (told["side"] == 0).sum() == 3


@pytest.mark.slow
def test_no_book_is_crossed_and_no_order_loses_what_it_does_not_have(events):
    sides, orders = {1: Counter(), -1: Counter()}, Counter()
    for action, side, price, size, order, _, _ in rows(events):
        if action in (ADD, MODIFY):
            sides[side][price] += size - orders[order]
            orders[order] = size
            assert max(sides[1], default=0) < min(sides[-1], default=2**40)
        elif action in (CANCEL, FILL):
            orders[order] -= size
            sides[side][price] -= size
            assert orders[order] >= 0
            if not sides[side][price]:
                del sides[side][price]


@pytest.mark.slow
def test_no_row_is_of_a_crossed_book(events, morning):
    (source,) = bitstamp.open([morning])
    fold = Fold(spec(("depth",), ("interval:1s",)), source.instruments)
    rows = join([tape.rows[0] for tape in fold.push(events)])
    assert len(rows.ts) > 50_000
    assert (rows.quote["state"] == WHOLE).all()
    assert (rows.book["bid_px"][:, 0] < rows.book["ask_px"][:, 0]).all()
