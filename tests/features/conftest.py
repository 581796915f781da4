import pytest
from markets import L3, Market

from flowsense.testing.toy import by_level, by_order


@pytest.fixture(scope="session")
def market():
    """By level; longer than the weights of the context live."""
    return Market(by_level(by_order(5_000, seed=11)))


@pytest.fixture(scope="session")
def orders_market():
    return Market(by_order(5_000, seed=12), L3)
