"""`flowsense explain`: one row of a recording, for people and for programs."""

import json

import pytest

from flowsense.cli.explain import chosen, instant, leans
from flowsense.cli.explained import show
from flowsense.cli.serve import acting
from flowsense.ensemble.members import Ensemble
from flowsense.errors import InputError
from flowsense.forecast import Veto
from flowsense.schema import Decimal, Instrument
from flowsense.serve.examples import EXPLANATION
from flowsense.serve.wire import plain
from flowsense.served import VETOES, Answer, Explanation, Likelihood, Prediction
from flowsense.train.shelf import load_model

TABLE = tuple(Instrument(s, v, Decimal(1, -2), Decimal(1, 0)) for s, v in
              (("BTCUSDT", "okx"), ("BTCUSDT", "bybit-linear"), ("ETHUSDT", "okx")))  # fmt: skip


def test_a_time_is_read_to_the_nanosecond():
    assert instant("1723075200123456789") == 1723075200123456789
    assert instant("2024-08-08T00:00:00.123456789") == 1723075200123456789
    assert instant("2024-08-08T00:00:00.5Z") == 1723075200500000000
    assert instant("2024-08-08T02:00:00.5+02:00") == 1723075200500000000
    assert instant("2024-08-08") == 1723075200000000000
    for text in ("", "yesterday", "2024-08-08T00:00:00.1234567891", "12:00"):
        with pytest.raises(InputError, match="write a time"):
            instant(text)


def test_an_instrument_is_named_by_symbol_and_by_venue_where_that_is_needed():
    assert chosen(TABLE, "ETHUSDT") == 2 and chosen(TABLE, "bybit-linear:BTCUSDT") == 1
    assert chosen(TABLE[:1], "") == 0
    with pytest.raises(InputError, match=r"name one of okx:BTCUSDT, bybit-linear:BTCUSDT"):
        chosen(TABLE, "BTCUSDT")
    with pytest.raises(InputError, match=r"'BTC': the recording has okx:BTCUSDT"):
        chosen(TABLE, "BTC")


def test_every_veto_has_words():
    assert set(VETOES) == {str(veto.name).lower() for veto in Veto} | {"no_market"}


def test_a_target_may_be_named_that_is_acted_on():
    assert acting("").target is None and str(acting("mid@500ms").target) == "mid@500ms"
    with pytest.raises(InputError, match="write kind@horizon"):
        acting("mid")


def likely(up, target="mid@500ms", ready=True):
    return Likelihood(target, 0.8 - up, 0.2, up, 4 * up - 1, ready)


def explanation(**changes):
    said = Prediction(
        *(7, 1_723_075_200_100_000_000, "BTCUSDT", "binance-usdm", "mid@500ms", -1, 0.75, 0.0),
        *(
            1.5,
            61_803.6,
            61_805.65,
            61_802.1,
            1.09,
            ("unsure", "not_trading"),
            (likely(0.2),),
            True,
        ),
        *("9fd2d0fc38dcc481", {"trending": 0.8, "mean-reverting": 0.2}, 0.5, ("lstm: failed",)),
    )
    parts = {
        "members": {"a-rather-long-name": (likely(0.2),), "b": (likely(0.3, ready=False),)},
        "weights": {"a-rather-long-name": 0.7, "b": 0.3},
        "columns": {f"a_column_with_a_long_name_{k}": k / 3 for k in range(20)},
        "contributions": {f"a_column_with_a_long_name_{k}": (-1) ** k * k / 9 for k in range(21)}
        | {"base": 0.25},
        "costs": {"spread": 1.0, "fees": 0.5},
    }  # fmt: skip
    return Explanation(said, **(parts | changes))


@pytest.mark.parametrize("columns", [80, 120])
def test_all_of_it_is_shown_within_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    show(explanation(), 1_723_075_200_137_000_000, "pool", {})
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= columns and "…" not in out
    for words in (
        *("binance-usdm:BTCUSDT, mid@500ms: down, not to be acted on", "00.100 UTC, 37 ms before"),
        *("0.750 that it goes down", "(spread 1, fees 0.5)", "unsure: no side, or less"),
        *("not_trading: halted", "trending 80%, mean-reverting 20%", "50% of the members"),
        *("lstm: failed", "silent", "70%", "a_column_with_a_long_name_19", "missing", "9 others"),
    ):
        assert words in out
    assert "+0.250" in out


def test_columns_that_do_not_add_up_are_told_by_how_much_the_model_leans_on_them(capsys):
    show(explanation(contributions={}, members={}), 0, "pool", {"b": 0.25, "a": 0.75, "c": 0.0})
    out = capsys.readouterr().out
    assert out.index("leans on most") < out.index("0.750", out.index("leans")) < out.index("0.250")
    assert "ms before" not in out and "Members" not in out


@pytest.mark.slow
def test_what_is_printed_for_programs_is_what_the_api_answers(ran, flowsense, market):
    asked = ("explain", ran, market, "--at", "2024-01-02T14:32:00.05", "--symbol")
    found = flowsense(*asked, "SIMB", "--json")
    body, like = json.loads(found.out), plain(Answer((EXPLANATION.prediction,), EXPLANATION))
    assert body.keys() == like["explanation"].keys()
    assert body["prediction"].keys() == like["predictions"][0].keys()
    assert body["prediction"]["symbol"] == "SIMB" and len(body["columns"]) > 20
    assert body["prediction"]["ts"] == 1_704_205_920_000_000_000 and body["costs"]["spread"] > 0
    words = flowsense(*asked, "SIMB").out
    assert "Row of 2024-01-02 14:32:00.000 UTC, 50 ms before the time asked" in words
    strict = json.loads(flowsense(*asked, "SIMB", "--json", "--confidence", "1").out)
    assert "unsure" in strict["prediction"]["vetoes"]


@pytest.mark.slow
def test_an_ensemble_leans_on_columns_as_its_members_do(ran):
    model, spec = load_model(ran / "checkpoints" / "logistic")
    alone = leans(model, spec.columns, "mid@1s", {})
    both = Ensemble((model, model), names=("a", "b"))
    found = leans(both, spec.columns, "mid@1s", {"a": 0.75})
    assert sum(found.values()) == pytest.approx(0.75)
    assert max(found, key=found.get) == max(alone, key=alone.get)
    assert leans(both, spec.columns, "mid@1s", {}) == {}


@pytest.mark.slow
def test_what_cannot_be_explained_is_refused(ran, flowsense, market, tmp_path):
    asked = ("explain", ran, market, "--at")
    late = flowsense(*asked, "2030-01-01", "--symbol", "SIMA")
    assert (
        late.code == 2 and "lies outside of the recording: it is from 2024-01-02T14:3" in late.err
    )
    assert "market/events.parquet: 2030" in late.err and late.err.count("\n") == 1
    several = flowsense(*asked, "2024-01-02T14:32:00")
    assert several.code == 2 and "--symbol: name one of " in several.err
    none = flowsense("explain", tmp_path, market, "--at", "2024-01-02T14:32:00")
    assert none.code == 2 and "neither a run nor one of its checkpoints" in none.err
