from datetime import date, time

import pytest

from flowsense.backtest.hours import NAMED, holidays, session
from flowsense.backtest.sessions import Session
from flowsense.errors import InputError

CHRISTMAS = frozenset({date(2024, 12, 25)})


def test_a_name_is_the_hours_of_a_market():
    assert session("nyse") == Session("America/New_York", time(9, 30), time(16))
    assert session("cme", CHRISTMAS).holidays == CHRISTMAS
    assert session("always") is None
    assert all(NAMED[name].zone.count("/") == 1 for name in NAMED)


def test_hours_are_of_a_zone_and_of_days():
    """Without days they are Monday to Friday; one day is that alone; a span may go over Sunday."""
    assert session("America/New_York 09:30-16:00") == session("nyse")
    assert session("UTC 23:00-22:00 Sun-Thu").days == {6, 0, 1, 2, 3}
    assert session("UTC 10:00-11:00 Wed").days == {2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nise", "did you mean nyse"),
        ("somewhere", "known are nyse"),
        ("UTC 9:30-16:00", "write a zone and hours"),
        ("UTC 09:30-26:00", "no time 26:00"),
        ("UTC 09:30-16:00 Mon-Fry", "no day 'Fry'"),
        ("Mars/Base 09:30-16:00", "no zone 'Mars/Base'"),
        ("", "is unknown"),
    ],
)
def test_what_is_no_session_is_refused_in_one_sentence(text, said):
    with pytest.raises(InputError, match=said):
        session(text)


def test_holidays_are_a_day_on_each_line(tmp_path):
    file = tmp_path / "days.txt"
    file.write_text("# closed\n2024-12-25  # Christmas\n\n2025-01-01\n")
    assert holidays(file) == CHRISTMAS | {date(2025, 1, 1)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"2024-12-25\n25.12.2024\n", "days.txt: line 2: '25.12.2024' is no day"),
        (b"# none\n", "names no day"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_files_without_days_are_refused_in_one_sentence(tmp_path, content, said):
    file = tmp_path / "days.txt"
    file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        holidays(file)
    with pytest.raises(InputError, match="cannot be read"):
        holidays(tmp_path)
    with pytest.raises(InputError, match="knows no holidays"):
        session("always", CHRISTMAS)
