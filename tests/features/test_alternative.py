"""Standard names of what is observed: documented, masked where nobody observes, never early."""

import numpy as np
import pytest
from besides import beside, observation, observations

from flowsense.features.alternative import FIELDS, GROUPS, observed
from flowsense.features.catalogue import DEFAULT, described, family, spec, spelled_out
from flowsense.features.observed import Observed
from flowsense.schema import BAR, SECOND, Chunk, kind_of, zeros
from flowsense.testing import check_stream, tape_of


def test_there_are_27_fields_in_five_groups_and_each_says_what_it_is():
    assert len(FIELDS) == 27 and len(GROUPS) == 5
    for name, field in FIELDS.items():
        assert name.isidentifier() and field.unit and field.formula and field.source
        assert field.mirror in ("", "-")
    assert len({kind_of(name) for name in FIELDS}) == 27


def test_the_group_is_a_value_and_an_age_of_every_field():
    asked = spec(("depth", "alternative"))
    columns = [c for name in FIELDS for c in (name, f"{name}_age")]
    assert list(asked.columns[-54:]) == columns
    assert [c.name for c in family("alternative").COLUMNS] == columns
    assert {c.name: c for c in described(asked)}["vix"] == family("alternative").COLUMNS[36]


def test_what_is_named_besides_is_there_once():
    named = spelled_out((*DEFAULT, "observed:vix", "alternative"))
    assert named.count("observed:vix") == 1 and len(named) == len(DEFAULT) + 27
    assert len(spec(("depth", "alternative", "observed:mood")).columns) == len(
        spec(("depth", "alternative")).columns
    ) + len(Observed("mood").COLUMNS)


def test_a_name_that_is_not_standard_is_a_column_too():
    value, age = observed("mood")
    assert (value.name, value.unit, value.mirror) == ("mood", "1", "")
    assert (age.name, age.unit) == ("mood_age", "s")
    assert observed("news_sentiment")[0].mirror == "-"


@pytest.mark.compiled
def test_the_family_keeps_every_law_of_the_stream(instruments, events):
    check_stream(spec(("depth", "alternative")), instruments, beside(events[:600]))


def test_nobody_knows_a_value_before_it_is_told(instruments, events):
    """Told late at 100 ms, and corrected at 200 ms; of all other fields nothing is known."""
    first = int(events["ts_recv"][0]) // SECOND * SECOND
    late, corrected = first + SECOND // 10, first + SECOND // 5
    told = observations(
        observation(late, 0.5, "news_sentiment", happened=first - SECOND),
        observation(corrected, -0.5, "news_sentiment", happened=first - SECOND),
    )
    asked = spec(("depth", "alternative"), ("interval:10ms",))
    rows = tape_of(asked, instruments, Chunk(events[:900], zeros(BAR), told)).rows[0]
    tone = asked.columns.index("news_sentiment")
    values = np.where(rows.valid[:, tone], rows.X[:, tone], 0.0)
    expected = np.where(rows.ts > corrected, -0.5, np.where(rows.ts > late, 0.5, 0.0))
    assert len(set(expected.tolist())) == 3 and values.tolist() == expected.tolist()
    other = [asked.columns.index(c) for n in FIELDS for c in (n, f"{n}_age")]
    other = [k for k in other if k not in (tone, tone + 1)]
    assert not rows.valid[:, other].any() and not rows.X[:, other].any()
