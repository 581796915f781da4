"""What a line of the log says, to the last digit, and what is no such line."""

from pathlib import Path

import orjson
import pytest

from flowsense.errors import InputError
from flowsense.schema import Decimal
from flowsense.sources.bitstamp_lines import Kind, Line, Unit, parse
from flowsense.sources.files import Block

START = 1_430_438_404_000  # ms
CENTS = Unit(Decimal(1, -2), Decimal(1, -8))


def line(kind, body):
    return f"{START} {kind} {orjson.dumps(body).decode()}"


def read(*lines):
    return list(parse(Path("some.log"), Block(1, "\n".join(lines).encode()), CENTS))


BOOK = line("order_book", {"bids": [["99.00", "1"]], "asks": [["101.5", "2.5"], ["102", "3"]]})


def test_numbers_are_exact():
    floats = {"price": 235.02000000000001, "amount": 9.9999999999999995e-07, "id": 5}
    assert read(line("trade", floats), BOOK) == [
        Line(1, START * 10**6, Kind.TRADE, 5, 0, 1, [(23_502, 100)]),
        Line(2, START * 10**6, Kind.BOOK, 0, 0, 1, [
            (9_900, 10**8), (10_150, 25 * 10**7), (10_200, 3 * 10**8)]),
    ]  # fmt: skip


def test_an_order_may_have_nothing_left():
    (gone,) = read(line("order_deleted", GOOD | {"amount": "0.00000000", "order_type": 1}))
    assert (gone.kind, gone.side, gone.levels) == (Kind.DELETED, -1, [(100, 0)])
    assert read() == []


GOOD = {"price": "1.00", "amount": "1.00000000", "id": 1, "order_type": 0}
BAD = {
    "b'143' is no time of 13 digits": "143 trade {}",
    "no kind of line": f"{START} order_eaten {{}}",
    "is not JSON": f"{START} trade {{",
    "is no JSON object": f"{START} trade []",
    "has no field 'amount'": f"{START} order_created " + '{"price": "1.00"}',
}
WRONG = {
    "price or amount is not a text": {"price": 1.0},
    "order_type 2 is neither 0 (buy) nor 1": {"order_type": 2},
    "id 0 is no whole number": {"id": 0},
    "id '1' is no": {"id": "1"},
    "price 'nan' is no plain decimal": {"price": "nan"},
    "price '-1.00' is no plain decimal": {"price": "-1.00"},
    "price '1,2' is no plain decimal": {"price": "1,2"},
    "price '0.00' must be above 0": {"price": "0.00"},
    "size '0' must be above 0": {"amount": "0"},
    "price '1.001' is no multiple of the tick 0.01": {"price": "1.001"},
    "size '1e9' is no plain decimal": {"amount": "1e9"},
    "size '99999999999999' is no multiple": {"amount": "99999999999999"},
}


@pytest.mark.parametrize("why", BAD)
def test_lines_of_another_form_are_refused(why):
    with pytest.raises(InputError, match=f"some.log: line 1: .*{why}"):
        read(BAD[why])


@pytest.mark.parametrize("why", WRONG)
def test_values_that_cannot_be_are_refused(why):
    bad = line("order_created", GOOD | WRONG[why])
    with pytest.raises(InputError) as error:
        read(BOOK, bad, BOOK)
    assert str(error.value).startswith(f"some.log: line 2: {why}")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (("trade", GOOD | {"price": -1.0, "amount": 1.0}), "is no number above 0"),
        (("trade", GOOD | {"price": 1.0, "amount": "1"}), "is no number above 0"),
        (("trade", GOOD | {"price": 1.001, "amount": 1.0}), "is no multiple of 0.01"),
        (("order_book", {"bids": [["1.00"]], "asks": []}), "a level is not of the form"),
        (("order_book", {"bids": [], "asks": [[1, 2]]}), "is not a text"),
        (("order_book", {"bids": {}, "asks": []}), "a level is not of the form"),
    ],
)
def test_trades_and_books_that_cannot_be_are_refused(bad, why):
    with pytest.raises(InputError, match=f"line 2: .*{why}"):
        read(BOOK, line(*bad))
