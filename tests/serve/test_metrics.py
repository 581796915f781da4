"""What is scraped: read back with Prometheus' own parser, and bounded whatever comes."""

from dataclasses import replace
from itertools import count, product

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flowsense.forecast import Regime, Veto
from flowsense.risk.breaker import Trip, Tripped
from flowsense.serve import Feed, Likelihood, Model, Prediction, Status, Swap
from flowsense.serve.alerts import RULES
from flowsense.serve.measured import FAMILIES, FEEDS, OUTCOMES, STAGES, WATCH
from flowsense.serve.metrics import Layout, Metrics
from flowsense.serve.series import MOST, Family, Series

TARGETS = tuple(f"mid@{k}s" for k in range(1, 11))
MEMBERS = tuple(f"member-{k}" for k in range(10))
VENUES = ("binance", "kraken")
SYMBOLS = tuple((VENUES[k % 2], f"S{k}") for k in range(50))
ROUTES = tuple(f"/v1/{k}" for k in range(16))
MODEL = Model("ensemble", "v1", "run", TARGETS, 202, MEMBERS, (0, 1), 5_000_000_000, "d")
SAID = tuple(Likelihood(target, 0.3, 0.3, 0.4, 0.1, True) for target in TARGETS)
TOLD = Prediction(
    1,
    10,
    "S0",
    "binance",
    TARGETS[0],
    1,
    0.7,
    0.01,
    2.0,
    10.0,
    9.0,
    11.0,
    2.0,
    (),
    SAID,
    False,
    "v1",
)
FULL = replace(
    TOLD,
    vetoes=tuple(str(v.name).lower() for v in Veto),
    regime=dict.fromkeys(map(str, Regime), 0.125),
    agreement=0.5,
    latency_us=dict.fromkeys(STAGES, 900.0),
)
FEED = Feed("binance", ("S0",), "live", 0, 10, 20, 1, 2, 3, 4_000_000_000)


@pytest.fixture
def metrics():
    return Metrics(Layout(SYMBOLS, MODEL, ROUTES, tuple(RULES), ("lake",)))


def scraped(metrics):
    """{(name, labels in the order of their names...): value} of all that is told."""
    text = metrics.render()[0].decode()
    each = (s for f in text_string_to_metric_families(text) for s in f.samples)
    return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for s in each}


def test_a_prediction_is_told_by_side_confidence_target_and_stage(metrics):
    metrics.told(replace(FULL, abstained=("member-3: late",)))

    found = scraped(metrics)

    assert found["flowsense_predictions_total", "up", "S0", "binance"] == 1
    assert found["flowsense_confidence_bucket", "up", "0.65"] == 0
    assert found["flowsense_confidence_bucket", "up", "0.7"] == 1
    assert found["flowsense_p_up_sum", "mid@3s"] == pytest.approx(0.4)
    assert found["flowsense_stage_seconds_bucket", "0.001", "total"] == 1
    assert found["flowsense_abstentions_total", "member-3", "late"] == 1
    assert found["flowsense_vetoes_total", "drawdown"] == 1


def test_what_has_not_happened_is_told_as_0_so_that_the_first_time_is_an_increase():
    found = scraped(Metrics(Layout(SYMBOLS)))
    assert found["flowsense_swaps_total", "refused"] == found["flowsense_clients",] == 0
    assert {found["flowsense_alerts_total", x] for x in ("sent", "failed", "dropped")} == {0}


def test_feeds_of_one_venue_are_added_up_and_the_most_silent_counts(metrics):
    feeds = (FEED, replace(FEED, state="resync", last=1_000_000_000))
    metrics.heard("binance", 2_000_000)
    metrics.heard("binance", -4_000_000)

    metrics.status(Status("running", "", 0, 1, 20, 3, 4, feeds, MODEL), now=5_000_000_000)

    found = scraped(metrics)
    assert found["flowsense_feed_messages_total", "binance"] == 20
    assert found["flowsense_feed_state", "resync", "binance"] == 1
    assert found["flowsense_feed_staleness_seconds", "binance"] == 4
    assert found["flowsense_feed_clock_skew_ms", "binance"] == -1
    assert found["flowsense_dropped_total",] == 3
    assert found["flowsense_pipeline_state", "running"] == 1


def test_a_venue_that_never_spoke_is_silent_since_the_start_and_none_is_once_it_is_stopped(metrics):
    never = replace(FEED, state="connecting", last=0)
    status = Status("running", "", 2_000_000_000, 0, 0, 0, 0, (never,), MODEL)
    metrics.status(status, now=9_000_000_000)

    assert scraped(metrics)["flowsense_feed_staleness_seconds", "binance"] == 7
    metrics.status(replace(status, state="stopped"), now=9_000_000_000)
    assert metrics.series.read("flowsense_feed_staleness_seconds") == {}


def test_a_clock_that_was_set_back_gives_no_negative_staleness(metrics):
    metrics.status(Status("running", "", 0, 1, 0, 0, 0, (FEED,), MODEL), now=1_000_000_000)

    assert scraped(metrics)["flowsense_feed_staleness_seconds", "binance"] == 0


def test_fewer_than_2000_series_with_50_instruments_and_every_label_there_is(metrics):
    fill(metrics)
    for family in (*OUTCOMES, *WATCH):  # told by others
        sets = [sorted(metrics.series.allowed[label]) for label in family.labels]
        for key in product(*sets):
            metrics.series.put(family.name, 1.0, key)

    found = scraped(metrics)

    assert metrics.series.refused == 0
    assert all(metrics.series.held.values())
    assert 1_500 < len(found) < 1_650 == MOST - 250


def fill(metrics):
    """Every method, with every label that it can have."""
    for venue, symbol in SYMBOLS:
        for side in (-1, 0, 1):
            metrics.told(replace(FULL, venue=venue, symbol=symbol, direction=side))
    metrics.told(replace(TOLD, forecasts=tuple(replace(one, ready=False) for one in SAID)))
    reasons = ("raised", "unsound", "late", "hung", "lost")
    metrics.told(replace(TOLD, abstained=tuple(f"{m}: {why}" for m in MEMBERS for why in reasons)))
    for venue in VENUES:
        metrics.heard(venue, 1)
        metrics.resynced({venue: 1})
    feeds = tuple(replace(FEED, venue=venue, state=state) for venue in VENUES for state in FEEDS)
    metrics.status(Status("running", "", 0, 1, 20, 0, 0, feeds, MODEL), now=5_000_000_000)
    metrics.breakers([Tripped(None, Trip.LOSS, 1)], {"loss": 1})
    metrics.weighed(dict.fromkeys(MEMBERS, 0.1))
    metrics.serving(MODEL, {f"column-{k}": k for k in range(202)})
    for route in ROUTES:
        for code in (200, 404, 429, 503):
            metrics.asked(route, code, 0.001)
    metrics.swapped(Swap(True, "v2", "v1"))
    metrics.swapped(Swap(False, "v1", "v1", "worse"))
    metrics.machine(0.001, 1, {"lake": 10**9})
    metrics.recorded("lake", False, 0)
    metrics.clients(3, 1)


def test_strange_labels_are_told_as_other_and_never_become_series(metrics):
    for k in range(500):
        metrics.told(replace(TOLD, symbol=f"x{k}", forecasts=(), vetoes=(f"veto {k}",)))
        metrics.asked(f"/{k}", 200 + k, 0.1)

    found = scraped(metrics)

    assert found["flowsense_predictions_total", "up", "other", "binance"] == 500
    assert found["flowsense_vetoes_total", "other"] == 500
    assert len(found) < 200


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_nothing_non_finite_gets_in(metrics, value):
    metrics.told(replace(FULL, confidence=value, position_size=value, agreement=value))
    metrics.asked(ROUTES[0], 200, value)

    body, kind = metrics.render()

    assert b" NaN\n" not in body and b" +Inf\n" not in body and b"e+300" not in body
    assert kind.startswith("text/plain")
    assert scraped(metrics)["flowsense_refused_total",] >= 4


def test_another_model_ends_the_series_of_the_one_before(metrics):
    fill(metrics)

    metrics.serving(replace(MODEL, version="v2", targets=("mid@1s",), members=()), {"spread": 1.0})

    found = scraped(metrics)
    assert ("flowsense_model_info", "ensemble", "v1") not in found
    assert found["flowsense_model_info", "ensemble", "v2"] == 1
    assert {key[1] for key in found if key[0] == "flowsense_p_up_sum"} == {"mid@1s"}
    assert not any(key[0] == "flowsense_member_weight" for key in found)
    assert found["flowsense_importance", "spread"] == 1


def test_what_is_beyond_the_most_is_refused_and_counted():
    series = Series((Family("n", "counter", "x", ("any",)),), {})

    for k in range(MOST + 5):
        series.add("n", (str(k),))

    assert (series.count, series.refused, len(series.read("n"))) == (MOST, 5, MOST)


def test_labels_that_do_not_fit_are_an_error_of_the_caller():
    series = Series((Family("n", "counter", "x", ("one",)),), {})

    with pytest.raises(ValueError, match="labels"):
        series.add("n", ("a", "b"))


def test_the_count_of_series_is_what_is_told():
    series = Series(FAMILIES, {})
    numbers = count()
    for family in FAMILIES:
        key = tuple(f"{label}-{next(numbers)}" for label in family.labels)
        (series.see if family.kind == "histogram" else series.put)(family.name, 1.0, key)

    told = [line for line in series.text().splitlines() if line[0] != "#"]

    assert series.count == len(told)


def test_numbers_of_numpy_are_told_as_numbers():
    series = Series((Family("n", "counter", "x"), Family("h", "histogram", "x", (), (1.0,))), {})

    series.add("n", by=np.float64(0.5))
    series.see("h", np.float32(0.5))

    assert "np." not in series.text()


def test_a_label_of_any_text_is_read_back_as_it_was():
    series, strange = Series((Family("n", "gauge", "x", ("any",)),), {}), 'a "b"\\n\n c\\'

    series.put("n", 1.5, (strange,))

    (family,) = text_string_to_metric_families(series.text())
    assert [(s.labels["any"], s.value) for s in family.samples] == [(strange, 1.5)]
