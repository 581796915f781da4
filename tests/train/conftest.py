import pytest

from flowsense.forecast import Target
from flowsense.simulate.market import Market, simulate
from flowsense.testing import Recording
from flowsense.train.config import RunConfig
from flowsense.train.run import run


@pytest.fixture(scope="session")
def source():
    """Four minutes of a small market."""
    made = simulate(Market.tiny(), 240, 3)
    return Recording(made.instruments, made.events)


@pytest.fixture(scope="session")
def two(source):
    """A run of two models, on a side and a size."""
    targets = (Target("mid", 500_000_000), Target("magnitude", 10**9))
    return run(source, RunConfig(("imbalance", "antisymmetric"), targets=targets))


@pytest.fixture(scope="session")
def saved(two, tmp_path_factory):
    """Its folder."""
    place = tmp_path_factory.mktemp("two") / "out"
    two.save(place)
    return place
