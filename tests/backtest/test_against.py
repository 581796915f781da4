"""Which of two arms earns more: by hand, at every look, and on equals no more often than said."""

from dataclasses import replace

import numpy as np
import pytest
from toys import Ewma

from flowsense.backtest import FILL, MARK, Result, sheet
from flowsense.backtest.against import MINUTE, block_of, compared
from flowsense.backtest.arms import Arm, Plan
from flowsense.backtest.sheet import against
from flowsense.errors import InputError
from flowsense.evaluate.sequential import WARM
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model.calibrated import Calibrated
from flowsense.risk.settings import Settings
from flowsense.schema import SECOND, Decimal, Instrument, zeros

X = Instrument("X", "v", Decimal(1, -1), Decimal(1, 0))
T0 = int(np.datetime64("2024-01-02T10:00", "ns").astype(np.int64))


def run(gains, name="one", capital=1_000.0, start=T0, step=MINUTE, last=0, **more):
    """Marks on each minute after gains (m,), and a last one `last` ns after them."""
    level = np.r_[0.0, np.cumsum(gains)]
    marks = zeros(MARK, len(level) + (last > 0))
    marks["ts"][: len(level)] = start + step * np.arange(len(level))
    marks["equity"][: len(level)] = marks["gross"][: len(level)] = capital + level
    marks["turnover"] = np.arange(len(marks)) * 100
    marks["regime"] = -1
    if last:
        marks[-1] = marks[-2]
        marks["ts"][-1] += last
    for key, each in more.items():
        marks[key] = each * np.arange(len(marks))
    return Result(name, capital, (X,), marks, zeros(FILL), {"sent": 1}, {})


def drawn(seed, mean=0.0, n=300):
    return np.random.default_rng(seed).normal(mean, 1.0, n)


def prefix(r, n):
    """As it stood after n marks, the last of them a little later."""
    marks = r.marks[: n + 1].copy()
    marks[-1] = marks[-2]
    marks["ts"][-1] += SECOND
    return r._replace(marks=marks)


def test_who_earned_more_and_where_it_comes_from_by_hand():
    """B has twice the capital: 6 of 2,000 is 30 bp, 2 of 1,000 is 20 bp."""
    a = run([1.0, -1.0, 2.0], fees=1.0, gross=0.0)
    b = run([2.0, 2.0, 2.0], "other", capital=2_000.0, slippage=-2.0)
    a.marks["gross"], b.marks["gross"] = a.marks["equity"] + a.marks["fees"], (
        b.marks["equity"] + b.marks["slippage"]
    )  # fmt: skip
    found = compared(a, b, MINUTE)
    assert (found.a.net, found.a.gross, found.a.fees) == (2, 5, 3)
    assert (found.b.net, found.b.gross, found.b.slippage) == (6, 0, -6)
    assert found.gap == pytest.approx((-0.001, 0.005, -0.003, -0.003, 0.0))
    assert found.gap.net == pytest.approx(
        found.gap.gross + found.gap.slippage + found.gap.fees + found.gap.funding
    )
    assert found.start == T0 and found.end == T0 + 3 * MINUTE
    assert any("capitals differ" in text for text in found.warnings)


def test_the_better_is_found_and_when_is_the_end_of_a_block():
    a, b = run(drawn(0)), run(drawn(1, 1.0), "b")
    found = compared(a, b, 2 * MINUTE)
    assert found.in_turn.better == "b" and (found.in_turn.at - T0) % (2 * MINUTE) == 0
    since = str(np.datetime64(found.in_turn.at, "ns").astype("M8[m]")).replace("T", " ")
    assert found.sentence == f"B earns more since {since} UTC"
    assert found.ci95[1] < 0 and found.in_turn.interval[1] < 0 and found.in_turn.mean < 0
    turned = compared(b, a, 2 * MINUTE)
    assert turned.in_turn.better == "a" and turned.in_turn.at == found.in_turn.at
    assert turned.gap.net == pytest.approx(-found.gap.net)


@pytest.mark.slow
def test_whoever_looks_at_any_time_sees_what_is_seen_later():
    """What is known at a look is the same, whatever comes after it."""
    a, b = run(drawn(0, n=90)), run(drawn(1, 1.5, n=90), "b")
    whole, decided = compared(a, b, MINUTE).in_turn, 0
    for n in range(1, 90):
        seen = compared(prefix(a, n), prefix(b, n), MINUTE).in_turn
        if T0 + (n - 1) * MINUTE < whole.at:
            assert seen.better is None and seen.blocks == max(0, n - 1 - WARM)
        else:
            decided += 1
            assert (seen.better, seen.at) == (whole.better, whole.at)
    assert decided > 10


def test_a_block_counts_from_when_its_end_has_been_passed():
    """The mark of an end may yet hear of executions; the next instant closes it."""
    a, b = drawn(0, n=WARM + 2), drawn(1, n=WARM + 2)
    assert compared(run(a), run(b, "b"), MINUTE).in_turn.blocks == 1
    ended = compared(run(a, last=SECOND), run(b, "b", last=SECOND), MINUTE)
    assert ended.in_turn.blocks == 2


def test_the_scale_of_money_changes_nothing():
    a, b = drawn(0), drawn(1, 0.4)
    one = compared(run(a), run(b, "b"), MINUTE)
    other = compared(run(1e-4 * a), run(1e3 * b, "b", capital=1e10), MINUTE)
    assert one.in_turn.at == other.in_turn.at and one.sentence == other.sentence


@pytest.mark.parametrize("a", [np.zeros(60), drawn(0, n=60)])
def test_equals_at_every_minute_are_told_to_be(a):
    found = compared(run(a), run(a, "b"), MINUTE)
    assert found.in_turn.better is None and found.in_turn.blocks == 0
    assert found.sentence == "A and B earned the same in every minute"
    assert found.ci95 == (0.0, 0.0)


def test_ties_leave_it_undecided_until_there_is_something():
    gap = np.zeros(300)
    gap[::10] = drawn(3, n=30)
    found = compared(run(np.zeros(300)), run(gap, "b"), MINUTE)
    assert found.sentence.startswith("undecided after 2")


def test_an_arm_without_a_trade_stands_for_doing_nothing():
    idle = run(np.zeros(300))
    idle.marks["turnover"] = 0
    found = compared(idle, run(drawn(1, -1.0), "b"), MINUTE)
    assert found.in_turn.better == "a" and found.a.turnover == 0
    assert "A traded nothing while both ran" in found.warnings[0]


def test_of_two_that_never_traded_one_sentence_is_said():
    idle = run(np.zeros(3))
    idle.marks["turnover"] = 0
    found = compared(idle, idle, MINUTE)
    assert found.warnings == ()
    said = list(against.sentences(sheet.told(idle, against=found)["against"]))
    assert said == ["Neither traded while both ran: there is nothing to compare."]


def test_before_the_scale_is_settled_nothing_is_called_undecided():
    found = compared(run(drawn(0, n=6)), run(drawn(1, n=6), "b"), MINUTE)
    assert found.in_turn.blocks == 0
    assert found.sentence == "too few blocks of 60 s so far: the first eight settle the scale"


def test_only_the_time_in_which_both_ran_counts():
    early = run(np.r_[np.full(30, 50.0), drawn(0, n=60)])
    late = run(np.r_[drawn(1, n=60), np.full(45, 50.0)], "b", start=T0 + 30 * MINUTE)
    found = compared(early, late, MINUTE)
    assert (found.start, found.end) == (T0 + 30 * MINUTE, T0 + 90 * MINUTE)
    assert found.a.net == pytest.approx(drawn(0, n=60).sum())
    assert found.b.net == pytest.approx(drawn(1, n=60).sum())
    assert "only the time in which both did counts" in found.warnings[0]
    assert found.in_turn.blocks == 60 - 1 - WARM


def test_arms_that_never_met_and_odd_blocks_are_refused():
    one, other = run(np.ones(5)), run(np.ones(5), "b", start=T0 + 9 * MINUTE)
    with pytest.raises(InputError, match="never ran at the same time"):
        compared(one, other, MINUTE)
    with pytest.raises(InputError, match="never ran"):
        compared(one, one._replace(marks=zeros(MARK)), MINUTE)
    for block in (0, 90 * SECOND):
        with pytest.raises(InputError, match="whole minutes"):
            compared(one, one, block)


def test_one_mark_each_says_nothing_and_does_not_fail():
    found = compared(run([]), run([], "b"), MINUTE)
    assert found.ci95 is None and found.in_turn.blocks == 0 and found.a.net == 0
    assert sheet.render(sheet.told(run([]), against=found))


def test_clocks_that_differ_within_a_minute_are_compared_by_minutes():
    """Gains are of the block in which they were known."""
    a, b = run(drawn(0)), run(drawn(1, 1.0), "b", start=T0 + 7 * SECOND)
    found, even = compared(a, b, MINUTE), compared(a, run(drawn(1, 1.0), "b"), MINUTE)
    assert found.gap.net == pytest.approx(even.gap.net, rel=0.02)
    assert 0 <= found.in_turn.at - even.in_turn.at <= MINUTE


def test_a_quiet_hour_belongs_to_the_block_in_which_it_was_known():
    """An hour without an instant, across the gain that decides: nobody knew it before its end."""
    a, b = run(drawn(0)), run(drawn(1, 1.0), "b")
    at = compared(a, b, MINUTE).in_turn.at
    for r in (a, b):
        r.marks["ts"][(at - T0) // MINUTE :] += 60 * MINUTE
    assert compared(a, b, MINUTE).in_turn.at == at + 60 * MINUTE


def test_neighbours_that_gain_alike_and_long_holding_are_warned_of():
    wave = np.repeat(drawn(0, n=60), 5)
    found = compared(run(np.zeros(300)), run(wave, "b", exposure=50.0), MINUTE)
    said = " ".join(found.warnings)
    assert "neighbouring blocks gain alike" in said and "B holds for about" in said
    assert "gain alike" not in " ".join(compared(run(wave), run(wave, "b"), MINUTE).warnings)


def test_few_blocks_are_warned_of():
    found = compared(run(drawn(0, n=6)), run(drawn(1, n=6), "b"), MINUTE)
    assert any("too narrow to trust" in text for text in found.warnings)


MODEL = Calibrated(Ewma(Target("mid", 20 * SECOND)), np.array([[1.0, 1.0, 0.0]]))


def test_blocks_are_whole_minutes_of_ten_horizons_that_are_acted_on():
    plan, columns = Plan(None), spec(("depth",))
    fast = Calibrated(Ewma(Target("mid", SECOND)), np.array([[1.0, 1.0, 0.0]]))
    arms = {"a": Arm(MODEL, columns, plan), "b": Arm(fast, columns, plan)}
    assert block_of(arms) == 4 * MINUTE and block_of({"b": arms["b"]}) == MINUTE
    odd = replace(plan, risk=Settings(target=Target("mid", 7 * SECOND)))
    with pytest.raises(InputError, match="the model forecasts mid@20s"):
        block_of({"a": Arm(MODEL, columns, odd)})


@pytest.mark.slow
def test_the_sheet_shows_both_and_says_the_same():
    a, b = run(drawn(0)), run(drawn(1, 1.0), "other <b>")
    content = sheet.told(a, against=compared(a, b, MINUTE, targets=("mid@1s",)))
    page = sheet.render(content)
    assert "Against other &lt;b&gt;, which is B here: B earns more since" in page
    assert "net gains of A and of B" in page
    said = " ".join(against.sentences(content["against"]))
    assert "bp of the capital less than B in 5 h (A less B, 95 %: \N{MINUS SIGN}" in said
    assert "flowsense compare" in said and "bp an hour" in said
    assert sheet.told(a)["against"] is None and "Against another" not in sheet.render(sheet.told(a))
