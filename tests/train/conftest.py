import pytest

from flowsense.simulate.market import Market, simulate
from flowsense.testing import Recording


@pytest.fixture(scope="session")
def source():
    """Four minutes of a small market."""
    made = simulate(Market.tiny(), 240, 3)
    return Recording(made.instruments, made.events)
