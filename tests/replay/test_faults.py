"""A script is read, or refused with one sentence that says what to write."""

from pathlib import Path

import orjson
import pytest

from flowsense.errors import InputError
from flowsense.replay.faults import FAULTS, Step, listed, random, read, script

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def test_a_step_has_what_it_says_and_what_is_usual():
    steps = script(
        [{"at": 1.5, "do": "status", "code": 418}, {"message": 9, "do": "drop", "count": 3}],
        "f",
        SYMBOLS,
    )
    assert steps[0] == Step("status", at=1.5, seconds=10.0, code=418, of="rest")
    assert steps[1] == Step("drop", message=9, count=3)


@pytest.mark.parametrize(
    ("json", "sentence"),
    [
        ("drop", 'f: is no list of steps like {"at": 5, "do": "drop"}'),
        ([3], 'f: step 1: is no object like {"at": 5, "do": "drop"}'),
        ([{"at": 1}], "f: step 1: says not what to `do`: one of drop, duplicate, "),
        ([{"at": 1, "do": "dorp"}], "f: step 1: fault 'dorp' is unknown: did you mean drop?"),
        ([{"at": 1, "do": "drop", "cuont": 2}], "field 'cuont' is unknown: did you mean count?"),
        ([{"at": -1, "do": "drop"}], "f: step 1: at -1: give a number from 0 to 1e+09"),
        ([{"at": float("nan"), "do": "drop"}], "at nan: give a number"),
        ([{"at": True, "do": "drop"}], "at True: give a number"),
        ([{"message": 0, "do": "drop"}], "message 0: give a whole number from 1 on"),
        ([{"at": 1, "message": 1, "do": "drop"}], "give either `at`, in seconds, or the number"),
        ([{"do": "drop"}], "give either `at`, in seconds, or the number of a `message`"),
        ([{"at": 1, "do": "say"}], "f: step 1: say needs text: give a text"),
        ([{"at": 1, "do": "garble", "how": "bits"}], "how 'bits': give digit or cut or utf8"),
        ([{"at": 1, "do": "status", "code": 200}], "code 200: give a whole number from 400 on"),
        ([{"at": 1, "do": "close", "code": 429}], "code 429: give a whole number from 1000 on"),
        ([{"at": 1, "do": "drop", "symbol": "BTCUSD"}], "'BTCUSD' is unknown: did you mean BTC"),
        ([{"at": 1, "do": "drop", "symbol": ["BTCUSDT"]}], "symbol ['BTCUSDT']: give a text"),
        ([{"at": 1, "do": "eof"}, {"at": 1, "do": "eof", "count": 1}], "step 2: field 'count'"),
        ({"rate": {}}, "f: field 'rate' is unknown: did you mean rates?"),
        ({"seed": 1}, 'f: rates: give an object like {"drop": 6}, times a minute'),
        ({"rates": {"dorp": 1}}, "f: rates: fault 'dorp' is unknown: did you mean drop?"),
        ({"rates": {"drop": -1}}, "f: rates: drop -1: give times a minute, up to 1000"),
        ({"rates": {}, "seed": -1}, "f: seed and seconds: give numbers from 0"),
    ],
)
def test_a_mistake_is_said_in_one_sentence(json, sentence):
    with pytest.raises(InputError) as found:
        script(json, "f", SYMBOLS)
    assert sentence in str(found.value) and "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("data", "sentence"), [(b"[{]", "is not JSON"), (None, "cannot be read (No such file")]
)
def test_a_file_that_is_no_script_is_refused(tmp_path, data, sentence):
    path = tmp_path / "faults.json"
    if data:
        path.write_bytes(data)
    with pytest.raises(InputError, match=f"faults.json: {sentence.split('(')[0]}"):
        read(path, SYMBOLS)


def test_a_seed_draws_the_same_script_again_and_it_can_be_kept(tmp_path):
    rates = {name: 30.0 for name in FAULTS if name != "say"}
    drawn = random(7, rates, 60.0)
    assert drawn == random(7, rates, 60.0) != random(8, rates, 60.0)
    assert [s.at for s in drawn] == sorted(s.at for s in drawn) and {s.do for s in drawn} == {
        *rates
    }
    path = tmp_path / "faults.json"
    path.write_bytes(orjson.dumps({"seed": 7, "rates": rates}))
    assert read(path, SYMBOLS) == drawn
    path.write_bytes(orjson.dumps(listed(drawn)))
    assert read(path, SYMBOLS) == drawn


def test_rates_are_times_a_minute():
    drawn = random(1, {"drop": 6.0}, 6000.0)
    assert 520 < len(drawn) < 680


def test_the_page_says_what_there_is():
    page = (Path(__file__).parents[2] / "docs" / "replay.md").read_text()
    for do, fault in FAULTS.items():
        fields = (
            f"{field} {value:g}" if isinstance(value, int | float) else f"{field} {value or ''}"
            for field, value in fault.usual.items()
        )
        words = ", ".join(field.strip() for field in fields)
        assert f"| {do} | {fault.line} |{f' {words}' if words else ''} |" in page
