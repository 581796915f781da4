"""What the report says first is no louder than its intervals."""

import copy

import pytest

from flowsense.evaluate.report import verdict
from flowsense.evaluate.report.markup import figure

MID = "mid@500ms"


def gapped(scored, interval):
    """Every null that far from the model."""
    other = copy.deepcopy(scored)
    for null in other["models"]["good"][MID]["nulls"].values():
        null["difference"]["accuracy"] = interval
    return other


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ((0.01, 0.09), "good beats"),
        ((-0.02, 0.09), "No skill shown above"),
        ((-0.09, -0.02), "good does worse than"),
        (None, "Not enough data to judge good"),
    ],
)
def test_the_title_is_no_louder_than_the_interval(scored, interval, said):
    metrics = gapped(scored, interval)
    assert verdict.title(metrics | {"warnings": []}).startswith(said)


def test_a_narrow_interval_is_said_to_be_one(scored):
    warned = gapped(scored, (0.01, 0.09)) | {
        "warnings": [f"{MID}: intervals from 4 blocks are too narrow"]
    }
    assert verdict.title(warned).startswith("good seems to beat")
    assert "Caution: " + warned["warnings"][0] + "." in list(verdict.sentences(warned))
    assert "the intervals of 1 are too narrow to trust" in list(verdict.sentences(warned))[1]
    none = " ".join(verdict.sentences(gapped(warned, None)))
    assert "too narrow to trust" not in none
    worse = gapped(warned, (-0.09, -0.01))
    assert verdict.title(worse).startswith("good seems worse than")


def test_a_warning_of_one_target_is_not_of_another():
    narrow, mine, theirs = "mid@5s: intervals are narrow", "a, mid@1s: silent", "b, mid@1s: silent"
    metrics = {"models": {"a": {}, "b": {}}, "chosen": "a", "warnings": [narrow, mine, theirs]}
    assert verdict.about(metrics, "mid@1s") == [mine]
    assert verdict.doubtful(metrics, "mid@5s") and not verdict.doubtful(metrics, "mid@500ms")


def test_up_to_two_instruments_are_named():
    assert verdict.place({"by_instrument": {"A": 0, "B": 0}}, MID) == f"A and B {MID}"
    assert (
        verdict.place({"by_instrument": dict.fromkeys("ABC")}, MID) == f"{MID} across 3 instruments"
    )


def test_the_sentence_names_rows_score_majority_null_and_interval(scored):
    score = scored["models"]["good"][MID]
    first, second, *_ = verdict.sentences(gapped(scored, (0.012, 0.066)))
    majority, vote = (figure(score["nulls"][k]["accuracy"]) for k in ("majority", "vote"))
    assert f"On {score['n']:,} moved rows of" in first and figure(score["accuracy"]) in first
    assert majority in first and vote not in (figure(score["accuracy"]), "")
    assert "% interval +1.2 to +6.6)" in first
    assert second.startswith("Against its best null on each of 3 targets, good is above on")


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ((-0.01, 0.02), "which luck alone can explain"),
        ((-0.03, -0.01), "worse than a rule that has learned no side"),
        ((0.0, 0.0), "the same calls"),
        (None, "too short to say"),
    ],
)
def test_the_sentence_ends_as_the_interval_does(scored, interval, said):
    assert said in next(iter(verdict.sentences(gapped(scored, interval))))


def test_less_loss_is_better():
    null = {"log_loss": 0.5, "difference": {"log_loss": [-0.04, -0.01]}}
    worse = {"log_loss": 0.6, "difference": {"log_loss": [-0.09, -0.06]}}
    found = verdict.judge({"log_loss": 0.47, "nulls": {"a": null, "b": worse}}, "log_loss")
    assert (found.null, found.mark) == ("a", "above")
    assert found.difference == pytest.approx(-0.03)


def test_shuffled_labels_are_no_rival():
    score = {"accuracy": 0.6, "nulls": {"shuffled": {"accuracy": 0.7, "difference": {}}}}
    assert verdict.judge(score, "accuracy") == (0.6, "", None, None, "unknown")


def test_a_magnitude_alone_is_led_with_in_ticks(scored):
    only = {k: {"magnitude@1s": v["magnitude@1s"]} for k, v in scored["models"].items()}
    first = next(iter(verdict.sentences(scored | {"models": only})))
    assert "errs by" in first and " ticks on average against " in first
    bare = copy.deepcopy(only)
    bare["good"]["magnitude@1s"]["mae"] = None
    assert "has no score" in next(iter(verdict.sentences(scored | {"models": bare})))


def test_the_first_model_leads_where_none_was_chosen(scored):
    assert verdict.chosen(scored | {"chosen": "gone"}) == "good"
    assert verdict.chosen(scored | {"chosen": "blind"}) == "blind"
