"""What moves the forecast, drawn: how far, and to which side."""

import re

import pytest

from flowsense.evaluate.report.page import render

MID, TITLE = "mid@500ms", "What moves the forecast"
BAR = r'<u class="(\w+)"[^>]*><i class="(\w+)" style="--w:(\d+)%">'


def test_bars_point_the_way_that_more_of_a_column_says(scored, drawn):
    values = {"ofi": (0.5, 0.9), "spread": (0.25, -0.8), "vix": (0.125, 0.1), "none": (0.0, 0.0)}
    html = render(scored | {"shap": {"good": {MID: values}}}, drawn)
    bars = re.findall(BAR, html[html.index(f"{TITLE}</h2>") :])
    assert bars[:3] == [("up", "hit", "100"), ("down", "wrong", "50"), ("up", "train", "25")]
    assert "mean |SHAP value| .500, correlation with the column .90" in html


@pytest.mark.slow
def test_without_values_there_is_no_such_section(scored, drawn):
    assert TITLE not in render(scored, drawn)
    still = {"good": {MID: {"ofi": (0.0, 0.0)}}}
    assert "No column moves the forecast." in render(scored | {"shap": still}, drawn)


@pytest.mark.slow
def test_values_of_other_models_are_named(scored, drawn):
    html = render(scored | {"shap": {"trees": {MID: {"ofi": (1.0, 1.0)}}}}, drawn)
    assert re.search(r"<h3>mid@500ms <small>trees</small>", html)
