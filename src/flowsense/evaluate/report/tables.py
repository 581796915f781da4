"""The tables of the page: every number as `metrics.json` has it, rounded."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from flowsense.evaluate.report.markup import (
    MINUS,
    Html,
    count,
    el,
    figure,
    join,
    missing,
    moment,
    number,
    percent,
    points,
    table,
)
from flowsense.evaluate.report.verdict import Score, Verdict, judge, main_key, read, spoken
from flowsense.evaluate.scores import COVERAGES

SHARES = tuple(str(c) for c in COVERAGES if c < 1)
CLEAR = 0.2  # correlation from which a direction is told
SHORT = "the test span is too short for an interval"
SCORES = (
    ("accuracy", "accuracy"),
    *((f"coverage@{c}", f"at {percent(float(c))}") for c in SHARES),
    ("side_balanced", "side-balanced"),
    ("balanced_accuracy", "balanced"),
    ("macro_f1", "macro F1"),
    ("mcc", "MCC"),
    ("log_loss", "log-loss"),
    ("brier", "Brier"),
    ("ic", "IC"),
)
FOLDS = (("accuracy", "accuracy"), ("side_balanced", "side-balanced"), ("log_loss", "log-loss"))
SIZES = (("mae", "MAE"), ("rmse", "RMSE"), ("ic", "IC"))


def headline(scores: Mapping[str, Score], doubtful: Collection[str] = ()) -> Html:
    """One line per target with classes: the model beside the best null by each score.

    Of the doubtful targets the intervals are too narrow to trust, and marked so.
    """
    head = ["target", "rows", "accuracy", "best null", "difference, points"]
    head += [f"at {percent(float(c))}" for c in SHARES] + ["side-balanced", "log-loss", "ECE"]
    rows = [
        [el("th", target, _doubt(target in doubtful), scope="row"), *_line(score)]
        for target, score in scores.items()
        if "accuracy" in score
    ]
    return table(head, rows) if rows else Html()


def sizes(scores: Mapping[str, Score], doubtful: Collection[str] = ()) -> Html:
    """One line per magnitude."""
    found = {t: s for t, s in scores.items() if "mae" in s}
    rows = ([el("th", t, _doubt(t in doubtful), scope="row"), *_size(s)] for t, s in found.items())
    head = ["magnitude, ticks", "rows", "MAE", "best null", "difference", "RMSE", "IC"]
    return table(head, rows) if found else Html()


def overview(models: Mapping[str, Mapping[str, Score]], targets: Sequence[str], lead: str) -> Html:
    """Every model on every target by its main score, coloured by its own best null."""
    rows = []
    for name, scores in models.items():
        cells = [_main(scores[t]) if t in scores else _not_scored() for t in targets]
        rows.append([_name(name, lead), *cells])
    return table(["model", *targets], rows)


def every(models: Mapping[str, Mapping[str, Score]], target: str, lead: str) -> Html:
    """All scores of all models on one target, and of all nulls below them."""
    there = {name: scores[target] for name, scores in models.items() if target in scores}
    first = next(iter(there.values()))
    columns = SCORES if "accuracy" in first else SIZES
    rows = [
        [_name(name, lead), *(_judged(judge(score, key), brief=True) for key, _ in columns)]
        for name, score in there.items()
    ]
    nulls = first["nulls"] | ({"ceiling": first["ceiling"]} if first["ceiling"] else {})
    rows += [
        [el("th", name.replace("_", " "), scope="row", class_="quiet"), *_plain(null, columns)]
        for name, null in nulls.items()
    ]
    return table(["", *(words for _, words in columns)], rows)


def confusion(score: Score) -> Html:
    """Rows what came, columns what was called; the shade is the share of the row."""
    names, counts = ("down", "flat", "up"), score["confusion"]
    rows = []
    for k, row in enumerate(counts):
        shares = [c / max(sum(row), 1) for c in row]
        cells = (
            el("td", count(c), el("small", percent(round(s, 2))), style=f"--share:{s:.2f}")
            for c, s in zip(row, shares, strict=True)
        )
        rows.append([el("th", names[k], scope="row"), *cells])
    return table(["", *names], rows, class_="heat")


def folds(score: Score) -> Html:
    """One line for each fold and path, and how far these lie apart."""
    columns = FOLDS if "accuracy" in score else SIZES[:2]
    rows = []
    for kind in ("fold", "path"):
        for k, part in enumerate(score.get(f"{kind}s") or (), 1):
            told = f"{moment(part['start'])} to {moment(part['end'])}"
            cells = [el("td", told), el("td", count(part["n"]))]
            cells += [el("td", number(part[key])) for key, _ in columns]
            rows.append([el("th", f"{kind} {k}", scope="row"), *cells])
    if spread := score.get("spread"):
        cells = [el("td", number(spread.get(key))) for key, _ in columns]
        rows.append([el("th", "deviation", scope="row"), el("td"), el("td"), *cells])
    return table(["", "UTC", "rows", *(words for _, words in columns)], rows)


def tradable(scores: Mapping[str, Score]) -> Html:
    """Thresholds from validation rows on all test rows, and how what they took ended."""
    head = ["target", "asked", "taken", "hit", "flat", "wrong", ""]
    rows = []
    for target, score in scores.items():
        each = score.get("tradable", {})
        for asked, found in each.items():
            what = (number(found[k], _untaken(found)) for k in ("hit", "flat", "wrong"))
            cells = [el("td", percent(float(asked))), el("td", _share(found["share"]))]
            cells += [el("td", x) for x in what]
            name = el("th", target, scope="rowgroup", rowspan=len(each))
            first = [name] if asked == next(iter(each)) else []
            rows.append([*first, *cells, el("td", _ends(found))])
    return table(head, rows) if rows else Html()


def parts(scores: Mapping[str, Score], what: str) -> Html:
    """``by_instrument`` or ``by_regime``: one line each, a column per target."""
    names = list(dict.fromkeys(name for score in scores.values() for name in score[what]))
    rows = []
    for name in names:
        cells = (_part(score[what].get(name), main_key(score)) for score in scores.values())
        rows.append([el("th", name, scope="row"), *cells])
    return table(["", *scores], rows) if names else Html()


def ceilings(scores: Mapping[str, Score]) -> Html:
    """How far from the null to the truth the model goes, where the truth is known."""
    rows = []
    for target, score in scores.items():
        if not score["ceiling"] or "accuracy" not in score:
            continue
        share = score["share_of_skill"]
        told = share if isinstance(share, str) else number(share)
        pair = (score["nulls"]["majority"], score, score["ceiling"])
        cells = [el("td", number(x[key])) for key in ("log_loss", "accuracy") for x in pair]
        rows.append([el("th", target, scope="row"), *cells, el("td", told)])
    head = [
        "target",
        *(f"{w} {k}" for k in ("log-loss", "accuracy") for w in WHO),
        "share of skill",
    ]
    return table(head, rows) if rows else Html()


WHO = ("majority", "model", "ceiling")


def timing(stages: Mapping[str, Mapping[str, float]]) -> Html:
    rows = []
    for stage, cost in stages.items():
        seconds = float(cost["seconds"])
        cells = [el("td", f"{seconds:,.2f}")]
        for unit in ("events", "rows"):
            done = int(cost.get(unit) or 0)
            cells.append(el("td", count(done) if done else missing("does not count them")))
            rate = done / seconds if seconds > 0 and done else None
            cells.append(el("td", missing("nothing to count") if rate is None else f"{rate:,.0f}"))
        rows.append([el("th", stage, scope="row"), *cells])
    return table(["stage", "seconds", "events", "events / s", "rows", "rows / s"], rows)


def backtest(found: Mapping[str, Mapping[str, Any]]) -> Html:
    """A line for each way of trading the chosen model."""
    rows = []
    for name, score in found.items():
        counts = [el("td", count(score[key])) for key in ("sent", "executions")]
        gains = [
            el("td", missing("nothing was executed") if x is None else signed(x))
            for x in (score["net_bp"], score["gross_bp"])
        ]
        rows.append([el("th", name, scope="row"), *counts, *gains, el("td", vetoed(score))])
    heads = [
        "",
        "orders sent",
        "executions",
        "net, bp",
        "before costs, bp",
        "held back, most often",
    ]
    return table(heads, rows)


def signed(x: float) -> str:
    return f"{MINUS if x < 0 else '+'}{abs(x):.2f}"


def vetoed(score: Mapping[str, Any]) -> str:
    """The most frequent reason why nothing was traded, and how often; a maker needs no signal."""
    if score["executions"] or not score["vetoes"]:
        return ""
    name, n = max(score["vetoes"].items(), key=lambda pair: pair[1])
    return f"{name.replace('_', ' ')}, {count(n)}"


def importances(weights: Mapping[str, float], most: int = 8) -> Html:
    """Bars of the columns with the most weight, as shares of all of it."""
    total = sum(abs(w) for w in weights.values())
    if total == 0:
        return el("p", "No column carries weight.", class_="quiet")
    ranked = sorted(weights.items(), key=lambda pair: -abs(pair[1]))[:most]
    largest = abs(ranked[0][1])
    cells: list[Html] = []
    for name, weight in ranked:
        width = f"--w:{abs(weight) / largest:.0%}"
        cells += [el("span", name, title=name), el("i", style=width)]
        cells.append(el("b", percent(round(abs(weight) / total, 3))))
    return el("div", *cells, class_="bars")


def shap(values: Mapping[str, tuple[float, float]], most: int = 10) -> Html:
    """Bars of mean |SHAP value| from a middle line, to the side that more of the column says."""
    ranked = sorted(values.items(), key=lambda pair: -pair[1][0])[:most]
    if not ranked or ranked[0][1][0] == 0:
        return el("p", "No column moves the forecast.", class_="quiet")
    largest, cells = ranked[0][1][0], list[Html]()
    for name, (mean, way) in ranked:
        clear = abs(way) >= CLEAR
        kind = ("hit" if way > 0 else "wrong") if clear else "train"
        title = f"mean |SHAP value| {figure(mean)}, correlation with the column {figure(way, 2)}"
        bar = el("i", class_=kind, style=f"--w:{mean / largest:.0%}")
        side = "up" if way > 0 else "down"
        cells += [el("span", name, title=name), el("u", bar, class_=side, title=title)]
        cells.append(el("b", figure(mean)))
    return el("div", *cells, class_="bars two")


def _doubt(there: bool) -> Html:
    why = "the test span holds few blocks of the bootstrap"
    return el("small", "interval too narrow", title=why) if there else Html()


def _line(score: Score) -> Iterator[Html]:
    found = judge(score, "accuracy")
    yield el("td", count(score["n"]))
    yield el("td", number(found.value), _interval(score["ci95"].get("accuracy")))
    yield el("td", number(found.beside), el("small", spoken(found.null)))
    yield _difference(found)
    for c in SHARES:
        yield _judged(judge(score, f"coverage@{c}"))
    yield _judged(judge(score, "side_balanced"))
    yield _judged(judge(score, "log_loss"))
    yield _ece(score)


def _size(score: Score) -> Iterator[Html]:
    found = judge(score, "mae")
    yield el("td", count(score["n"]))
    yield el("td", number(found.value), _interval(score["ci95"].get("mae")))
    yield el("td", number(found.beside), el("small", spoken(found.null)))
    gap = _interval(found.interval)
    yield el("td", number(found.difference), gap, class_=_colour(found))
    yield el("td", number(score["rmse"]))
    yield el("td", number(score["ic"]))


def _difference(found: Verdict) -> Html:
    if found.difference is None:
        return el("td", missing("no null has this score"))
    if found.interval is None:
        return el("td", points(found.difference), el("small", missing(SHORT)))
    low, high = found.interval
    inside = el("small", f"{points(low)} to {points(high)}")
    return el("td", points(found.difference), inside, class_=_colour(found))


def _judged(found: Verdict, brief: bool = False) -> Html:
    """A cell coloured where the paired interval to the best null leaves zero out."""
    if found.value is None:
        return el("td", missing("one side was never called, or no row counts"))
    title = f"best null: {spoken(found.null)}" if found.null else "no null has this score"
    if found.interval:
        title += f"; difference {figure(found.interval[0])} to {figure(found.interval[1])}"
    elif found.null:
        title += "; no interval"
    beside = None if found.beside is None else el("small", figure(found.beside))
    inside = [number(found.value)] + ([beside] if beside and not brief else [])
    return el("td", *inside, class_=_colour(found), title=title)


def _ece(score: Score) -> Html:
    band = score["ece_band"]
    if score["ece"] is None or band is None:
        return el("td", missing("no rows"))
    colour = "below" if score["ece"] > band["high"] else ""
    inside = el("small", f"{figure(band['low'])} to {figure(band['high'])}")
    return el("td", number(score["ece"]), inside, class_=colour, title="band of a perfect forecast")


def _interval(found: Sequence[float] | None) -> Html:
    if not found:
        return el("small", missing(SHORT))
    return el("small", f"{figure(found[0])} to {figure(found[1])}")


def _main(score: Score) -> Html:
    return _judged(judge(score, main_key(score)))


def _part(part: Mapping[str, Any] | None, key: str) -> Html:
    if part is None:
        return el("td", missing("no rows"))
    return el("td", number(part[key]), el("small", count(part["n"])))


def _plain(null: Mapping[str, Any], columns: Sequence[tuple[str, str]]) -> Iterator[Html]:
    for key, _ in columns:
        yield el("td", number(read(null, key), "means nothing of this rule"))


def _name(name: str, lead: str) -> Html:
    mark = el("span", " ●", class_="dot", title="chosen on validation rows") if name == lead else ""
    return el("th", name, mark, scope="row")


def _not_scored() -> Html:
    return el("td", missing("not forecast by this model"))


def _share(share: float | None) -> Html:
    return (
        missing("no validation rows to set it") if share is None else Html(percent(round(share, 3)))
    )


def _untaken(found: Mapping[str, float | None]) -> str:
    return "no validation rows" if found["share"] is None else "nothing was taken"


def _ends(found: Mapping[str, float | None]) -> Html:
    shares = (("hit", "hit"), ("still", "flat"), ("wrong", "wrong"))
    bars = (el("i", class_=c, style=f"--w:{found[k] or 0:.1%}") for c, k in shares)
    return el("div", join(bars), class_="ends") if found["hit"] is not None else Html()


def _colour(found: Verdict) -> str:
    return found.mark if found.mark in ("above", "below") else ""
