import numpy as np
import pytest
from markets import agree, told

from flowsense.features.catalogue import spec
from flowsense.features.pairs import FEWEST, KEEP, LAGS
from flowsense.schema import BEAT
from flowsense.testing import tape_of
from flowsense.testing.network import instruments, quotes, returns

SPEC = spec(("ofi", "related"))
LEADS = [(0, 1, 3, 0.7), (0, 2, 0, 0.8)]


def column(name, rows, k):
    """(n, k), NaN where missing; every instrument has a row at every instant here."""
    order = np.lexsort((rows.instrument, rows.ts))
    return told(name, SPEC, rows)[order].reshape(-1, k)


@pytest.fixture(scope="module")
def moves():
    return returns(4, 600, LEADS, seed=3)


@pytest.fixture(scope="module")
def rows(moves):
    return tape_of(SPEC, instruments(4), quotes(moves)).rows[0]


def weights(n):
    return KEEP ** np.arange(n - 1, -1, -1.0)


def correlations(moves, i, j):
    """(2 L + 1,) of i with j, lags -L .. L, over all rows so far: as the formula says."""
    n, w = len(moves), weights(len(moves))
    scale = np.sqrt((w @ moves[:, i] ** 2) * (w @ moves[:, j] ** 2))
    x = [w[k:] @ (moves[k:, i] * moves[: n - k, j]) for k in range(LAGS + 1)]
    y = [w[k:] @ (moves[k:, j] * moves[: n - k, i]) for k in range(LAGS + 1)]
    return np.r_[y[:0:-1], x] / scale


@pytest.mark.compiled
def test_correlation_beta_and_lag_are_the_oracles(rows, moves):
    moves = moves[1 : len(rows.ts) // 4]  # the first row has no return
    for i in range(4):
        every = {j: correlations(moves, i, j) for j in range(4) if j != i}
        j = max(every, key=lambda j: np.abs(every[j]).max())
        at = int(np.abs(every[j]).argmax())
        w = weights(len(moves))
        beta = (w @ (moves[:, i] * moves[:, j])) / (w @ moves[:, j] ** 2)
        last = {name: column(name, rows, 4)[-1, i] for name in SPEC.columns if "rel_" in name}
        assert last["rel_lag"] == at - LAGS
        found = [last[f"rel_{name}"] for name in ("corr", "peak", "beta")]
        agree(found, [every[j][LAGS], every[j][at], beta])


@pytest.mark.compiled
def test_basis_is_the_residual_of_the_levels_in_its_deviations(rows, moves):
    levels = np.cumsum(moves[: len(rows.ts) // 4], axis=0)[1:, [2, 0]]
    w = weights(len(levels))
    x, y = (levels - w @ levels / w.sum()).T
    slope = (w @ (x * y)) / (w @ (y * y))
    residual = x - slope * y
    deviation = np.sqrt(w @ residual**2 / w.sum())
    agree(column("rel_basis", rows, 4)[-1, 2], residual[-1] / deviation)


@pytest.mark.compiled
def test_what_is_told_is_the_beta_of_the_moves_that_have_not_arrived(rows, moves):
    """The follower hears 0.7 of the leader's last three moves; two more are a partner's noise."""
    said, n = column("rel_told", rows, 4)[:, 1], len(rows.ts) // 4
    due = 0.7 * sum(np.r_[np.zeros(k), moves[: n - k, 0]] for k in range(3))
    late = slice(n // 2, n)
    assert np.corrcoef(said[late], due[late])[0, 1] > 0.99
    assert abs(said[late] - due[late]).std() < 0.15 * due[late].std()
    assert (column("rel_told", rows, 4)[late, 3] == 0).all()  # nobody leads it


@pytest.mark.compiled
def test_degree_counts_those_beyond_chance(rows):
    assert column("rel_degree", rows, 4)[-1].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 0])


@pytest.mark.compiled
def test_a_partner_of_another_time_leads_nobody(moves):
    """The placebo: the leader's returns are those of two minutes later."""
    shifted = moves.copy()
    shifted[:, 0] = np.roll(moves[:, 0], 300)
    rows = tape_of(SPEC, instruments(4), quotes(shifted[:, [0, 1, 3]])).rows[0]
    assert (column("rel_told", rows, 3)[-200:] == 0).all()
    assert (column("rel_degree", rows, 3)[-200:] == 0).all()


@pytest.mark.compiled
def test_the_market_is_the_mean_in_deviations(rows, moves):
    n = len(rows.ts) // 4
    w, x = weights(n - 1), moves[1:n]
    z = x[-1] / np.sqrt(w @ x**2 / w.sum())
    agree(column("market_ret", rows, 4)[-1], np.full(4, z.mean()))


@pytest.mark.compiled
def test_the_order_of_instruments_changes_no_column(moves):
    here = tape_of(SPEC, instruments(3), quotes(moves[:300, :3])).rows[0]
    there = tape_of(SPEC, instruments(3), quotes(moves[:300, 2::-1])).rows[0]
    for name in ("rel_peak", "rel_lag", "rel_basis", "rel_told", "rel_degree"):
        agree(column(name, here, 3)[:, ::-1], column(name, there, 3))


def test_too_few_rows_or_nobody_else_and_all_is_missing(moves):
    rows = tape_of(SPEC, instruments(2), quotes(moves[: FEWEST // 2, :2])).rows[0]
    assert np.isnan(column("rel_corr", rows, 2)).all() and len(rows.ts) > 20
    rows = tape_of(SPEC, instruments(1), quotes(moves[:300, :1])).rows[0]
    assert np.isnan(told("rel_peak", SPEC, rows)).all()


def test_a_move_across_an_idle_time_is_no_return(moves):
    events = quotes(moves[:240, :2])
    late = events["ts_recv"] > events["ts_recv"][len(events) // 2]
    events["ts_recv"][late] += 600 * 10**9
    events["price"][late] += 5_000
    rows = tape_of(SPEC, instruments(2), events[events["action"] != BEAT]).rows[0]
    assert np.nanmax(np.abs(column("market_ret", rows, 2))) < 6  # deviations: no jump is in it
