"""The sections of the page in order; one with nothing to say is left out."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from flowsense.evaluate.report import plots, tables, verdict
from flowsense.evaluate.report.markup import (
    Html,
    areas,
    card,
    count,
    el,
    facts,
    join,
    moment,
    quiet,
    span,
    strokes,
)
from flowsense.evaluate.report.words import TERMS
from flowsense.forecast import spell
from flowsense.schema import NEVER, SECOND

OPTIONS = {
    "models": "models",
    "targets": "targets",
    "clock": "clocks",
    "families": "families",
    "validation": "validation",
    "split": "split",
    "epochs": "epochs",
}
Metrics = Mapping[str, Any]
Curves = Mapping[str, Any]


def sections(metrics: Metrics, curves: Curves) -> Iterator[tuple[str, Html]]:
    """Name and body of each."""
    name = verdict.chosen(metrics) if metrics["models"] else ""
    scores = metrics["models"].get(name, {})
    drawn = {t: c for t, c in curves["targets"].items() if name in c["models"] and t in scores}
    yield "Scores beside nulls", _scores(metrics, name, scores)
    yield "Coverage", _coverage(name, scores, drawn, curves["shares"])
    yield "Reliability", _reliability(name, drawn)
    yield "Confusion", _confusion(scores)
    yield "Over time", _over_time(name, scores, drawn, curves["folds"])
    yield "Fold by fold", _folds(scores)
    yield "Price and calls", _prices(name, curves["prices"])
    yield "Importances", _importances(name, metrics.get("importances", {}))
    yield "What moves the forecast", _shap(name, metrics.get("shap", {}))
    yield "Every model", _models(metrics, name)
    yield "By instrument", _parts(name, scores, "by_instrument")
    yield "By regime", _parts(name, scores, "by_regime")
    yield "Ceiling", _ceiling(scores)
    yield "Tradable thresholds", _tradable(scores)
    yield "Backtest", _backtest(metrics.get("backtest", {}))
    yield "Timing", tables.timing(metrics["timing"]) if metrics.get("timing") else Html()
    yield "Warnings and left out", _warnings(metrics)
    yield "Terms", el("dl", *(join((el("dt", k), el("dd", v))) for k, v in TERMS.items()))
    yield "Data and configuration", _configuration(metrics)


def _backtest(found: Metrics) -> Html:
    if not found:
        return Html()
    first = next(iter(found.values()))
    how = (
        "each order at the open of the next bar, half a spread of a basis point and the slippage "
        "of its size worse"
        if first.get("on") == "bars"
        else "each order a millisecond on its way"
    )
    places = dict.fromkeys(score.get("recording", "") for score in found.values())
    several = f" The recordings are, in order: {', '.join(places)}." if len(places) > 1 else ""
    told = (
        f"{first['model']} traded on the rows of the last test block, {how}, without fees; in "
        "basis points of the value executed, before costs at the mid. The tear sheets lie in "
        f"backtest/ beside this page.{several}"
    )
    return join((quiet(told), tables.backtest(found)))


def _scores(metrics: Metrics, name: str, scores: Metrics) -> Html:
    if not scores:
        return Html()
    doubtful = {t for t in scores if verdict.narrow(metrics, t)}
    told = (
        f"{name} was chosen on validation rows; these are test rows. Small print: the score's "
        "interval, or the best null by that very score. Shaded where the paired interval leaves "
        "zero out."
    )
    return join(
        (
            quiet(told),
            areas(("above", "above the best null"), ("below", "below it, or miscalibrated")),
            tables.headline(scores, doubtful),
            tables.sizes(scores, doubtful),
        )
    )


def _coverage(name: str, scores: Metrics, drawn: Metrics, shares: list[float]) -> Html:
    told = (
        "Accuracy over the moved rows with the most conviction, from 2 % of them to all. A model "
        "that rises while one fixed side on its rows stays low knows more than the drift."
    )
    key = strokes(
        ("model", name),
        ("null", "best null, named above each plot"),
        ("other", "other nulls"),
        ("side", "the better fixed side, on the model's rows"),
    )
    cards = []
    for target, curve in drawn.items():
        null = _drawn_null(scores[target], curve)
        plot = plots.coverage(curve, shares, name, null)
        cards.append(card(target, f"{count(scores[target]['n'])} moved, {_short(null)}", plot))
    return join((quiet(told), key, el("div", *cards, class_="grid"))) if cards else Html()


def _reliability(name: str, drawn: Metrics) -> Html:
    told = (
        "How often it came true against how sure the forecast was, in ten bins of equal size; dots "
        "grow with the rows. The side is P(up) of the two moves, over moved rows."
    )
    key = strokes(("model", "side"), ("null", "down"), ("other", "flat"), ("side", "up"))
    cards = [
        card(target, "", plots.reliability({"side": own["sides"]} | own["classes"]))
        for target, own in ((t, curve["models"][name]) for t, curve in drawn.items())
    ]
    return join((quiet(told), key, el("div", *cards, class_="grid"))) if cards else Html()


def _confusion(scores: Metrics) -> Html:
    told = (
        "Lines: what came. Columns: the most likely of the three classes. All valid rows; shares "
        "are of each line."
    )
    found = {t: s for t, s in scores.items() if "confusion" in s}
    cards = [card(t, "", tables.confusion(s)) for t, s in found.items()]
    return join((quiet(told), el("div", *cards, class_="grid"))) if cards else Html()


def _over_time(name: str, scores: Metrics, drawn: Metrics, folds: list[Any]) -> Html:
    told = (
        "Dots: accuracy in equal parts of the test span, the larger the more rows moved. Line: of "
        "all rows so far, with its 95 % interval where the span is long enough for one."
    )
    key = strokes(("model", name), ("null", "the best null, in each part"))
    cards = []
    for target, curve in drawn.items():
        null = _drawn_null(scores[target], curve)
        cards.append(card(target, _short(null), plots.over_time(curve, name, null)))
    grid = join((quiet(told), key, el("div", *cards, class_="grid"))) if cards else Html()
    if not any(any(fold.values()) for fold in folds):
        return grid
    spans = areas(("train", "trains"), ("wrong", "calibrates, then chooses"), ("hit", "is tested"))
    return join((grid, el("figure", spans, el("div", plots.layout(folds), class_="wide"))))


def _folds(scores: Metrics) -> Html:
    """Nothing where there is but one."""
    told = (
        "Each fold was fitted anew. A path goes once through all rows, by folds that tested them: "
        "its score is one that could have been; the last line is their standard deviation."
    )
    found = {t: s for t, s in scores.items() if len(s["folds"]) > 1}
    each = (el("details", el("summary", t), tables.folds(s)) for t, s in found.items())
    return join((quiet(told), *each)) if found else Html()


def _prices(name: str, prices: list[Any]) -> Html:
    figures = []
    for stretch in prices:
        ended = stretch["calls"].get(name, {}).get("ended", [])
        right, flat, wrong = (ended.count(k) for k in (1, 0, -1))
        unit = "mid in ticks" if stretch["in_ticks"] else "mid price"
        words = (
            f"{stretch['symbol']}, {unit} from {moment(stretch['start'])} UTC; {len(ended)} calls "
            f"of {stretch['target']}: {right} right, {flat} flat, {wrong} wrong."
        )
        plot = el("div", plots.price(stretch, name), class_="wide")
        figures.append(el("figure", plot, el("figcaption", words)))
    told = (
        "The longest unbroken stretch of the middle test block, chosen by time and not by result. "
        "Triangles point the way that was called: the strongest call of each 1/150 of the stretch "
        "among the tenth of its rows with the most conviction."
    )
    key = areas(("hit", "right"), ("hollow", "flat"), ("wrong", "wrong"))
    return join((quiet(told), key, *figures)) if figures else Html()


def _importances(name: str, weights: Metrics) -> Html:
    """Of the chosen model, else of all that have them."""
    shown = {name: weights[name]} if name in weights else weights
    cards = [
        card(target, "" if model == name else model, tables.importances(columns))
        for model, each in shown.items()
        for target, columns in each.items()
    ]
    told = "Share of all weight that a column carries in the fitted model; it is not a cause."
    return join((quiet(told), el("div", *cards, class_="grid"))) if cards else Html()


def _shap(name: str, values: Metrics) -> Html:
    """Of the chosen model, else of all that have them."""
    shown = {name: values[name]} if name in values else values
    cards = [
        card(target, "" if model == name else model, tables.shap(columns))
        for model, each in shown.items()
        for target, columns in each.items()
    ]
    told = (
        "Mean size of the SHAP values of each column, in what the model adds up: how far it moves "
        "the call of the side, or the size of a magnitude, on rows held back from the fit. To the "
        "right: the more of the column, the more it says up (or larger); to the left: down."
    )
    key = areas(("hit", "says up"), ("wrong", "says down"), ("train", "either"))
    grid = el("div", *cards, class_="grid broad")
    return join((quiet(told), key, grid)) if cards else Html()


def _models(metrics: Metrics, name: str) -> Html:
    models, targets = metrics["models"], verdict.targets(metrics)
    if not targets:
        return Html()
    told = (
        "Accuracy over moved rows (mean absolute error of a magnitude), the best null below. ● "
        "chosen on validation rows; the best of many models on test rows is partly luck."
    )
    first = verdict.shown(metrics)
    each = (
        el(
            "details",
            el("summary", f"{target}: all scores and nulls"),
            tables.every(models, target, name),
            open="open" if target == first else None,
        )
        for target in targets
    )
    heard = _heard(metrics.get("ensemble") or {})
    return join((quiet(told), tables.overview(models, targets, name), heard, *each))


def _heard(ensemble: Metrics) -> Html:
    """Whom the ensemble hears on each target, and why."""
    if not ensemble:
        return Html()
    why = {target: told["why"] for target, told in ensemble["targets"].items()}
    return el("details", el("summary", ensemble["note"]), facts(why))


def _parts(name: str, scores: Metrics, what: str) -> Html:
    """Nothing where one instrument is the whole."""
    names = {name for score in scores.values() for name in score[what]}
    told = (
        f"Accuracy of {name} over moved rows (mean absolute error of a magnitude), the number of "
        "rows below."
    )
    if what == "by_regime":
        told += " A row counts in the regime that the model of regimes thought likeliest then."
    return join((quiet(told), tables.parts(scores, what))) if len(names) > 1 else Html()


def _ceiling(scores: Metrics) -> Html:
    """Nothing where no truth is known."""
    told = (
        "What a forecaster reaches who knows the truth of the simulated market, hidden prices "
        "included, and how far from the majority to it the model goes, on log-loss. Nobody who "
        "sees the feed alone reaches all of it."
    )
    found = tables.ceilings(scores)
    return join((quiet(told), found)) if found else Html()


def _tradable(scores: Metrics) -> Html:
    told = (
        "What a frozen threshold would have taken, still rows included. A hit is a move of any "
        "size in the called direction: it is not a profit, and at these horizons the expected move "
        "is usually a small part of the spread."
    )
    found = tables.tradable(scores)
    key = areas(("hit", "hit"), ("still", "flat"), ("wrong", "wrong"))
    return join((quiet(told), key, found)) if found else Html()


def _warnings(metrics: Metrics) -> Html:
    said = [*metrics.get("warnings", []), *metrics.get("left_out", [])]
    if not said:
        return quiet("None.")
    return el("ul", *(el("li", sentence) for sentence in said), class_="warnings")


def _configuration(metrics: Metrics) -> Html:
    data, config = metrics["data"], metrics["config"]
    parts = [
        el("h3", "Reproduce"),
        el("pre", command(metrics)),
        el("h3", "Data"),
        facts(told(data)),
    ]
    return join((*parts, el("h3", "Configuration"), facts(told(config))))


def told(settings: Metrics) -> dict[str, Any]:
    """Settings whose times are written for people."""
    said = dict(settings)
    for key, value in settings.items():
        for unit, size in (("_ns", SECOND), ("_s", 1)):
            if key.endswith(unit):
                del said[key]
                said[key.removesuffix(unit)] = span(value / size)
    if said.get("span"):
        said["span"] = f"{moment(said['span'][0])} to {moment(said['span'][1])} UTC"
    for key in ("start", "end"):
        if isinstance(said.get(key), int):
            said[key] = moment(said[key]) if 0 < said[key] < NEVER else "of the recording"
    return said


def command(metrics: Metrics) -> str:
    """What to type for the same run."""
    config, data = metrics["config"], metrics["data"]
    words = ["flowsense", "run", *str(data.get("source", "SRC")).split(", ")]
    for test in data.get("tests", []):
        words += ["--test", *str(test).split(", ")]
    for option, value in data.get("options", {}).items():
        words += [f"--{option}"] if value == "True" else [f"--{option}", str(value)]
    for option, key in OPTIONS.items():
        value = config.get(key)
        if value:
            listed = isinstance(value, list | tuple)
            words += [f"--{option}", ",".join(map(str, value)) if listed else str(value)]
    if config.get("budget_s"):
        words += ["--budget", spell(round(config["budget_s"] * SECOND))]
    return shlex.join([*words, "--seed", str(metrics["seed"]), "--out", "DIR"])


def _drawn_null(score: Metrics, curve: Metrics) -> str:
    """The best of those that have a curve."""
    there = {name: null for name, null in score["nulls"].items() if name in curve["nulls"]}
    return verdict.judge({**score, "nulls": there}, "accuracy").null or "majority"


def _short(null: str) -> str:
    return f"against {verdict.spoken(null)}"
