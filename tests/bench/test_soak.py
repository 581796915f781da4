import numpy as np
import pytest

from flowsense.bench.crowd import Pool, figures
from flowsense.bench.soak import (
    INSTRUMENTS,
    Look,
    Seen,
    availability,
    drift,
    grown,
    judged,
    names,
    numbers,
    risen,
)


def test_a_line_rises_by_its_slope_and_one_that_is_noisy_by_at_most_more():
    at = np.arange(1_200.0)
    slope, most = risen(np.stack([at, 400.0 + 7.0 * at / 3_600], 1))
    assert slope == pytest.approx(7.0, rel=1e-6) and most == pytest.approx(7.0, rel=1e-4)
    noise = np.random.default_rng(1).normal(0.0, 1.0, 1_200)
    slope, most = risen(np.stack([at, 400.0 + noise], 1))
    assert abs(slope) < 3.0 < most - slope + 3.0


def test_what_is_held_for_a_while_is_not_what_grows():
    at = np.arange(1_200.0)
    reloads = 25.0 * (np.random.default_rng(1).random(1_200) < 0.4)
    slope, most = risen(np.stack([at, 400.0 + reloads + 7.0 * at / 3_600], 1))
    assert 5.0 < slope < most < 10.0


def test_steps_are_no_proof_that_it_is_flat():
    at = np.arange(1_200.0)
    _, most = risen(np.stack([at, 400.0 + 8.0 * (at > 600)], 1))
    assert most > 10.0


def test_what_grew_and_what_drifted_is_of_the_second_half():
    looks = [Look(float(k), 0.0, 10 + (k > 4), 3.0, 4.0, 5.0) for k in range(10)]
    assert grown(looks, "files") == 1.0 and grown(looks, "tasks") == 0.0
    assert drift([2.0, 2.0, 3.0, 3.0]) == 1.5 and drift([2.0]) == 1.0


def test_seconds_without_a_venue_are_not_counted_and_those_without_a_prediction_are_missing():
    seen = Seen(0.0, faults=[(3.2, 4.5, "refuse")])
    for name in names(INSTRUMENTS):
        seen.heard[name] = {1, 2, 5}
    assert availability(seen, 1.0, 8.0) == (3 * INSTRUMENTS, 4 * INSTRUMENTS)


def test_numbers_of_a_page_are_summed_over_labels():
    assert numbers('# HELP a b\na{x="1"} 2\na{x="2 3"} 3.5\nb 1e3\n') == {"a": 5.5, "b": 1_000.0}


def test_what_is_not_answered_took_for_ever():
    pool = Pool(b"")
    pool.took, pool.statuses = [0.001, 0.003, 0.002], [200, 200, 503]
    found = figures(pool, 4)
    assert (found["asked"], found["answered"], found["fine"]) == (4, 3, 2)
    assert found["statuses"] == {"200": 2, "503": 1} and found["refused_p99_ms"] == 2.0
    assert found["p99_ms"] > 1_900 and found["fine_p99_ms"] < 3.1


def totals(each):
    named = ("feed_messages", "events", "predictions", "feed_reconnects", "feed_gaps")
    return {f"flowsense_{what}_total": each for what in (*named, "dropped", "clients_cut")}


def test_what_was_counted_before_anybody_looked_is_not_of_the_soak():
    seen = Seen(0.0, latencies={0: [1.0, 2.0]})
    seen.looks = [Look(float(at), 100.0, 9, 9.0, 9.0, 99.0) for at in range(2, 60)]
    seen.before, seen.numbers = totals(90_000.0), totals(90_000.0 + 100.0 * 57)

    found = judged(seen, 60.0).metrics

    assert found["messages_per_second"] == pytest.approx(100.0)
    assert {found["predictions"], found["gaps"], found["conflated"]} == {5_700.0}
