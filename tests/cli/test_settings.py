"""Where settings come from: the defaults, a file, the environment, flags, each over the last."""

import tomllib
from pathlib import Path

import pytest

from flowsense.cli.settings import KEYS, moment, settings, span, told
from flowsense.errors import InputError
from flowsense.forecast import Target, spell
from flowsense.train.config import RunConfig

HOUR = 3600 * 10**9


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_given_is_the_default():
    assert settings(dict.fromkeys(KEYS), None) == RunConfig()


def test_flags_go_over_the_environment_and_that_over_the_file(here, monkeypatch):
    (here / "flowsense.toml").write_text("[run]\nseed = 1\nepochs = 1\nbudget = '1s'\n")
    monkeypatch.setenv("FLOWSENSE_RUN_SEED", "2")
    monkeypatch.setenv("FLOWSENSE_RUN_EPOCHS", "2")
    found = settings({"seed": "3", "epochs": None}, None)
    assert (found.seed, found.epochs, found.budget_s) == (3, 2, 1.0)


def test_a_file_that_is_named_stands_for_the_usual_one(here):
    (here / "flowsense.toml").write_text("[run]\nseed = 1\n")
    (here / "mine.toml").write_text("[run]\nepochs = 7\n")
    found = settings({}, Path("mine.toml"))
    assert (found.seed, found.epochs) == (0, 7)


def test_a_value_that_is_covered_must_still_be_right(here):
    (here / "flowsense.toml").write_text("[run]\nseed = 'x'\n")
    with pytest.raises(InputError, match=r"flowsense.toml: run.seed: 'x': write a whole number"):
        settings({"seed": "3"}, None)


def test_every_key_is_read_from_text_and_from_toml(here):
    (here / "all.toml").write_text(
        '[run]\nmodels = ["vote", "logistic"]\nfamilies = ["ofi"]\nclock = ["interval:1s"]\n'
        'targets = ["mid@1s"]\nsplit = "train"\nepochs = 3\nbudget = "90s"\nseed = 4\n'
        'start = 2024-01-02T00:00:00Z\nend = 2024-01-03\ntrain_window = "30d"\n'
        'test_window = "12h"\nunscored = "0s"\nvalidation = "cpcv:6/2"\nembargo = "1m"\n'
    )
    flags = {
        "models": "vote, logistic", "families": "ofi", "clock": "interval:1s",
        "targets": "mid@1s,mid@1s", "split": "train", "epochs": "3", "budget": "90s", "seed": "4",
        "start": "2024-01-02", "end": "2024-01-03T00:00", "train_window": "30d",
        "test_window": "12h", "unscored": "0s", "validation": "cpcv:6/2", "embargo": "1m",
    }  # fmt: skip
    assert set(flags) == set(KEYS)
    found = settings({}, Path("all.toml"))
    assert found == settings(flags, None)
    assert found.targets == (Target("mid", 10**9),) and found.models == ("vote", "logistic")
    assert (found.train_ns, found.test_ns, found.unscored_ns) == (720 * HOUR, 12 * HOUR, 0)
    assert found.end - found.start == 24 * HOUR


def test_times_are_utc_unless_they_say_more():
    noon = moment("2024-08-08T12:00:00")
    assert noon == 1_723_118_400 * 10**9
    assert moment("2024-08-08T14:00:00+02:00") == noon and told(noon) == "2024-08-08T12:00:00Z"
    assert moment("2024-08-08T12:00:00.000001") == noon + 1000
    assert told(0) == told(RunConfig().end) == ""


@pytest.mark.parametrize(
    ("text", "ns"), [("7d", 168 * HOUR), ("5h", 5 * HOUR), ("90s", HOUR // 40)]
)
def test_spans_are_spelled_as_they_are_read(text, ns):
    assert span(text) == ns and spell(ns) == text


def test_what_is_shown_is_in_force_when_read_again(flowsense, here):
    (here / "flowsense.toml").write_text('[run]\nmodels = ["vote"]\nstart = "2024-01-02"\n')
    said = flowsense("config", "show")
    assert said.code == 0 and 'models = ["vote"]  # flowsense.toml' in said.out
    assert "seed = 0  # default" in said.out and "# end is not bounded" in said.out
    (here / "again.toml").write_text(said.out)
    assert settings({}, Path("again.toml")) == settings({}, None)
    assert tomllib.loads(said.out)["run"]["start"] == "2024-01-02T00:00:00Z"


def test_settings_of_models_are_not_cut_at_their_commas():
    asked = settings({"models": 'transformer(layers=2, units=8),hmm(preset="three"),vote'}, None)
    assert asked.models == ("transformer(layers=2, units=8)", 'hmm(preset="three")', "vote")
