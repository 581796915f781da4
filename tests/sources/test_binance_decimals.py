from decimal import Decimal as Exact

import numpy as np
import pytest

from flowsense.schema import LARGEST, Decimal
from flowsense.sources.binance_decimals import common, multiples, numbers, scan, unit


@pytest.mark.parametrize("run", [scan, getattr(scan, "py_func", scan)], ids=["compiled", "plain"])
def test_scanned_mantissas_are_those_of_the_decimal_module(run):
    rng = np.random.default_rng(0)
    texts = [
        f"{Exact(int(rng.integers(10 ** rng.integers(1, 18)))).scaleb(-int(rng.integers(12))):f}"
        for _ in range(300)
    ]
    mantissa, decimals = np.zeros(300, np.int64), np.zeros(300, np.int64)

    n = run(np.frombuffer(",".join(texts).encode(), np.int8), mantissa, decimals)

    assert n == len(texts)
    pairs = zip(mantissa.tolist(), decimals.tolist(), texts, strict=True)
    assert all(Exact(m).scaleb(-d) == Exact(text) for m, d, text in pairs)
    assert not np.any((mantissa % 10 == 0) & (decimals > 0))


@pytest.mark.parametrize("run", [scan, getattr(scan, "py_func", scan)], ids=["compiled", "plain"])
@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "NaN", "inf", "1e-7", ".5", "5.", "1.2.3", " 1", "٣", "9" * 19, "1" * 30],
)
def test_anything_but_a_plain_decimal_is_refused_by_its_place(run, text):
    room = np.zeros(9, np.int64), np.zeros(9, np.int64)

    assert run(np.frombuffer(f"1,2.50,{text},3".encode(), np.int8), *room) == -1 - 2


def test_eighteen_digits_are_exact_and_no_text_is_no_number():
    mantissa, decimals, bad = numbers(["999999999999999999", "0.000000000000000001"])

    assert (mantissa.tolist(), decimals.tolist(), bad) == ([10**18 - 1, 1], [0, 18], -1)
    assert len(numbers([])[0]) == 0


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["61800.20", "61800.1", "5000"], Decimal(1, -1)),
        (["2.25", "3.50", "0"], Decimal(25, -2)),
        (["100", "250"], Decimal(50, 0)),
        (["0.0", "0"], Decimal(1, 0)),
        (["1000000000000", "0.000000001"], Decimal(1, -9)),
    ],
)
def test_the_unit_is_the_largest_that_divides_all(texts, expected):
    mantissa, decimals, _ = numbers(texts)

    assert unit(common(mantissa, decimals)) == expected


def test_multiples_are_whole_or_refused_by_their_place():
    mantissa, decimals, _ = numbers(["3", "0.5", "61800.25"])

    assert multiples(mantissa, decimals, Decimal(25, -2))[0].tolist() == [12, 2, 247201]
    assert multiples(mantissa, decimals, Decimal(1, -1))[1] == 2
    assert multiples(mantissa, decimals, Decimal(1, 1))[1] == 0


@pytest.mark.parametrize(("count", "bad"), [(LARGEST, -1), (LARGEST + 1, 0)])
def test_more_units_than_floats_can_count_are_refused(count, bad):
    assert multiples(np.array([count]), np.array([0]), Decimal(1, 0))[1] == bad


def test_a_scale_beyond_int64_is_refused_and_never_wraps():
    mantissa, decimals, _ = numbers(["1000000000000", "2"])

    assert multiples(mantissa, decimals, Decimal(1, -9))[1] == 0
    assert multiples(mantissa, decimals, Decimal(1, -30))[1] == 0
