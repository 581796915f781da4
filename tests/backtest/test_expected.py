import pytest

from flowsense.backtest.expected import trading
from flowsense.forecast import Target
from flowsense.schema import SECOND
from flowsense.simulate.market import Market, simulate
from flowsense.store.events import write_events
from flowsense.train.read import read

TARGETS = (Target("mid", SECOND),)


@pytest.fixture(scope="module")
def market():
    return simulate(Market.tiny(), 60, 1)


@pytest.fixture
def recording(market, tmp_path):
    return kept(tmp_path / "events.parquet", market, len(market.events))


def kept(path, made, n):
    """A file of the first n events."""
    write_events(path, made.instruments, [made.events[:n]])
    return read(path, families=("depth",))


@pytest.mark.slow
@pytest.mark.compiled
def test_trading_a_hundred_times_as_many_events_takes_as_many_times_as_long(recording):
    """Loose, as each is measured on a busy machine."""
    few, many = (trading(recording, TARGETS, n) for n in (10_000, 1_000_000))
    assert 10 < many / few < 1_000


@pytest.mark.compiled
def test_what_is_not_traded_takes_nothing(recording, market, tmp_path):
    assert trading(recording, (Target("magnitude", SECOND),), 1_000) is None
    assert trading(kept(tmp_path / "few.parquet", market, 1), TARGETS, 1_000) is None
