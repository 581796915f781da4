"""Rules that hold when they should, are said once, and end."""

from dataclasses import replace

import pytest

from flowsense.errors import InputError
from flowsense.schema import SECOND
from flowsense.serve import Feed, Model, Status, Swap
from flowsense.serve.alerts import NOISY, RULES, Thresholds, Watch
from flowsense.serve.metrics import Layout, Metrics

MODEL = Model("x", "v", "run", ("mid@1s",), 1, (), (0, 1), 0, "d")
BEGIN = 1_700_000_000 * SECOND
FEED = Feed("binance", ("S",), "live", 0, 10, 20, 1, 2, 3, BEGIN)
STATUS = Status("running", "", 0, 1, 0, 0, 0, (FEED,), MODEL)


@pytest.fixture
def metrics():
    found = Metrics(Layout((("binance", "S"),), MODEL, rules=tuple(RULES), paths=("lake",)))
    found.status(STATUS, BEGIN)
    return found


def slow(metrics):
    for k in range(200):
        metrics.series.see("flowsense_stage_seconds", 0.06 if k % 50 == 0 else 0.01, ("total",))


def uncalibrated(metrics):
    for name, value in (("outcomes_total", 2_000), ("ece", 0.1), ("ece_limit", 0.02)):
        metrics.series.put(f"flowsense_{name}", value, ("mid@1s",))


BREAK = {
    "pipeline_down": lambda m: m.status(replace(STATUS, state="failed"), BEGIN),
    "feed_stale": lambda m: m.status(STATUS, BEGIN + 11 * SECOND),
    "feed_barred": lambda m: m.status(
        replace(STATUS, feeds=(replace(FEED, barred=3_600.0),)), BEGIN
    ),
    "feed_gaps": lambda m: m.status(replace(STATUS, feeds=(replace(FEED, gaps=8),)), BEGIN),
    "queue_growing": lambda m: m.status(replace(STATUS, waiting=20_000), BEGIN),
    "latency": slow,
    "calibration": uncalibrated,
    "drift_of_errors": lambda m: m.series.add("flowsense_drifts_total", ("mid@1s",)),
    "drift_of_columns": lambda m: m.series.put("flowsense_drift_psi_max", 0.3),
    "disk_low": lambda m: m.machine(0.0, 1, {"lake": 10**9}),
    "disk_refuses": lambda m: m.recorded("lake", True, 0),
    "swap_refused": lambda m: m.swapped(Swap(False, "v", "v", "worse")),
    "breaker_open": lambda m: m.series.put("flowsense_breaker_open", 1, ("loss",)),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_holds_alone_and_is_said_once(metrics, rule):
    watch = Watch(metrics.series)
    assert watch.look(BEGIN) == ()

    BREAK[rule](metrics)
    noisy, at = rule in NOISY, BEGIN + (11 if rule in NOISY else 1) * SECOND
    assert not noisy or watch.look(BEGIN + SECOND) == ()
    found = watch.look(at)

    assert [(a.rule, a.firing, a.since) for a in found] == [(rule, True, at)]
    assert found[0].says and watch.look(at + SECOND) == ()
    assert metrics.series.read("flowsense_alert")[rule,] == 1
    assert sum(metrics.series.read("flowsense_alert").values()) == 1


def test_what_lies_at_its_limit_is_said_once(metrics):
    """Beyond and within every other second: neither raised nor, once raised, ended each time."""
    watch, said = Watch(metrics.series), []
    uncalibrated(metrics)
    for s in range(120):
        wild = s < 20 or (s < 50 and s % 2)
        metrics.series.put("flowsense_ece", 0.1 if wild else 0.024, ("mid@1s",))
        said += [(s, a.firing) for a in watch.look(BEGIN + s * SECOND)]
    assert said == [(10, True), (110, False)]

    for s in range(120, 150):
        metrics.series.put("flowsense_ece", 0.1 * (s % 2), ("mid@1s",))
        assert watch.look(BEGIN + s * SECOND) == ()


def test_what_has_ended_is_said_and_what_goes_on_is_said_again(metrics):
    watch = Watch(metrics.series, Thresholds(again_s=60.0))
    metrics.machine(0.0, 1, {"lake": 10**9})
    (first,) = watch.look(BEGIN)

    assert watch.look(BEGIN + 59 * SECOND) == ()
    (again,) = watch.look(BEGIN + 60 * SECOND)
    metrics.machine(0.0, 1, {"lake": 10**11})
    (end,) = watch.look(BEGIN + 61 * SECOND)

    assert first.says == "lake: 1000000000 bytes free" and again.since == BEGIN
    assert not end.firing and end.since == BEGIN and end.at == BEGIN + 61 * SECOND
    assert watch.look(BEGIN + 62 * SECOND) == ()


def test_a_count_that_grew_is_forgotten_after_the_window(metrics):
    watch = Watch(metrics.series)
    watch.look(BEGIN)
    metrics.swapped(Swap(False, "v", "v", "worse"))

    said = [watch.look(BEGIN + s * SECOND) for s in range(10, 330, 10)]

    assert [a.firing for found in said for a in found] == [True, False]
    assert len(watch.memories) < 40


def test_a_counter_that_begins_anew_and_a_clock_set_back_are_no_alarm(metrics):
    watch = Watch(metrics.series)
    metrics.status(replace(STATUS, feeds=(replace(FEED, gaps=900),)), BEGIN)
    watch.look(BEGIN)

    metrics.status(replace(STATUS, feeds=(replace(FEED, gaps=1),)), BEGIN)

    assert watch.look(BEGIN + SECOND) == () and watch.look(BEGIN - 5 * SECOND) == ()


def test_there_is_a_case_for_every_rule():
    assert list(BREAK) == list(RULES)


@pytest.mark.parametrize("bad", [{"gaps": 0}, {"budget_s": 0.06}, {"free": -1}])
def test_thresholds_that_are_none_are_refused(metrics, bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Watch(metrics.series, Thresholds(**bad))
