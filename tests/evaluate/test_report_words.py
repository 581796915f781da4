"""Numbers, settings, commands and times as people read them."""

import re

import numpy as np
import pytest

from flowsense.evaluate.report.markup import (
    DASH,
    MINUS,
    Html,
    el,
    facts,
    figure,
    number,
    percent,
    points,
    span,
)
from flowsense.evaluate.report.sections import command, told


def test_figures_are_written_as_people_read_them():
    assert [figure(x) for x in (0.6594, -0.012, 1.0341, 0.0, -0.0001)] == [
        ".659", f"{MINUS}.012", "1.034", ".000", ".000",
    ]  # fmt: skip
    assert (points(0.039), points(-0.012), percent(0.25)) == ("+3.9", f"{MINUS}1.2", "25 %")
    assert [span(s) for s in (3.21, 840, 9_000, 12 * 86_400, 2_120 * 86_400)] == [
        "3.21 s",
        "14 min",
        "2.5 h",
        "12 days",
        "2,120 days",
    ]
    assert number(None, "because") == '<span class="none" title="because">' + DASH + "</span>"


def test_text_is_escaped_and_markup_is_not():
    assert el("p", "<b>", Html("<i>x</i>"), title='"') == '<p title="&quot;">&lt;b&gt;<i>x</i></p>'
    assert el("br") == "<br>"


def test_settings_are_told_in_words():
    said = facts({"a_b": [1, 2], "c": {"d": None}, "e": True, "f": [], "g": [{"h": 1_000}]})
    assert re.sub("<[^>]+>", "|", said).replace("||", "|") == (
        "|a b|1, 2|c|d none|e|yes|f|none|g|h 1,000|"
    )
    times = told({"budget_s": 180, "start": 0, "end": 10**9, "span": [0, 60 * 10**9]})
    assert times["budget"] == "3 min" and times["start"] == "of the recording"
    assert times["end"] == "1970-01-01 00:00:01"
    assert times["span"] == "1970-01-01 00:00:00 to 1970-01-01 00:01:00 UTC"


def test_the_command_can_be_typed(scored):
    assert command(scored) == (
        "flowsense run SRC --models good,blind --budget 3m --seed 7 --out DIR"
    )
    assert "--split" not in command(scored)


@pytest.mark.parametrize("seconds", [0.3, 4, 70, 345, 3_600, 20_000, 400_000, 2.7e6, 4e7, 1e9])
@pytest.mark.parametrize("most", [2, 3, 6])
def test_times_on_axes_are_few_and_round(seconds, most):
    from flowsense.evaluate.report.plots import Clock

    start = 1_704_205_801.234 / 86_400
    ticks = np.array(Clock(most).tick_values(start, start + seconds / 86_400)) * 86_400
    assert len(ticks) <= most and (np.diff(ticks) > 0).all()
    assert ((ticks >= 1_704_205_801.2) & (ticks <= 1_704_205_801.3 + seconds)).all()


def test_a_span_of_years_has_ticks_where_months_and_years_begin():
    from flowsense.evaluate.report.plots import Clock

    days = np.array(["2013-04-01", "2019-01-20", "2014-02-20"], "datetime64[D]").astype(float)
    years, months = (Clock(4).tick_values(days[0], end) for end in days[1:])
    assert np.array(years).astype("datetime64[D]").astype(str).tolist() == [
        *("2014-01-01", "2016-01-01", "2018-01-01"),
    ]
    assert np.array(months).astype("datetime64[D]").astype(str).tolist() == [
        *("2013-07-01", "2013-10-01", "2014-01-01"),
    ]
