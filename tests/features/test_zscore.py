import numpy as np
import pytest
from markets import L2, L3, Market, agree

from flowsense.features.catalogue import columns, spec
from flowsense.testing import tape_of

NEEDS = ("depth", "spread", "volatility", "ofi", "flow", "arrivals", "queue", "zscore")


def test_columns_are_the_oracles(market: Market):
    ts = market.rows.ts / 1e9
    for name in ("spread", "imb_l1", "rv_10s"):
        x, want = market.column(name), []
        for k in range(len(x)):
            past = np.flatnonzero(~np.isnan(x[:k]))
            if len(past) < 30 or np.isnan(x[k]):
                want.append(np.nan)
                continue
            weight = np.exp((ts[past] - ts[k]) / 600)
            mean = weight @ x[past] / weight.sum()
            deviation = np.sqrt(weight @ (x[past] - mean) ** 2 / weight.sum())
            want.append((x[k] - mean) / deviation if deviation > 0 else np.nan)
        got = market.column(f"z_{name}")
        both = ~np.isnan(got)
        np.testing.assert_allclose(got[both], np.array(want)[both], rtol=2e-3, atol=2e-3)
        assert both.sum() > 50


@pytest.mark.compiled
def test_an_instrument_is_compared_with_itself_alone(events):
    asked = spec(NEEDS)
    width = len(columns(("zscore",)))
    together = tape_of(asked, (L3, L2), events).rows[0]
    for k, instrument in enumerate((L3, L2)):
        mine = events[events["instrument"] == k]
        mine["instrument"] = 0
        alone = tape_of(asked, (instrument,), mine).rows[0]
        here = together.X[together.instrument == k, -width:]
        n = min(len(here), len(alone.X))
        assert n > 100
        agree(alone.X[:n, -width:], here[:n])
