"""Every model on every target as Markdown: what a documentation page can show."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowsense.evaluate.report.markup import count, figure, percent, points
from flowsense.evaluate.report.verdict import (
    Metrics,
    Score,
    judge,
    main_key,
    read,
    rivals,
    spoken,
    targets,
)

SHARE = "0.25"
MB = 1e6
HEAD = (
    "model",
    "accuracy (95 %)",
    "difference from best null, points",
    "side-balanced",
    f"at {percent(float(SHARE))}",
    "share taken: right / flat / wrong",
)
SIZE_HEAD = ("model", "MAE (95 %)", "difference from best null, ticks", "IC")
COST_HEAD = ("model", "fit, s", "forecasts, s", "memory at the peak, MB")
WORDS = {"above": "above", "below": "below", "level": "not told apart", "unknown": "cannot be told"}
NOTE = (
    "Accuracy is of the side, over rows where the target moved. The best null is the rule without "
    "learning that does best on these very rows, picked in hindsight against the model; the "
    "interval of the difference is paired. A threshold from validation rows decides which share of "
    "all rows is taken."
)


def page(metrics: Metrics) -> str:
    """One table per target, then what each model took."""
    parts = [NOTE, *(section(metrics, target) for target in targets(metrics)), costs(metrics)]
    return "\n\n".join(parts) + "\n"


def section(metrics: Metrics, target: str) -> str:
    """The nulls in the order of their score, then the models as they were given."""
    found = {name: scores[target] for name, scores in metrics["models"].items() if target in scores}
    first = next(iter(found.values()))
    key, chosen = main_key(first), metrics.get("chosen")
    best = sorted(rivals(first, key), key=lambda pair: pair[1], reverse=key == "accuracy")
    lines = [null_line(first, name, key) for name, _ in best]
    line = size_line if key == "mae" else model_line
    lines += [line(f"**{n}**" if n == chosen else n, score) for n, score in found.items()]
    what = "rows" if key == "mae" else "moved rows"
    title = f"### {target}: {count(first['n'])} {what}"
    return "\n\n".join((title, table(SIZE_HEAD if key == "mae" else HEAD, lines)))


def null_line(score: Score, name: str, key: str) -> list[str]:
    """A null has no difference from itself, and no threshold."""
    null, value = score["nulls"][name], read(score["nulls"][name], key)
    if key == "mae":
        return [f"*{spoken(name)}*", number(value), "", number(read(null, "ic"))]
    balanced, most = (number(read(null, k)) for k in ("side_balanced", f"coverage@{SHARE}"))
    return [f"*{spoken(name)}*", number(value), "", balanced, most, ""]


def model_line(name: str, score: Score) -> list[str]:
    value, most = (number(read(score, k)) for k in ("accuracy", f"coverage@{SHARE}"))
    interval = spread(score["ci95"].get("accuracy"), figure)
    balanced = number(read(score, "side_balanced"))
    return [name, f"{value}{interval}", gap(score, "accuracy"), balanced, most, taken(score)]


def size_line(name: str, score: Score) -> list[str]:
    value, ic = (number(read(score, k)) for k in ("mae", "ic"))
    return [name, value + spread(score["ci95"].get("mae"), figure), gap(score, "mae"), ic]


def gap(score: Score, key: str) -> str:
    """``+2.1 (+.4 to +3.7) above``: how far from its best null, and whether luck explains it."""
    found = judge(score, key)
    if found.difference is None:
        return WORDS["unknown"]
    form = figure if key == "mae" else points
    return f"{form(found.difference)}{spread(found.interval, form)} {WORDS[found.mark]}"


def taken(score: Score) -> str:
    """``.26: .14 / .83 / .03`` of the rows beyond the threshold for a quarter of them."""
    found = score["tradable"].get(SHARE)
    if not found or found["share"] is None:
        return ""
    parts = " / ".join(number(found[name]) for name in ("hit", "flat", "wrong"))
    return f"{number(found['share'])}: {parts}"


def costs(metrics: Metrics) -> str:
    """What the fits and the forecasts of each model took."""
    timing = metrics["timing"]
    lines = []
    for name in metrics["models"]:
        fit, ahead = (timing.get(f"{stage} {name}", {}) for stage in ("fit", "forecast"))
        memory = max(stage.get("memory", 0) for stage in (fit, ahead))
        lines.append([name, seconds(fit), seconds(ahead), f"{memory / MB:,.0f}" if memory else "-"])
    return "\n\n".join(("### What it takes", table(COST_HEAD, lines)))


def seconds(stage: Mapping[str, Any]) -> str:
    return f"{stage['seconds']:,.1f}" if stage else "-"


def spread(interval: Sequence[float] | None, form: Any) -> str:
    return f" ({form(interval[0])} to {form(interval[1])})" if interval else ""


def number(x: float | None) -> str:
    return "-" if x is None else figure(x)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (*rows(head), *lines))


def rows(head: Sequence[str]) -> Iterator[Sequence[str]]:
    yield head
    yield ["---", *("---:" for _ in head[1:])]
