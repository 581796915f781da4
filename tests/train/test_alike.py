"""Recordings that are used together count in the same ticks and lots."""

import pytest

from flowsense.errors import InputError
from flowsense.schema import Decimal
from flowsense.sources.merge import Merged
from flowsense.sources.units import Unit, common
from flowsense.store.events import write_events
from flowsense.train.read import Recording, alike, read

HEADER = "ts,bid,ask,bid_size,ask_size\n"


def quotes(path, prices, size="1"):
    rows = "".join(f"{1_700_000_000 + k},{p},{p + 1},{size},{size}\n" for k, p in enumerate(prices))
    path.write_text(HEADER + rows)
    return read(path, symbol="X", families=("depth",))


def test_units_of_several_files_are_their_divisors(tmp_path):
    learn = quotes(tmp_path / "a.csv", [1.25, 1.50], "0.002")
    test = quotes(tmp_path / "b.csv", [1.2, 1.4], "0.003")
    assert learn.instruments[0].tick == Decimal(25, -2)
    learn, (test,) = alike(learn, (test,))
    for recording in (learn, test):
        (instrument,) = recording.instruments
        assert (instrument.tick, instrument.lot) == (Decimal(5, -2), Decimal(1, -3))
    prices = [chunk["price"].max() for chunk in (*learn.events(), *test.events())]
    assert prices == [50, 48]  # asks of 2.50 and 2.40 in ticks of 0.05


def test_what_agrees_is_left_alone(tmp_path):
    learn, test = (quotes(tmp_path / name, [1.1, 1.2]) for name in ("a.csv", "b.csv"))
    again, (other,) = alike(learn, (test,))
    assert again.source is learn.source and other.source is test.source


def test_a_merged_source_is_put_right_part_by_part(tmp_path):
    learn = quotes(tmp_path / "a.csv", [1.0, 1.5])
    other = quotes(tmp_path / "b.csv", [1.0, 1.1])
    quotes(tmp_path / "c.csv", [1.0, 1.5])
    apart = read(tmp_path / "c.csv", symbol="Y", families=("depth",))
    both = Merged((apart.source, other.source))
    _, (test,) = alike(learn, (Recording(other.spec, both),))
    ticks = {i.symbol: i.tick for i in test.instruments}
    assert ticks == {"X": Decimal(1, -1), "Y": Decimal(5, -1)}
    assert test.files == (tmp_path / "c.csv", tmp_path / "b.csv")


def test_a_recording_that_says_its_units_is_refused(tmp_path, events, instruments):
    for name, tick in (("a", Decimal(1, -2)), ("b", Decimal(2, -2))):
        table = tuple(i._replace(tick=tick) for i in instruments)
        write_events(tmp_path / f"{name}.parquet", table, [events])
    learn, test = (read(tmp_path / f"{n}.parquet", families=("depth",)) for n in "ab")
    with pytest.raises(InputError, match=r"b.parquet: its tick 0.02 is another"):
        alike(learn, (test,))


def test_a_file_on_both_sides_is_refused(tmp_path):
    learn = quotes(tmp_path / "a.csv", [1.1, 1.2])
    with pytest.raises(InputError, match=r"a.csv: is named for training and for testing"):
        alike(learn, (learn,))


@pytest.mark.parametrize(
    ("text", "unit"), [("0.01", (1, -2)), ("25", (25, 0)), (".5", (5, -1)), ("10.50", (1050, -2))]
)
def test_units_are_read_exactly(text, unit):
    found = Unit.parse("tick", text)
    assert found == unit and float(str(found)) == float(found) == float(text)


@pytest.mark.parametrize("text", ["", ".", "0", "0.00", "-1", "1e3", "x", "1.2.3", "½"])
def test_what_is_no_unit_is_refused(text):
    with pytest.raises(InputError, match=r"--lot .*: write a number above 0, like 0.01"):
        Unit.parse("lot", text)


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [((1, -2), (5, -1), (1, -2)), ((25, -2), (1, 0), (25, -2)), ((6, 0), (4, 0), (2, 0))],
)
def test_common_divisors(a, b, found):
    assert common(Decimal(*a), Decimal(*b)) == found
    assert str(Unit(5, 2)) == "500" and str(Unit(5, -3)) == "0.005"
