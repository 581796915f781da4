import numpy as np
import pytest
from backtest.candles import MINUTE, flat, recording

from flowsense.backtest.bars import Frictions
from flowsense.backtest.closes import Settings, backtest
from flowsense.backtest.sensitivity import (
    Point,
    Sensitivity,
    capacity,
    costs,
    dearer,
    latency,
    turns,
    vary,
)
from flowsense.backtest.strategies.coin import Random
from flowsense.errors import InputError
from flowsense.exchange.client import Terms

PRICES = 10_000 + np.cumsum(np.random.default_rng(0).integers(-20, 21, 200))
MADE = recording(flat(*PRICES.tolist(), lots=100))
FEES = (Terms(taker=0.001),)


def traded(factor=1.0, size=1):
    """Without edge, at so many times the costs, or so many times as large."""
    coin = Random(chance=0.5, hold_ns=5 * MINUTE, lots=size)
    frictions = Frictions(1e-4, 1.0, 0.1).times(factor)
    return backtest(MADE, coin, Settings(1e8, frictions, dearer(FEES, factor)))


def test_what_has_no_edge_loses_in_proportion_to_its_costs():
    s = costs(traded, (0, 1, 2, 4))
    lost = [s.points[0].net - p.net for p in s.points]
    assert (s.name, s.unit) == ("costs", "x") and lost[0] == 0
    assert lost[1:] == pytest.approx([lost[1], 2 * lost[1], 4 * lost[1]], rel=0.05)
    assert s.points[2].turnover == pytest.approx(s.points[0].turnover, rel=1e-3)


def test_more_size_fills_less_and_pays_more_for_each():
    s = capacity(lambda x: traded(size=round(x)), (1, 4, 16))
    ratios = [p.fill_ratio for p in s.points]
    assert ratios[0] > 0.9 > ratios[-1] and ratios == sorted(ratios, reverse=True)
    each = [(p.gross - p.net) / p.turnover for p in s.points]
    assert each[0] < each[1]


def test_the_point_where_an_edge_is_eaten_lies_on_the_line():
    def at(x, net):
        return Point(x, net, 0.0, None, 0.0, 0.0, None)

    assert turns(Sensitivity("costs", "x", (at(0, 3), at(1, 1), at(2, -3)))) == 1.25
    assert turns(Sensitivity("costs", "x", (at(0, -1), at(1, -2)))) is None


def test_latency_is_given_in_milliseconds():
    result = traded()
    s = latency(lambda ms: result)
    assert [p.at for p in s.points] == [0, 1, 10, 100] and s.unit == "ms"


@pytest.mark.parametrize("grid", [(), (1, 1), (2, 1), (-1, 0), (0, float("nan"))])
def test_a_grid_that_does_not_rise_is_refused(grid):
    with pytest.raises(InputError, match="give numbers from 0 that rise"):
        vary("costs", "x", lambda x: traded(), grid)


def test_dearer_terms_keep_rebates_and_funding():
    t = Terms(0.1, 0.2, 0.3, 0.4, 0.5)
    assert dearer((t,), 2)[0][:5] == (0.2, 0.4, 0.3, 0.8, 0.5)
