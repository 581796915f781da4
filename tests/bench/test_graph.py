"""What the benchmark measures is what it says, in short."""

import numpy as np
import pytest

from flowsense.bench import graph
from flowsense.testing.network import Led

pytestmark = pytest.mark.compiled


def test_area_is_the_share_of_pairs_that_are_ranked_right():
    truth = np.array([True, False, True, False])
    assert graph.area(np.array([4.0, 1, 3, 2]), truth) == 1
    assert graph.area(np.array([4.0, 3, 1, 2]), truth) == 0.5


def test_lags_are_of_follower_and_leader():
    assert graph.planted(3, (Led(0, 2, 4, 0.5),)).tolist() == [[0, 0, 0], [0, 0, 0], [4, 0, 0]]


def test_planted_edges_lags_and_cycles_are_found():
    found = graph.walks(20, 20, 3)
    assert found["walks_edge_auc"] >= 0.9 and found["walks_lag_within_1"] == 1
    assert found["walks_direct_false"] <= 1
    assert graph.cycles(2)["cycles_found"] == 1


@pytest.mark.slow
def test_edges_of_simulated_books_are_found():
    found = graph.books()
    assert found["books_edge_auc"] >= 0.9 and found["books_lag_error_median"] <= 1


@pytest.mark.slow
def test_alarms_come_as_stated_and_the_sooner_the_larger_the_change():
    found = graph.changes(10_000)
    assert 0.7 < found["breaks_rows_per_alarm"] / found["breaks_rows_per_alarm_stated"] < 1.4
    assert found["breaks_delay_0.5_to_-0.5"] < found["breaks_delay_0.7_to_0.3"] < 200


@pytest.mark.slow
def test_every_planted_cycle_of_simulated_books_is_found():
    found = graph.quoted(300.0)
    assert found["quoted_cycles"] >= 3 and found["quoted_cycles_found"] == 1
    assert found["quoted_rows_with_one_besides"] < 0.02
