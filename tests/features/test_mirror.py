from itertools import islice

import numpy as np
import pytest
from markets import EACH, FAMILIES, L2, L3, Market

from flowsense.features import depth
from flowsense.features.catalogue import described, spec
from flowsense.schema import EVENT, SET
from flowsense.sources.open import open_source
from flowsense.testing.mirror import check_mirror, mirrored
from flowsense.testing.toy import by_level, by_order, merge

BOTH = spec(FAMILIES, ("interval:100ms", "events:3"))


@pytest.mark.compiled
def test_every_column_mirrors_as_it_says():
    events = merge(by_order(2_500, 1, 0), by_level(by_order(2_500, 2, 1)))
    check_mirror(BOTH, (L3, L2), events)


def test_mirroring_twice_is_the_market_itself(market: Market):
    assert mirrored(mirrored(market.events, 7), 7).tobytes() == market.events.tobytes()


@pytest.mark.compiled
def test_a_column_that_does_not_obey_is_named(monkeypatch, market: Market):
    wrong = tuple(c._replace(mirror="") if c.name == "imb_l3" else c for c in depth.COLUMNS)
    monkeypatch.setattr(depth, "COLUMNS", wrong)
    with pytest.raises(AssertionError, match="mirror: imb_l3, row"):
        check_mirror(EACH, (L2,), market.events[:300])


def test_partners_are_each_others():
    columns = {c.name: c for c in described(BOTH)}
    partners = [c for c in columns.values() if c.mirror not in ("", "-")]
    assert len(partners) > 20
    assert all(columns[c.mirror].mirror == c.name for c in partners)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["binance_ws_raw/usdm_ethusdt_20240808.jsonl.zst", "lobster/AMZN_*message_5.csv*"],
)
def test_recorded_markets_mirror_too(data, name):
    source = open_source(data / name)
    events = np.concatenate(list(islice(source, 20))).view(EVENT)
    turn = 2 * int(np.median(events["price"][events["action"] == SET])) + 1
    check_mirror(BOTH, source.instruments, events, turn)
