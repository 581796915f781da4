"""A small market of which everything is known, for the leak checker."""

import pytest


@pytest.fixture(scope="session")
def simulated():
    """Five minutes of three instruments, with bars and observations, late and revised."""
    from flowsense.testing.leaks.market import market  # as in the conftest above

    return market(300.0, seed=0)
