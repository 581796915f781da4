"""Merging is a fold: the order of all events, and nothing else, decides."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.schema import (
    BAR,
    CLEAR,
    EVENT,
    EVERY,
    GAP,
    LAST,
    OBSERVATION,
    SNAPSHOT,
    TRADE,
    Bars,
    Chunk,
    Decimal,
    Events,
    Instrument,
    Observations,
    checked,
    kind_of,
)
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.sources.merge import Merged
from flowsense.sources.open import open_source
from flowsense.testing.streams import cut

A, B, C = (Instrument(s, "x", Decimal(1, -2), Decimal(1, 0)) for s in "ABC")


@dataclass(frozen=True)
class Listed:
    """A source of events at hand, in chunks of a size."""

    name: str
    events: Events
    instruments: tuple[Instrument, ...] = (A,)
    chunk: int = 3

    @property
    def files(self):
        return (Path(self.name),)

    def __iter__(self):
        for i in range(0, len(self.events), self.chunk):
            yield self.events[i : i + self.chunk]


def trades(*times, first=0, instrument=0):
    events = np.zeros(len(times), EVENT).view(EVENT)
    events["ts_recv"], events["action"], events["bits"] = times, TRADE, LAST
    events["sequence"], events["instrument"] = np.arange(len(times)) + first, instrument
    return events


def opening(*times):
    """A snapshot and what follows it."""
    events = trades(*times)
    events["action"][0], events["bits"][0] = CLEAR, SNAPSHOT | LAST
    return events


def merged(*sources):
    source = Merged(sources)
    chunks = list(source)
    assert all(len(chunk) for chunk in chunks)
    return checked(np.concatenate(chunks), len(source.instruments))


def told(events):
    """Without what says that a source has ended."""
    return events[(events["bits"] & GAP == 0) | (events["bits"] & SNAPSHOT != 0)]


def test_events_come_in_order_of_time_then_of_the_sources():
    a, b = Listed("a", trades(1, 3, 3, 7)), Listed("b", trades(0, 3, 3, 9, first=10), (B,))
    events = told(merged(a, b))
    assert events["ts_recv"].tolist() == [0, 1, 3, 3, 3, 3, 7, 9]
    assert events["sequence"].tolist() == [10, 0, 1, 2, 11, 12, 3, 13]
    assert events["instrument"].tolist() == [1, 0, 0, 0, 1, 1, 0, 1]


def test_the_table_holds_each_instrument_once():
    a = Listed("a", np.concatenate([trades(1), trades(2, instrument=1)]), (B, A))
    b = Listed("b", np.concatenate([trades(5), trades(6, instrument=1)]), (C, A))
    source = Merged((a, b))
    assert source.instruments == (B, A, C)
    assert (source.name, source.files) == ("a, b", (Path("a"), Path("b")))
    assert told(merged(a, b))["instrument"].tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("seed", range(8))
def test_however_the_sources_are_cut_the_stream_is_the_sorted_whole(seed):
    rng = np.random.default_rng(seed)
    times = [np.sort(rng.integers(0, 60, rng.integers(1, 80))) for _ in range(3)]
    parts = [trades(*t, first=1_000 * k) for k, t in enumerate(times)]
    sources = [
        Listed(s.symbol, part, (s,), int(rng.integers(1, 9)))
        for s, part in zip((A, B, C), parts, strict=True)
    ]
    events = told(merged(*sources))
    together = np.concatenate(parts)
    want = together[np.argsort(together["ts_recv"], kind="stable")]
    assert events["sequence"].tolist() == want["sequence"].tolist()
    assert (events["instrument"] == want["sequence"] // 1_000).all()


def test_what_goes_on_in_another_source_is_one_instrument_with_a_gap_between():
    first, second = Listed("first", opening(1, 2, 5)), Listed("second", opening(7, 8, 8, 9))
    events = merged(second, first)
    assert events["ts_recv"].tolist() == [1, 2, 5, 7, 8, 8, 9]
    assert np.flatnonzero(events["bits"] & GAP).tolist() == [3]
    assert not second.events["bits"][0] & GAP


def test_an_instrument_whose_source_ends_while_others_go_on_is_known_no_more():
    a, b = Listed("a", opening(1, 2, 5)), Listed("b", trades(1, 5, 6, 9), (B,))
    events = merged(a, b)
    (end,) = np.flatnonzero(events["bits"] & GAP)
    assert (events["ts_recv"][end], events["instrument"][end]) == (5, 0)
    assert (events["ts_recv"][:end] <= 5).all() and not (events["instrument"][end + 1 :] == 0).any()
    checked(events, 2)


def test_a_piece_that_goes_on_without_a_snapshot_is_no_gap():
    events = merged(Listed("first", opening(1, 2, 5)), Listed("second", trades(5, 6)))
    assert events["ts_recv"].tolist() == [1, 2, 5, 5, 6]
    assert not (events["bits"] & GAP).any()


def test_days_of_one_instrument_are_not_all_open_at_once():
    class Watched(Listed):
        def __iter__(self):
            under_way.append(self.name)
            most.append(len(under_way))
            try:
                yield from super().__iter__()
            finally:
                under_way.remove(self.name)

    under_way, most = [], []
    days = [Watched(f"{d}", opening(*range(d * 100, d * 100 + 50))) for d in range(9)]
    assert len(merged(*days)) == 450
    assert max(most) <= 2 and not under_way


@pytest.mark.parametrize("times", [(2, 4), (0, 1, 2, 9), (5, 7), (0, 3)])
def test_one_instrument_in_two_sources_at_a_time_is_refused(times):
    a, b = Listed("a", trades(1, 3, 5, 6)), Listed("b", trades(*times))
    with pytest.raises(InputError, match=r"both tell of A at x at the same time: leave one out"):
        merged(a, b)


def index(path, *days):
    path.write_text("date,close\n" + "".join(f"{day},20\n" for day in days))
    return f"observations:{path}?lag=1h"


def test_two_tables_that_observe_the_same_at_one_time_are_refused(tmp_path):
    vix = index(tmp_path / "vix.csv", "2017-01-01", "2018-06-01")
    skew = index(tmp_path / "skew.csv", "2018-01-01", "2018-06-01")
    with pytest.raises(InputError, match=r"both tell of close at the same time: .*prefix=b_"):
        list(open_source([vix, skew]).chunks())
    apart = open_source([vix, f"{skew}&prefix=skew_"])
    assert apart.kinds == ("close", "skew_close")
    assert sum(len(chunk.observations) for chunk in apart.chunks()) == 4


def test_the_years_of_one_index_follow_one_another(tmp_path):
    a = index(tmp_path / "2017.csv", "2017-01-01", "2017-06-01")
    b = index(tmp_path / "2018.csv", "2018-01-01", "2018-06-01")
    assert sum(len(chunk.observations) for chunk in open_source([a, b]).chunks()) == 4


def test_two_descriptions_of_one_instrument_are_refused():
    other = A._replace(tick=Decimal(1, -4))
    with pytest.raises(InputError, match=r"b: .*-4.* is .*-2.* in a source before it"):
        Merged((Listed("a", trades(1)), Listed("b", trades(5), (other,))))


def test_empty_sources_give_nothing():
    none = Listed("none", trades())
    assert list(Merged((none, none))) == []
    assert merged(none, Listed("a", trades(1, 2)), none)["ts_recv"].tolist() == [1, 2]


@dataclass(frozen=True)
class Beside(Listed):
    """A source of bars and observations too; its chunks are cut where its events are."""

    bars: Bars = field(default_factory=lambda: NO_BARS)
    observations: Observations = field(default_factory=lambda: NO_OBSERVATIONS)
    kinds: tuple[str, ...] = ()

    def chunks(self):
        whole = Chunk(self.events, self.bars, self.observations)
        return cut(whole, tuple(range(self.chunk, len(self.events), self.chunk)))


def bars_at(*times):
    bars = np.zeros(len(times), BAR).view(BAR)
    bars["ts_recv"], bars["close"] = times, times
    return bars


def known_at(*times, instrument=EVERY, name="vix"):
    told = np.zeros(len(times), OBSERVATION).view(OBSERVATION)
    told["ts_recv"] = told["ts_event"] = told["value"] = times
    told["kind"], told["instrument"] = kind_of(name), instrument
    return told


@pytest.mark.parametrize("sizes", [(1, 1), (2, 5), (9, 1)])
def test_bars_and_observations_come_no_later_than_events_of_their_time(sizes):
    events = Listed("a", trades(*range(0, 20, 2)), chunk=sizes[0])
    vix = Beside(
        "v", trades(), (), sizes[1], observations=known_at(*range(1, 19, 3)), kinds=("vix",)
    )
    one = B._replace(depth=0)
    bars = Beside("b", trades(4, 8, 12), (one,), 1, bars=bars_at(4, 8, 12))
    source = Merged((events, vix, bars))
    found, latest = list(source.chunks()), -1
    for chunk in found:
        times = np.concatenate([part["ts_recv"] for part in chunk])
        assert len(times) and times.min() > latest
        latest = times.max()
    whole = Chunk(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    assert whole.bars["instrument"].tolist() == [1] * 3 and source.kinds == ("vix",)
    assert whole.observations["ts_recv"].tolist() == [*range(1, 19, 3)]
    assert (whole.observations["instrument"] == EVERY).all()
    assert told(whole.events)["ts_recv"].tolist() == sorted([*range(0, 20, 2), 4, 8, 12])


def test_bars_of_an_instrument_whose_book_another_source_tells_ride_along():
    book = Listed("a", opening(1, 2, 3, 4, 5))
    bars = Beside("b", trades(), (A._replace(depth=0),), bars=bars_at(2, 3))
    shown = tuple(i._replace(depth=0) for i in (B, A))
    told_of_a = Beside("o", trades(), shown, observations=known_at(2, instrument=1))
    source = Merged((bars, told_of_a, book))
    assert source.instruments == (A, shown[0])
    parts = zip(*source.chunks(), strict=True)
    events, both, observed = (np.concatenate(column) for column in parts)
    assert both["instrument"].tolist() == [0, 0] and observed["instrument"].tolist() == [0]
    mine = events["instrument"] == 0
    assert not (events["bits"][mine] & GAP).any(), "the end of the bars is no end of the book"


def test_bars_in_other_ticks_than_the_book_are_refused():
    coarse = A._replace(depth=0, tick=Decimal(1, 0))
    bars = Beside("b", trades(), (coarse,), bars=bars_at(2, 3))
    with pytest.raises(InputError, match="read them with the same options, or apart"):
        Merged((Listed("a", trades(1)), bars))


def test_what_is_observed_of_a_symbol_goes_to_the_one_venue_that_has_it():
    nothing = Decimal(0, 0)
    observed = Instrument("A", "file", nothing, nothing, depth=0)
    news = Beside("n", trades(), (observed,), observations=known_at(2, instrument=0))
    source = Merged((news, Listed("a", trades(1, 2, 3))))
    assert source.instruments == (A,)
    told = np.concatenate([chunk.observations for chunk in source.chunks()])
    assert told["instrument"].tolist() == [0]
    elsewhere = Listed("b", trades(1, 2, 3), (A._replace(venue="y"),))
    with pytest.raises(InputError, match=r"n: A is at x, y: say which, like \?venue=x"):
        Merged((news, Listed("a", trades(1)), elsewhere))
    assert Merged((news, Listed("b", trades(1), (B,)))).instruments == (B, observed)
