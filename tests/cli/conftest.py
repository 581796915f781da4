import pytest

from flowsense.simulate import saved
from flowsense.simulate.market import Market, simulate


@pytest.fixture(scope="session")
def market(tmp_path_factory):
    """A folder with a small simulated recording, as `flowsense simulate` leaves it."""
    folder = tmp_path_factory.mktemp("cli") / "market"
    saved.save(simulate(Market.tiny(), 240, 3), folder)
    return folder


@pytest.fixture(scope="session")
def small():
    """Options of a run that takes a second."""
    return [
        "--models",
        "vote",
        "--targets",
        "mid@500ms,magnitude@1s",
        "--families",
        "depth,ofi,flow",
    ]
