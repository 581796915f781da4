"""A filter is all that its source is, but for the chunks."""

from dataclasses import dataclass

import numpy as np
import pytest

from flowsense.schema import CLOSE, EVENT, Decimal
from flowsense.sources import Broad, chunks
from flowsense.sources.candles import Candles
from flowsense.sources.open import open_source
from flowsense.sources.units import key_of
from flowsense.sources.within import OfFiles, Within

TABLE = "ts,open,high,low,close,volume\n0,2,4,2,3,5\n60,3,4,3,4,0\n120,4,4,4,4,7\n"


@dataclass(frozen=True)
class Traded(OfFiles):
    """Without the closes of bars in which nothing was."""

    def chunks(self):
        for chunk in chunks(self.source):
            kept = (chunk.events["action"] != CLOSE) | (chunk.events["lots"] > 0)
            yield chunk._replace(events=chunk.events[kept].view(EVENT))


@pytest.fixture
def source(tmp_path):
    (tmp_path / "X.csv").write_text(TABLE)
    return open_source([tmp_path / "X.csv"], unit="s")


def test_it_is_named_as_its_source(source):
    traded = Traded(source)
    assert isinstance(source, Candles) and isinstance(traded, Broad)
    assert (traded.name, traded.instruments) == (source.name, source.instruments)
    assert (traded.files, traded.kinds) == (source.files, ())


def test_its_events_are_those_of_its_chunks_but_for_empty_ones(source):
    assert len(list(Traded(source).chunks())) == len(list(chunks(source)))
    events = list(Traded(source))
    assert all(map(len, events)) and np.concatenate(events)["lots"].tolist() == [5, 7]


def test_read_in_other_units_it_goes_on_with_a_source_that_is(source):
    (one,) = source.instruments
    half = Decimal(5, -1)
    told = Traded(source).in_units({key_of(one): (half, one.lot)})
    assert isinstance(told, Traded) and told.instruments == (one._replace(tick=half),)
    assert np.concatenate(list(told))["price"].tolist() == [6, 8]


def test_without_chunks_there_is_no_filter(source):
    with pytest.raises(TypeError, match="abstract"):
        Within(source)
