"""The page: whole, self-contained, no louder than its intervals; its numbers are the file's."""

import copy
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate.report import render, verdict, write
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

MID = "mid@500ms"
VOID = {"meta", "br", "col"}


class Page(HTMLParser):
    """Tags must close in order; keeps sections by heading as rows of cells."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.words = [], [], [], []
        self.tables, self.cell = {}, None
        self.section = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [v for k, v in attrs if k == "id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.tables.setdefault(self.section, []).append([])
        if tag in ("td", "th"):
            self.tables[self.section][-1].append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.words.append(data)
        if self.open and self.open[-1] == "h2":
            self.section = data
        if {"td", "th"} & set(self.open):
            self.tables[self.section][-1][-1].append(data)


@pytest.fixture(scope="module")
def text(scored, drawn):
    return render(scored, drawn)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def line(page, section, first):
    return next(row for row in page.tables[section] if row[0][:1] == [first])


def altered(scored, **changes):
    """Metrics with other values in the headline's score."""
    other = copy.deepcopy(scored)
    other["models"]["good"][MID] |= changes
    return other


def gapped(scored, interval):
    """Every null that far from the model."""
    score = copy.deepcopy(scored)["models"]["good"][MID]
    for null in score["nulls"].values():
        null["difference"]["accuracy"] = interval
    return altered(scored, nulls=score["nulls"])


def test_the_page_is_well_formed_and_holds_everything_itself(text, page):
    assert page.open == [] and len(page.ids) == len(set(page.ids))
    assert len(text.encode()) < 3_000_000
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "img", "object", "image"}
    targets = [v for _, a in page.tags for k, v in a.items() if k in ("href", "xlink:href", "src")]
    assert targets and all(t.startswith("#") and t[1:] in page.ids for t in targets)
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "://" not in without_names and "@import" not in text
    assert all(ref in page.ids for ref in re.findall(r"url\(#([^)]+)\)", text))


def test_nothing_on_the_page_is_not_finite(page):
    assert not re.search(r"\b(nan|inf|infinity|None)\b", " ".join(page.words), re.I)
    drawn = " ".join(a["d"] for tag, a in page.tags if tag == "path")
    assert drawn and not re.search(r"nan|inf", drawn, re.I)


def test_every_model_and_target_stands_on_it(scored, page):
    overview = page.tables["Every model"]
    assert [cell[0] for cell in overview[0][1:]] == ["ofi@1s", MID, "magnitude@1s"]
    for name, scores in scored["models"].items():
        row = line(page, "Every model", name)
        for cell, score in zip(row[1:], scores.values(), strict=True):
            assert cell[0] == figure(score[verdict.main_key(score)])


def test_the_headline_table_says_what_metrics_says(scored, page):
    score = scored["models"]["good"][MID]
    target, n, accuracy, _, _, half, quarter, tenth, balanced, loss, ece = line(
        page, "Scores beside nulls", MID
    )
    assert (target, n) == ([MID], [f"{score['n']:,}"])
    low, high = score["ci95"]["accuracy"]
    assert accuracy == [figure(score["accuracy"]), f"{figure(low)} to {figure(high)}"]
    shares = [half[0], quarter[0], tenth[0]]
    assert shares == [figure(score["coverage"][c]) for c in ("0.5", "0.25", "0.1")]
    assert balanced[0] == figure(score["side_balanced"])
    assert (loss[0], ece[0]) == (figure(score["log_loss"]), figure(score["ece"]))


def test_the_best_null_is_the_one_that_scores_most(scored, page):
    score = scored["models"]["good"][MID]
    most = max((v["accuracy"], k) for k, v in score["nulls"].items() if k != "shuffled")
    beside, gap = line(page, "Scores beside nulls", MID)[3:5]
    assert beside == [figure(most[0]), verdict.spoken(most[1])]
    assert gap[0] == points(score["accuracy"] - most[0])
    low, high = score["nulls"][most[1]]["difference"]["accuracy"]
    assert gap[1] == f"{points(low)} to {points(high)}"


def test_every_null_stands_below_the_models(scored, page):
    nulls = scored["models"]["good"][MID]["nulls"]
    for name, null in nulls.items():
        rows = [r for r in page.tables["Every model"] if r[0] == [name.replace("_", " ")]]
        assert figure(null["accuracy"]) in [row[1][0] for row in rows if len(row) == 12]


def test_a_magnitude_stands_in_a_table_of_its_own(scored, page):
    score = scored["models"]["good"]["magnitude@1s"]
    row = line(page, "Scores beside nulls", "magnitude@1s")
    assert row[2][0] == figure(score["mae"]) and row[5] == [figure(score["rmse"])]


def test_confusion_and_tradable_are_those_of_metrics(scored, page):
    score = scored["models"]["good"][MID]
    counts = [[c[0] for c in row[1:]] for row in page.tables["Confusion"] if row[0] != ["down"]]
    assert [f"{c:,}" for c in score["confusion"][1]] in counts
    taken = score["tradable"]["0.25"]
    row = next(r for r in page.tables["Tradable thresholds"] if [figure(taken["hit"])] in r)
    assert row[-4] == [figure(taken["hit"])] and row[-2] == [figure(taken["wrong"])]


def test_instruments_timing_and_what_was_left_out_are_told(scored, page):
    parts = scored["models"]["good"][MID]["by_instrument"]
    assert figure(parts["B"]["accuracy"]) == line(page, "By instrument", "B")[2][0]
    assert line(page, "Timing", "read")[1:4] == [["2.00"], ["12,345"], ["6,172"]]
    assert scored["left_out"][0] in page.words
    assert "queue_imbalance" in page.words and "75 %" in page.words


def test_a_hostile_name_is_only_text(world, text, page):
    hostile = world.index.symbols[0]
    assert "<script" not in text and any(hostile in words for words in page.words)


def test_hostile_models_targets_and_columns_are_only_text(scored, drawn):
    evil = '"><script>&\\1'
    metrics, curves = copy.deepcopy(scored), copy.deepcopy(drawn)
    metrics["models"] = {evil: metrics["models"]["good"]}
    metrics |= {"chosen": evil, "importances": {evil: {MID: {evil: 1.0}}}, "warnings": [evil]}
    metrics["config"] = {evil: evil, "models": [evil]}
    for curve in (*curves["targets"].values(), *({"models": p["calls"]} for p in curves["prices"])):
        curve["models"][evil] = curve["models"]["good"]
    found = Page(render(metrics, curves))
    assert "script" not in {tag for tag, _ in found.tags} and evil in found.words


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


def test_a_target_with_a_narrow_interval_is_marked_where_it_is_shaded(scored, drawn):
    warned = scored | {"warnings": [f"{MID}: intervals from 4 blocks are too narrow"]}
    rows = Page(render(warned, drawn)).tables["Scores beside nulls"]
    assert [r[0] for r in rows if "interval too narrow" in r[0]] == [[MID, "interval too narrow"]]


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


def test_a_score_that_is_none_is_a_dash_with_its_reason(scored, drawn):
    none = altered(
        scored, accuracy=None, side_balanced=None, ece=None, ci95={}, tradable={"0.25": NEVER}
    )
    found = Page(render(none, drawn))
    assert line(found, "Scores beside nulls", MID)[8] == [DASH]
    assert all(a.get("title") for tag, a in found.tags if a.get("class") == "none")
    assert "has no score" in next(iter(verdict.sentences(none)))


NEVER = {"share": None, "hit": None, "flat": None, "wrong": None}


def test_an_empty_run_is_a_page_too(scored, drawn):
    bare = scored | {"models": {"good": {}}, "warnings": [], "left_out": [], "timing": {}}
    found = Page(render(bare, drawn | NOTHING))
    assert "Nothing could be scored" in found.words and "None." in found.words
    assert verdict.title(bare | {"models": {}}) == "Nothing could be scored"
    bare = bare | {"models": {}, "data": {}}
    assert "Nothing could be scored" in Page(render(bare, NOTHING)).words


NOTHING = {"shares": [], "targets": {}, "prices": [], "folds": []}


def test_a_ceiling_is_shown_with_the_share_of_skill(scored, drawn):
    null = scored["models"]["good"][MID]["nulls"]["vote"]
    for share, told_so in ((0.931, ".931"), ("no skill to have", "no skill to have")):
        known = altered(scored, ceiling=null, share_of_skill=share)
        assert line(Page(render(known, drawn)), "Ceiling", MID)[-1] == [told_so]


def test_regimes_are_listed_where_there_are_any(scored, drawn):
    part = scored["models"]["good"][MID]["by_instrument"]["B"]
    found = Page(render(altered(scored, by_regime={"calm": part, "wild": part}), drawn))
    row = line(found, "By regime", "calm")
    assert row[2][0] == figure(part["accuracy"]) and row[1] == [DASH]
    assert "thought likeliest" in render(altered(scored, by_regime={"a": part, "b": part}), drawn)


def test_the_first_model_leads_where_none_was_chosen(scored):
    assert verdict.chosen(scored | {"chosen": "gone"}) == "good"
    assert verdict.chosen(scored | {"chosen": "blind"}) == "blind"


def test_importances_of_other_models_are_named(scored, drawn):
    weights = {"blind": {MID: {"spread": 0.0}}}
    words = Page(render(scored | {"importances": weights}, drawn)).words
    assert "blind" in words and "No column carries weight." in words


@pytest.mark.slow
def test_a_page_is_written_whole_or_not_at_all(tmp_path, scored, drawn, text):
    place = write(tmp_path, scored, drawn)
    assert place == tmp_path / "report.html" and place.read_text("utf-8") == text
    assert write(tmp_path / "named.html", scored, drawn).exists()
    with pytest.raises(InputError, match=r"cannot be written"):
        write(place / "inside.html", scored, drawn)


def test_the_same_numbers_give_the_same_page(scored, drawn, text):
    assert render(scored, drawn) == text


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
