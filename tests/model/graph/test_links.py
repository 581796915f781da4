import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.pairs import FEWEST, KEEP
from flowsense.model.graph.links import chance, direct, leaders, links, tied
from flowsense.model.graph.rolling import Rolling, follow, observe, spans
from flowsense.testing import tape_of
from flowsense.testing.network import STEP, drawn, instruments, quotes, returns

PLANTED = [(0, 1, 3, 0.5), (2, 3, 7, -0.5), (4, 5, 1, 0.4)]


def learned(moves):
    rolling = Rolling.empty(moves.shape[1])
    follow(rolling, moves)
    return rolling


def area(score, truth):
    """Area under the curve of hits against false alarms: a planted one outranks another."""
    order = np.argsort(np.argsort(score)) + 1.0
    hits = truth.sum()
    return (order[truth].sum() - hits * (hits + 1) / 2) / (hits * (~truth).sum())


@pytest.mark.compiled
def test_planted_leads_are_found_with_their_lags_and_nothing_else():
    found = links(learned(returns(8, 2_000, PLANTED)))
    led = leaders(found)
    assert {(j, i) for i, j in np.argwhere(led).tolist()} == {(a, b) for a, b, _, _ in PLANTED}
    for a, b, lag, beta in PLANTED:
        assert found.lag[b, a] == lag and found.slope[b, a] == pytest.approx(beta, abs=0.08)
    assert not tied(found).any()


@pytest.mark.compiled
def test_a_random_network_of_twenty():
    """Edge AUC >= 0.9 and lags to within a row, over three networks."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        planted = drawn(rng, 20, 20)
        found = links(learned(returns(20, 3_000, planted, seed)))
        truth = np.zeros((20, 20), bool)
        for a, b, lag, _ in planted:
            truth[b, a] = True
            assert abs(found.lag[b, a] - lag) <= 1
        off = ~np.eye(20, dtype=bool)
        assert area(np.abs(found.lead)[off], truth[off]) >= 0.9


@pytest.mark.compiled
@pytest.mark.parametrize("seed", range(3))
def test_placebo_the_leader_shifted_in_time_leads_nobody(seed):
    moves = returns(8, 2_000, PLANTED, seed)
    for leader in (0, 2, 4):
        moves[:, leader] = np.roll(moves[:, leader], 700)
    found = links(learned(moves))
    assert not leaders(found).any() and not tied(found).any()


@pytest.mark.compiled
def test_the_level_of_the_threshold_is_its_rate_of_false_graphs():
    wrong = 0
    for seed in range(60):
        found = links(learned(returns(6, 400, (), seed)))
        wrong += leaders(found, 0.1).any() or tied(found, 0.1).any()
    assert 1 <= wrong <= 13  # 10 % of 60 is 6; binomial 99 %


@pytest.mark.compiled
def test_a_row_after_another_is_the_whole_at_once():
    moves = returns(5, 700, PLANTED[:1])
    moves[np.random.default_rng(0).random(moves.shape) < 0.05] = np.nan
    whole, parts = learned(moves), Rolling.empty(5)
    for row in moves:
        follow(parts, row[None])
    assert whole.pair.tobytes() == parts.pair.tobytes()
    assert whole.node.tobytes() == parts.node.tobytes()


def test_instants_of_a_stream_say_what_its_returns_say():
    moves = returns(3, 160, [(0, 1, 3, 0.7)])
    rows = tape_of(spec(("ofi",)), instruments(3), quotes(moves)).rows[0]
    rolling = Rolling.empty(3)
    for at in np.split(np.arange(len(rows.ts)), rows.instants()[1:-1]):
        observe(rolling, int(rows.ts[at[0]]), rows.instrument[at], rows.quote[at])
    n = len(rows.ts) // 3
    here, there = links(rolling), links(learned(np.r_[np.full((1, 3), np.nan), moves[1:n]]))
    np.testing.assert_allclose(here.lead, there.lead, rtol=1e-9)
    assert here.lag.tolist() == there.lag.tolist() and rolling.node["ts"][0] == n * STEP


def test_nothing_is_said_before_enough_rows_together():
    moves = returns(2, FEWEST - 1, [(0, 1, 1, 0.9)])
    assert not links(learned(moves)).lead.any()
    assert chance(np.zeros((2, 2)), 0.01).tolist() == [[1, 1], [1, 1]]


@pytest.mark.compiled
def test_memory_fades_a_lead_that_ended():
    moves = np.r_[returns(2, 3_000, [(0, 1, 2, 0.7)]), returns(2, 60_000, (), 1)]
    rolling = learned(moves)
    assert not leaders(links(rolling)).any()
    assert rolling.pair["weight"][0, 1] == pytest.approx(1 / (1 - KEEP), rel=1e-3)


def test_returns_that_are_none_are_refused():
    with pytest.raises(InputError, match=r"returns of shape \(3, 2\): give \(n, 4\)"):
        follow(Rolling.empty(4), np.zeros((3, 2)))


def test_spans_are_sums_of_rows_and_missing_where_one_is():
    moves = np.array([[1.0], [2], [np.nan], [4], [5], [6]])
    assert spans(moves, 2)[:, 0].tolist() == pytest.approx(
        [np.nan, 3, np.nan, np.nan, 9, 11], nan_ok=True
    )


@pytest.mark.compiled
def test_bouncing_mids_hide_a_lead_that_longer_returns_show():
    """Each mid is off its price by noise of its own, four times what a step brings."""
    rng, n = np.random.default_rng(100), 12_000
    price = np.cumsum(returns(2, n, [(0, 1, 6, 0.9)]), axis=0)
    moves = np.diff(price + rng.normal(0, 80, price.shape), axis=0, prepend=price[:1])
    short, long = links(learned(moves)), links(learned(spans(moves, 10)), width=10)
    assert not leaders(short)[1, 0] and leaders(long)[1, 0]
    assert abs(long.lag[1, 0] - 6) <= 2


@pytest.mark.compiled
def test_the_level_holds_for_returns_that_overlap_too():
    wrong = 0
    for seed in range(40):
        found = links(learned(spans(returns(4, 2_000, (), seed), 10)), width=10)
        wrong += (leaders(found, 0.1) | tied(found, 0.1)).any()
    assert wrong <= 9


@pytest.mark.compiled
def test_two_that_hear_of_one_are_not_leader_and_follower():
    """1 hears of 0 after 2 rows and 2 after 5: what 1 did, 2 does 3 rows later."""
    found = links(learned(returns(3, 3_000, [(0, 1, 2, 0.9), (0, 2, 5, 0.9)])))
    assert leaders(found)[2, 1] and found.lag[2, 1] == 3
    assert np.argwhere(direct(found)).tolist() == [[1, 0], [2, 0]]
