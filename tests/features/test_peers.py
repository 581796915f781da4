from itertools import pairwise

import numpy as np
import pytest
from markets import GRID, L2, agree, told

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.fold import Fold
from flowsense.testing import tape_of
from flowsense.testing.toy import by_level, by_order, merge

THREE = tuple(L2._replace(symbol=s) for s in "ABC")


@pytest.fixture(scope="module")
def rows():
    streams = [
        by_level(by_order(n, seed, k))
        for k, (n, seed) in enumerate(((900, 1), (1500, 2), (1200, 3)))
    ]
    return tape_of(GRID, THREE, merge(*streams)).rows[0]


def instants(rows):
    edges = rows.instants()
    return [np.arange(a, b) for a, b in pairwise(edges)]


def slow(rows, signal):
    """Mean of the others of an instant, NaN where there are none."""
    out = np.full(len(rows.ts), np.nan)
    for at in instants(rows):
        for r in at:
            others = [signal[q] for q in at if q != r and signal[q] == signal[q]]
            out[r] = np.mean(others) if others else np.nan
    return out


@pytest.mark.compiled
def test_means_are_the_oracles(rows):
    for name in ("imb_l1", "ofi_share_1s", "flow_share_1s"):
        agree(told(f"peers_{name}", GRID, rows), slow(rows, told(name, GRID, rows)))
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.sqrt(told("rv_1m", GRID, rows) / 60 / 2)
        z = np.where(deviation > 0, told("ret_1s", GRID, rows) / deviation, np.nan)
    agree(told("peers_ret_1s", GRID, rows), slow(rows, z))


@pytest.mark.compiled
def test_the_leader_is_the_busiest_other(rows):
    busy, share = told("arrivals_1m", GRID, rows), told("ofi_share_1s", GRID, rows)
    out = np.full(len(rows.ts), np.nan)
    for at in instants(rows):
        for r in at:
            others = [q for q in at if q != r]
            out[r] = share[max(others, key=lambda q: (busy[q], -q))] if others else np.nan
    agree(told("lead_ofi_share_1s", GRID, rows), out)


def test_alone_there_are_no_peers():
    rows = tape_of(GRID, THREE[:1], by_level(by_order(300, 1))).rows[0]
    assert np.isnan(told("peers_imb_l1", GRID, rows)).all()
    assert np.isnan(told("lead_ret_1s", GRID, rows)).all()


def test_a_family_that_reads_others_names_what_is_missing():
    with pytest.raises(InputError, match=r"peers.* reads .*ret_1s"):
        Fold(spec(("ofi", "peers")), THREE)
