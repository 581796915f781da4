"""Every line of three recorded mornings: messages against books, events against both."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from flowsense.schema import (
    LAST,
    SCROLL,
    SET,
    SNAPSHOT,
    TRADE,
    checked,
)
from flowsense.sources.files import blocks
from flowsense.sources.lobster import Lobster, decode, start

PAIRS = {
    "AAPL": "AAPL_2012-06-21_34200000_52200000_message_1.csv.zst",
    "AMZN": "AMZN_2012-06-21_34200000_52200000_message_5.csv.zst",
    "GOOG": "GOOG_2012-06-21_34200000_52200000_message_10.csv.zst",
}


@pytest.fixture(params=PAIRS)
def recording(request, data):
    """The source, the lines of both files as bytes, and the rows of the book file as numbers."""
    source = Lobster(data / "lobster" / PAIRS[request.param])
    files = (source.pair.message, source.pair.orderbook)
    messages, books = (b"".join(b.data for b in blocks(f)).splitlines(True) for f in files)
    return SimpleNamespace(source=source, pair=source.pair, messages=messages, books=books)


def sides(line):
    """[asks, bids] of a row of the order-book file: lists of (price, lots), best first."""
    cells = [int(cell) for cell in line.split(b",")]
    levels = list(zip(cells[::2], cells[1::2], strict=True))
    return [[level for level in levels[k::2] if level[1]] for k in (0, 1)]


def apply(book, message, depth):
    """What the message makes of the book, as far as can be known from what was shown."""
    _, kind, _, lots, price, direction = message.split(b",")
    bid, price = int(direction) > 0, int(price)
    levels = dict(book[bid])
    grown = {b"1": 1, b"2": -1, b"3": -1, b"4": -1}.get(kind, 0) * int(lots)
    levels[price] = levels.get(price, 0) + grown
    kept = [level for level in levels.items() if level[1]]
    after = list(book)
    after[bid] = sorted(kept, reverse=bid)[:depth]
    return after


@pytest.mark.slow
def test_each_message_turns_the_row_before_into_the_next(recording):
    depth = recording.pair.instrument.depth
    rows = map(sides, recording.books)
    for message, (before, now) in zip(recording.messages[1:], pairwise(rows), strict=True):
        for want, shown in zip(apply(before, message, depth), now, strict=True):
            assert shown[: len(want)] == want, message
            assert len(shown) - len(want) <= (len(want) < depth), message


@pytest.mark.slow
def test_the_book_that_the_events_make_is_the_file_on_every_line(recording):
    book, lines = ({}, {}), 0
    for event in np.concatenate(list(recording.source))[
        ["action", "side", "price", "lots", "bits", "sequence"]
    ].tolist():
        action, side, price, lots, bits, sequence = event
        if action == SET:
            book[side > 0][price * 100] = lots
            if not lots:
                del book[side > 0][price * 100]
        if bits & LAST and (lines := max(lines, sequence)) == sequence:
            shown = [sorted(book[0].items()), sorted(book[1].items(), reverse=True)]
            assert shown == sides(recording.books[sequence - 1]), sequence
    assert lines == len(recording.books)


@pytest.mark.slow
def test_every_execution_is_one_trade_and_nothing_else_is(recording):
    events = np.concatenate(list(recording.source))
    trades = events[events["action"] == TRADE]
    told = [line.split(b",") for line in recording.messages]
    want = [(int(m[2]), int(m[3]), -int(m[5])) for m in told if m[1] in (b"4", b"5")]
    assert trades[["order_id", "lots", "side"]].tolist() == want
    prices = np.array([int(m[4]) for m in told if m[1] in (b"4", b"5")])
    off = (trades["price"] * 100 - prices) * trades["side"]
    assert ((off >= 0) & (off < 100)).all()


@pytest.mark.slow
def test_a_message_about_the_book_changes_its_own_level_and_the_rest_scrolls(recording):
    events = np.concatenate(list(recording.source))
    sets = events[(events["action"] == SET) & (events["bits"] & (SCROLL | SNAPSHOT) == 0)]
    told = [(line, message.split(b",")) for line, message in enumerate(recording.messages, 1)]
    own = [(n, int(m[4]) // 100, int(m[5])) for n, m in told if n > 1 and m[1] != b"5"]
    assert sets[["sequence", "price", "side"]].tolist() == own


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_cut_at_any_line_the_events_are_the_same(recording, seed):
    rng = np.random.default_rng(seed)
    n = len(recording.messages)
    cuts = np.unique(np.r_[0, 1, rng.integers(0, n, 300), n]).tolist()
    state, parts = start(recording.pair), []
    for a, b in pairwise(cuts):
        pieces = (b"".join(lines[a:b]) for lines in (recording.messages, recording.books))
        state, events = decode(state, *pieces, recording.pair)
        parts.append(events)
    whole = np.concatenate(list(recording.source))
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.slow
def test_line_by_line_is_the_same_as_at_once(data):
    source = Lobster(data / "lobster" / PAIRS["AMZN"])
    files = [
        next(blocks(f)).data.splitlines(True) for f in (source.pair.message, source.pair.orderbook)
    ]
    state, parts = start(source.pair), []
    for message, book in zip(*files, strict=True):
        state, events = decode(state, message, book, source.pair)
        parts.append(events)
    whole = checked(next(iter(source)), 1)
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert whole["bits"][-1] & LAST and 2_000 < len(whole) < 8_000


def test_either_file_finds_the_other_however_compressed(data, tmp_path):
    folder = data / "lobster"
    message = folder / PAIRS["GOOG"]
    book = folder / PAIRS["GOOG"].replace("message", "orderbook")
    assert Lobster(book).pair == Lobster(message).pair == Lobster(message, book).pair
    assert Lobster(message).files == (message, book)
    assert Lobster(message).name == str(message)
