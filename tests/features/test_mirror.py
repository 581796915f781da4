import pytest
from markets import EACH, FAMILIES, L2, L3, Market

from flowsense.features import depth
from flowsense.features.catalogue import described, spec
from flowsense.simulate.toy import by_level, by_order, merge
from flowsense.testing.mirror import check_mirror, mirrored

BOTH = spec(FAMILIES, ("interval:100ms", "events:3"))


def test_every_column_mirrors_as_it_says():
    events = merge(by_order(2_500, 1, 0), by_level(by_order(2_500, 2, 1)))
    check_mirror(BOTH, (L3, L2), events)


def test_mirroring_twice_is_the_market_itself(market: Market):
    assert mirrored(mirrored(market.events, 7), 7).tobytes() == market.events.tobytes()


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
