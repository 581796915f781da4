import pytest
from markets import L3, Market
from numba import config

from flowsense.testing.toy import by_level, by_order

STEPS = 2_500 if config.DISABLE_JIT else 5_000


@pytest.fixture(scope="session")
def market():
    """By level; longer than the weights of the context live."""
    return Market(by_level(by_order(STEPS, seed=11)))


@pytest.fixture(scope="session")
def orders_market():
    return Market(by_order(STEPS, seed=12), L3)
