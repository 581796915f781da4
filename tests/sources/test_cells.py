from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from flowsense.errors import InputError
from flowsense.sources.cells import Place, exact, time_unit, times, words

AT = Place("a.csv", "price", 11)
NS = 1_704_067_200_000_000_000  # 2024-01-01


def random_texts(rng, n):
    """Decimals as people and programs write them."""
    for _ in range(n):
        digits = "".join(rng.choice(list("0123456789"), int(rng.integers(1, 12))))
        at = int(rng.integers(0, len(digits) + 1))
        text = digits[:at] + str(rng.choice([".", ""])) + digits[at:]
        text += str(rng.choice(["", "", f"e{rng.integers(-5, 4)}", f"E+{rng.integers(0, 4)}"]))
        yield str(rng.choice(["", " ", "-", "+"])) + text + str(rng.choice(["", " "]))


def test_decimals_agree_with_an_oracle():
    for text in random_texts(np.random.default_rng(0), 2_000):
        values, missing, scale = exact(pa.array([text]), 0, AT)
        assert not missing[0]
        assert Decimal(int(values[0])).scaleb(-scale) == Decimal(text.strip()), text


@pytest.mark.parametrize("places", range(0, 12))
def test_floats_are_read_as_their_shortest_text(places):
    rng = np.random.default_rng(places)
    whole = rng.integers(-(10**14), 10**14, 500) // 10 ** int(rng.integers(0, 9))
    x = whole / 10**places
    values, _, scale = exact(pa.array(x), 0, AT)
    for number, value in zip(x.tolist(), values.tolist(), strict=True):
        assert Decimal(value).scaleb(-scale) == Decimal(repr(number))


def test_floats_beyond_fifteen_digits_are_read_through_text():
    assert exact(pa.array([1.5e-16]), 0, AT)[::2] == (15, 17)
    assert exact(pa.array([0.1 + 0.2]), 0, AT)[::2] == (30000000000000004, 17)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["1.50", None, "-2"]),
        pa.array(["1.50", "NaN", " -2"], pa.large_string()),
        pa.array([1.5, None, -2.0]),
        pa.array([1.5, float("nan"), -2.0], pa.float32()),
        pa.array([Decimal("1.5"), None, Decimal("-2.0")], pa.decimal128(9, 3)),
        pa.array(["1.5", None, "-2"]).dictionary_encode(),
    ],
)
def test_every_type_of_column_gives_the_same(column):
    for part in (column, pa.concat_arrays([column[:1], column])[1:]):  # also with an offset
        values, missing, scale = exact(part, 1, AT)
        assert (values.tolist(), missing.tolist(), scale) == ([15, 0, -20], [False, True, False], 1)


def test_whole_numbers_of_any_width():
    assert exact(pa.array([7, None], pa.int8()), 2, AT).values.tolist() == [700, 0]
    assert exact(pa.array([2**62 // 10], pa.uint64()), 0, AT).values.tolist() == [2**62 // 10]
    assert exact(pa.array([2**62]), 0, AT).values.tolist() == [2**62]


@pytest.mark.parametrize(
    ("text", "why"),
    [(t, "is not a finite number") for t in (".", "e5", "1e", "1e+", "1.2.3", "--1", "1_0", "0x1")]
    + [(t, "is not a finite number") for t in ("1,5", "1 2", "inf", "-Infinity", "1" * 20)]
    + [("1e-30", "more than 18 decimals"), ("1e30", "too large"), ("9e17", "too large")],
)
def test_what_is_no_number_is_named(text, why):
    with pytest.raises(InputError, match=rf"a.csv: row 12, column 'price': .*{why}"):
        exact(pa.array(["1", text]), 2, AT)


def test_a_column_of_another_kind_is_named():
    with pytest.raises(InputError, match=r"column 'price' is list<item: int64>: map another"):
        exact(pa.array([[1]]), 0, AT)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1704067200, "s"),
        (1704067200000, "ms"),
        (1704067200000000, "us"),
        (NS, "ns"),
        ("1704067200", "s"),
        ("1704067200000.000", "ms"),
        (1704067200.0, "s"),
        ("2024-01-01T00:00:00Z", "iso"),
        ("2024-01-01 00:00:00", "iso"),
        ("2024-01-01", "iso"),
        ("2024-01-01T01:00:00.000000000+01:00", "iso"),
        ("2023-12-31T19:00:00-0500", "iso"),
        (np.datetime64("2024-01-01", "ns"), "ns"),
        (np.datetime64("2024-01-01", "ms"), "ns"),
    ],
)
def test_one_instant_in_every_unit(value, unit):
    column = pa.array([value])
    assert time_unit(column, AT) == unit
    assert times(column, unit, AT).tolist() == [NS]


@pytest.mark.parametrize(
    ("cells", "unit"),
    [
        (["1", str(2**62)], "ns"),
        (["1", "5000000000"], "s"),
        (["2024-01-01", "2116-03-01"], "iso"),
    ],
)
def test_a_time_that_no_clock_reaches_is_named(cells, unit):
    with pytest.raises(InputError, match=rf"a.csv: row 12, .*'{cells[1]}' is after 2115"):
        times(pa.array(cells), unit, AT)


def test_times_keep_every_ns():
    for text in ("1704067200.123456789", "1704067200123.456789", "1704067200123456.789"):
        column = pa.array([text])
        assert times(column, time_unit(column, AT), AT).tolist() == [NS + 123_456_789]
    assert times(pa.array(["2024-01-01T00:00:00.123456789Z"]), "iso", AT)[0] == NS + 123_456_789
    zoned = pa.array([NS // 1000], pa.timestamp("us", "America/New_York"))
    assert times(zoned, "s", AT)[0] == NS  # a stamp knows its own unit


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        (["2024-01-01", "noon"], "iso"),
        (["2024-01-01", None], "iso"),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:00:00"], "iso"),
        ([1, None], "ns"),
        (["1", ""], "s"),
        (pa.array([0, None], pa.timestamp("ns")), "ns"),
        (pa.array([0, 10**12], pa.timestamp("s")), "ns"),
    ],
)
def test_what_is_no_time_is_named(column, unit):
    with pytest.raises(InputError, match=r"a.csv: row 12, column 'price': .* is no time"):
        times(pa.array(column) if isinstance(column, list) else column, unit, AT)


def test_words_have_no_case_and_unknown_ones_are_named():
    meaning = {"buy": 1, "sell": -1, "": 0}
    column = pa.array(["BUY", " sell ", None, "Buy"])
    assert words(column, meaning, AT).tolist() == [1, -1, 0, 1]
    with pytest.raises(InputError, match=r"row 12, column 'price': 'hold' is not one of buy, sell"):
        words(pa.array(["buy", "hold"]), meaning, AT)
