import pytest

from flowsense.errors import InputError
from flowsense.sources.columns import Mapping, resolve


def test_text_becomes_a_mapping_and_blank_means_none():
    found = Mapping.parse("ts=time, price = px,,size=qty,side=")
    assert found == Mapping(ts="time", price="px", size="qty", side="")
    assert found.used() == ["time", "px", "qty"]
    assert Mapping.parse("") == Mapping()


@pytest.mark.parametrize(
    ("columns", "used"),
    [
        ("timestamp price qty side", "timestamp side price qty"),
        ("Time Px Amount Aggressor_Side extra", "Time Aggressor_Side Px Amount"),
        ("date bid_px ask_px bidSize ask-size", "date bid_px ask_px bidSize ask-size"),
        ("local_timestamp exchange_timestamp p q", "local_timestamp exchange_timestamp p q"),
    ],
)
def test_usual_names_are_found(columns, used):
    assert resolve(Mapping(), columns.split(), "a.csv").used() == used.split()


def test_one_column_is_not_two_clocks():
    assert resolve(Mapping(), ["event_time", "price", "size"], "a.csv").used()[0] == "event_time"
    assert resolve(Mapping(), ["event_time", "price", "size"], "a.csv").ts_event == ""


def test_asking_for_quotes_leaves_out_trades_beside_them():
    names = ["ts", "price", "size", "bid", "ask", "bid_size", "ask_size"]
    assert resolve(Mapping(bid="bid"), names, "a.csv").price == ""
    assert resolve(Mapping(price="price"), names, "a.csv").bid == ""


def test_asking_for_both_is_refused():
    names = ["ts", "price", "size", "bid", "ask", "bid_size", "ask_size"]
    with pytest.raises(InputError, match="both trades and quotes"):
        resolve(Mapping(bid="bid", price="price"), names, "a.csv")


def test_the_closest_column_is_offered_and_long_lists_are_cut():
    names = [f"c{k}" for k in range(40)] + ["priice"]
    with pytest.raises(InputError, match=r"c29 and 11 more: write --columns price=priice or"):
        resolve(Mapping(ts="c0", size="c1"), names, "a.csv")
