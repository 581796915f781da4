"""A small market of which everything is known, for the leak checker."""

import pytest

from flowsense.testing.leaks.market import market


@pytest.fixture(scope="session")
def simulated():
    """Five minutes of three instruments, with bars and observations, late and revised."""
    return market(300.0, seed=0)
