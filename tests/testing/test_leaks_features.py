"""Features: the checker names the family that knows its future, and no other."""

import numpy as np
import pytest
from besides import Counted, Peeks
from entries import registered
from plants import at_open

from flowsense.features import fold, stages
from flowsense.features.catalogue import DEFAULT, MORE, family, spec
from flowsense.testing.leaks.future import (
    CHECKS,
    CUT,
    GARBAGE,
    SHIFTED,
    check_families,
    futures,
    shifted,
)
from flowsense.testing.leaks.knowledge import check_stamps
from flowsense.testing.leaks.market import chunk_of, market
from flowsense.testing.streams import cut

KINDS = ("observed:mood", "observed:news_sentiment")
SPEC = ("depth", "bars", *KINDS)


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory):
    with registered(tmp_path_factory.mktemp("elsewhere"), "flowsense.features", (Counted, Peeks)):
        yield
    family.cache_clear()


@pytest.fixture(scope="module")
def stream(simulated):
    return chunk_of(simulated, 1_200)


def leaking(found):
    return {(one.what, one.check): one.why for one in found if one.leaks}


@pytest.mark.slow
def test_honest_families_pass_every_check(simulated, stream):
    asked = spec((*SPEC, "counted"), ("interval:100ms", "events:7"))
    found = check_families(asked, simulated.instruments, stream, 20)
    assert not leaking(found) and len(found) == len(CHECKS) * 5
    assert {one.what for one in found} == {"depth", "bars", *KINDS, "counted"}


def test_memory_outside_the_state_is_told_with_its_column(simulated, stream):
    Peeks.highest = 1
    asked = spec((*SPEC, "peeks"))
    found = leaking(check_families(asked, simulated.instruments, stream, 5))
    assert {what for what, _ in found} == {"peeks"}
    assert ("peeks", "garbage") in found and ("peeks", "again") in found
    assert "column peeks: " in found["peeks", "garbage"] and "row 0, " in found["peeks", "garbage"]


def by_event_time(patch):
    """Observations join by when they happened, not by when they were known."""
    honest = stages.told

    def told(waiting, more, latest):
        if "ts_event" not in waiting.dtype.names or not len(more):
            return honest(waiting, more, latest)
        both = np.concatenate([waiting, more])
        both["ts_recv"] = both["ts_event"]
        return both[np.argsort(both["ts_recv"], kind="stable")].view(waiting.dtype)

    patch.setattr(fold, "told", told)


def by_open(patch):
    """Bars join by when they opened."""
    honest = stages.told

    def told(waiting, more, latest):
        if "ts_open" not in waiting.dtype.names or not len(more):
            return honest(waiting, more, latest)
        return np.concatenate([waiting, at_open(more)]).view(waiting.dtype)

    patch.setattr(fold, "told", told)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "guilty"),
    [
        pytest.param(by_event_time, set(KINDS), id="event"),
        pytest.param(by_open, {"bars"}, id="open"),
    ],
)
def test_a_driver_that_joins_by_the_wrong_time_is_caught(
    plant, guilty, simulated, stream, monkeypatch
):
    plant(monkeypatch)
    found = leaking(check_families(spec(SPEC), simulated.instruments, stream, 20))
    assert {what for what, _ in found} == guilty
    assert {check for _, check in found} >= {"cut", "garbage"}


def looks_at_its_chunk(patch):
    honest = fold._rows

    def rows(out):
        found = honest(out)
        return found._replace(ts=found.ts + len(found.ts) % 2)

    patch.setattr(fold, "_rows", rows)


def test_a_driver_whose_rows_know_how_many_follow_is_no_fault_of_a_family(
    simulated, stream, monkeypatch
):
    looks_at_its_chunk(monkeypatch)
    found = leaking(check_families(spec(("depth",)), simulated.instruments, stream, 10))
    assert {what for what, _ in found} == {"rows"} and "ts differs" in found["rows", "cut"]


def test_every_future_is_the_same_as_far_as_the_cut(stream):
    head = next(cut(stream, (600,)))
    end = stream.events["ts_recv"][599]
    others = list(futures(stream, 600, 3, np.random.default_rng(0)))
    assert {check for check, _ in others} == {CUT, GARBAGE, SHIFTED}
    for _, other in others:
        for ours, theirs in zip(head, other, strict=True):
            n = len(ours)
            assert ours.tobytes() == theirs[:n].tobytes()
            assert (np.diff(theirs["ts_recv"]) >= 0).all()
            assert (theirs["ts_recv"][n:] >= end).all()


def test_the_same_future_sooner_begins_at_once(stream):
    head = next(cut(stream, (600,)))
    gap = int(np.diff(stream.events["ts_recv"][[599, 600]])[0])
    sooner = shifted(stream, head, -gap)
    assert sooner.events["ts_recv"][600] == stream.events["ts_recv"][599]
    assert (sooner.events["ts_recv"][600:] == stream.events["ts_recv"][600:] - gap).all()


@pytest.mark.parametrize("opened", [True, False])
def test_bars_stamped_at_their_open_are_caught(opened, simulated):
    stream = chunk_of(simulated, 10**9)
    assert not leaking(check_stamps(simulated.instruments, stream))
    wrong = stream._replace(bars=at_open(stream.bars, opened))
    found = leaking(check_stamps(simulated.instruments, wrong))
    assert {what for what, _ in found} == {"SIMA", "SIMB", "SIMC"}
    why = found["SIMA", "bars"]
    assert "is stamped when it opened" in why if opened else "100% of the bars" in why


def test_bars_alone_cannot_be_compared(simulated):
    stream = chunk_of(simulated, 10**9)
    quiet = stream._replace(events=stream.events[stream.events["action"] != 5])
    found = check_stamps(simulated.instruments, quiet)
    assert "not compared" in found[0].why and not found[0].leaks


def test_a_revision_stamped_with_what_it_revises_is_caught(simulated):
    stream = chunk_of(simulated, 10**9)
    told = stream.observations.copy()
    told["ts_recv"] = told["ts_event"]
    order = np.argsort(told["ts_recv"], kind="stable")
    found = leaking(
        check_stamps((), stream._replace(bars=stream.bars[:0], observations=told[order]))
    )
    assert "a revision is stamped with what it revises" in found["observations", "observations"]


def test_an_observation_known_before_it_happened_is_caught(simulated):
    stream = chunk_of(simulated, 10**9)
    told = stream.observations.copy()
    told["ts_event"][7] = told["ts_recv"][7] + 1
    found = leaking(check_stamps((), stream._replace(bars=stream.bars[:0], observations=told)))
    assert found["observations", "observations"].startswith("observation 7, received ")


def test_the_market_is_told_by_its_seed():
    a, b, c = market(5, 1), market(5, 1), market(5, 2)
    assert a.bars.tobytes() == b.bars.tobytes() and a.events.tobytes() != c.events.tobytes()
    assert a.observations.tobytes() == b.observations.tobytes() != c.observations.tobytes()


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.soak) for k in (1, 2))])
def test_no_row_of_any_family_changes_at_a_thousand_points(seed):
    made = market(60.0, seed)
    asked = spec((*DEFAULT, *MORE, *KINDS), ("interval:100ms", "events:7"))
    found = check_families(asked, made.instruments, chunk_of(made, 4_000), 1_000, seed)
    assert not leaking(found) and "1000 points" in found[0].why
