from itertools import permutations

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.model.graph.cycles import arbitrage, rates_of


def fair(rng, n, cost=1e-3):
    """Rates of n currencies of one price each, every trade losing `cost`."""
    price = np.exp(rng.normal(size=n))
    return price[:, None] / price[None, :] * (1 - cost)


def thinned(rng, rates, share):
    return np.where(rng.random(rates.shape) < share, rates, 0.0)


def plant(rates, fair, path, gain):
    """Open the markets of the circle; rates rise until a turn gains so much, by one factor."""
    legs = list(zip(path, path[1:] + path[:1], strict=True))
    now = np.prod([fair[leg] for leg in legs])
    for leg in legs:
        rates[leg] = fair[leg] * ((1 + gain) / now) ** (1 / len(legs))


def slowly(rates, longest):
    """Every simple cycle that gains, by trying all."""
    n, found = len(rates), set()
    for length in range(2, longest + 1):
        for path in permutations(range(n), length):
            legs = zip(path, (*path[1:], path[0]), strict=True)
            if path[0] == min(path) and np.prod([rates[leg] for leg in legs]) > 1 + 1e-9:
                found.add(path)
    return found


def test_dollars_to_euros_to_yen_and_back():
    rates = np.array([[0, 0.9, 0], [0, 0, 160.0], [0.007, 0, 0]])  # 0.9 x 160 x 0.007 = 1.008
    (found,) = arbitrage(rates)
    assert found.path == (0, 1, 2) and found.gain == pytest.approx(0.008)
    assert arbitrage(rates, fee=0.002)[0].gain == pytest.approx(1.008 * 0.998**3 - 1)
    assert arbitrage(rates, fee=0.003) == ()


@pytest.mark.parametrize("seed", range(8))
def test_all_cycles_are_those_found_by_trying_all(seed):
    rng = np.random.default_rng(seed)
    rates = thinned(rng, fair(rng, 7), 0.8) * np.exp(rng.normal(0, 0.004, (7, 7)))
    np.fill_diagonal(rates, 0.0)
    expected = slowly(rates, 5)
    found = arbitrage(rates, longest=5)
    assert {c.path for c in found} >= expected and (expected or seed)
    assert {c.path for c in found if len(c.path) <= 5} == expected
    assert [c.gain for c in found] == sorted((c.gain for c in found), reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_every_planted_cycle_is_found_among_a_hundred_currencies(seed):
    rng = np.random.default_rng(seed)
    full, order = fair(rng, 100), rng.permutation(100).tolist()
    rates = thinned(rng, full, 0.3)
    planted = [order[3 * k : 3 * k + 3] for k in range(4)] + [order[20:24], order[30:35]]
    for path in planted:
        plant(rates, full, path, 0.0005)
    found = {c.path for c in arbitrage(rates)}
    assert {tuple(p[p.index(min(p)) :] + p[: p.index(min(p))]) for p in planted} <= found


@pytest.mark.parametrize("fee", [0.0, 1e-4])
def test_without_a_cycle_none_is_found(fee):
    assert arbitrage(fair(np.random.default_rng(1), 60), fee) == ()


def test_a_cycle_longer_than_asked_is_still_told_once_per_component():
    rng = np.random.default_rng(2)
    rates = np.zeros((24, 24))
    for part in (range(12), range(12, 24)):
        plant(rates, fair(rng, 24), rng.permutation(list(part)).tolist(), 0.01)
    found = arbitrage(rates, longest=4)
    assert [len(c.path) for c in found] == [12, 12]
    assert [c.gain for c in found] == pytest.approx([0.01, 0.01])


def test_rates_of_markets_sell_at_the_bid_and_buy_at_the_ask():
    rates = rates_of([(0, 1), (0, 1)], np.array([99.0, 98.0]), np.array([100.0, 101.0]), 2)
    assert rates.tolist() == [[0, 99], [0.01, 0]]


@pytest.mark.parametrize(
    ("rates", "fee", "said"),
    [
        (np.ones((2, 3)), 0.0, "square"),
        (np.array([[1, np.inf], [1, 1]]), 0.0, r"rates\[0, 1\] is inf"),
        (np.array([[1, 1], [-2.0, 1]]), 0.0, r"rates\[1, 0\] is -2"),
        (np.ones((2, 2)), 1.0, "fee 1"),
    ],
)
def test_what_is_no_rate_is_refused(rates, fee, said):
    with pytest.raises(InputError, match=said):
        arbitrage(rates, fee)
