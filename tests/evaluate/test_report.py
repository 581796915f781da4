"""The page: whole, self-contained; its numbers are the file's."""

import copy
import re
from html.parser import HTMLParser

import pytest

from flowsense.errors import InputError
from flowsense.evaluate.report import render, verdict, write
from flowsense.evaluate.report.markup import DASH, figure, points

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_target_with_a_narrow_interval_is_marked_where_it_is_shaded(scored, drawn):
    warned = scored | {"warnings": [f"{MID}: intervals from 4 blocks are too narrow"]}
    rows = Page(render(warned, drawn)).tables["Scores beside nulls"]
    assert [r[0] for r in rows if "interval too narrow" in r[0]] == [[MID, "interval too narrow"]]


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_ceiling_is_shown_with_the_share_of_skill(scored, drawn):
    null = scored["models"]["good"][MID]["nulls"]["vote"]
    for share, told_so in ((0.931, ".931"), ("no skill to have", "no skill to have")):
        known = altered(scored, ceiling=null, share_of_skill=share)
        assert line(Page(render(known, drawn)), "Ceiling", MID)[-1] == [told_so]


@pytest.mark.slow
def test_regimes_are_listed_where_there_are_any(scored, drawn):
    part = scored["models"]["good"][MID]["by_instrument"]["B"]
    found = Page(render(altered(scored, by_regime={"calm": part, "wild": part}), drawn))
    row = line(found, "By regime", "calm")
    assert row[2][0] == figure(part["accuracy"]) and row[1] == [DASH]
    assert "thought likeliest" in render(altered(scored, by_regime={"a": part, "b": part}), drawn)


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_same_numbers_give_the_same_page(scored, drawn, text):
    assert render(scored, drawn) == text
