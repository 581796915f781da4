"""What ends a run on the terminal: the finding, a line per target, and where the files are."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowsense.cli.terminal import console
from flowsense.evaluate.report import verdict
from flowsense.evaluate.report.markup import span

COLOURS = {"above": "green", "level": "yellow", "below": "red", "unknown": "dim"}
NOTES = 5  # printed; the files have all of them


def say(metrics: Mapping[str, Any], folder: Path) -> None:
    """The same words as the report, which is named first."""
    to = console()
    to.print()
    to.print(verdict.title(metrics), style="bold")
    said = list(verdict.sentences(metrics))
    for sentence in said:
        to.print(sentence)
    if metrics["models"].get(verdict.chosen(metrics)):
        to.print()
        to.print(table(metrics))
        to.print(
            f"Of {verdict.chosen(metrics)}: accuracy of the side on moved rows (of a magnitude, "
            "mean absolute error in ticks), the null that did best on the same rows, and the 95 % "
            "interval of their difference." + (SKILL if knows(metrics) else ""),
            style="dim",
        )
    if len(metrics["models"]) > 1 and verdict.shown(metrics):
        to.print()
        to.print(models(metrics))
    for sentence in traded(metrics.get("backtest", {})):
        to.print()
        to.print(sentence)
    notes(metrics, to, said)
    to.print()
    for name, what in FILES:
        if name == "backtest" and not metrics.get("backtest"):
            continue
        to.print(f"{folder / name}  {what}", soft_wrap=True)


def traded(found: Mapping[str, Any]) -> Iterator[str]:
    """What trading the chosen model came to, in a sentence."""
    parts = [
        f"{name} {score['net_bp']:+.2f} bp in {score['executions']:,} executions"
        if score["executions"]
        else f"{name} made no trade{withheld(score)}"
        for name, score in found.items()
    ]
    if parts:
        first = next(iter(found.values()))
        long = f" ({span(first['seconds'])})" if "seconds" in first else ""
        bare = first.get("on") == "bars"
        costs = "with half a spread of 1 bp and no fees" if bare else "without fees"
        yield (
            f"{first['model']} traded on the rows of the last test block{long}, in basis points "
            f"of the value executed, {costs}: {', '.join(parts)}."
        )


def withheld(score: Mapping[str, Any]) -> str:
    """Why there was no trade: what most signals were withheld for."""
    vetoes = score.get("vetoes", {})
    most = max(vetoes, key=lambda name: vetoes[name], default=None)
    return f", most signals withheld as {most}" if most else ""


def notes(metrics: Mapping[str, Any], to: Console, said: Collection[str] = ()) -> None:
    """What was left out and what a reader should be warned of, each once, unless it is said."""
    found = dict[tuple[str, str], list[str]]()  # of what, and of a model's own by its name
    heard = [metrics["ensemble"]["note"]] if metrics.get("ensemble") else []
    for note in (*heard, *metrics["left_out"], *metrics["warnings"]):
        if f"Caution: {note}." in said:
            continue
        about, _, what = note.partition(": ")
        model, several, target = about.partition(", ")
        found.setdefault((what, f"{model} on " * bool(several)), []).append(target or about)
    if found:
        to.print()
    for (what, model), about in [*found.items()][:NOTES]:
        to.print(f"Note: {model}{', '.join(about)}: {what}")
    if len(found) > NOTES:
        to.print(f"{len(found) - NOTES} more notes stand with the results.")


SKILL = (
    " Skill: how far, on log-loss, it goes from the majority to whoever knows the truth of the "
    "simulated market; none: there is no skill to have."
)
FILES = (
    ("report.html", "everything, for a browser"),
    ("metrics.json", "the same as numbers"),
    ("forecasts", "of the rows that were scored"),
    ("backtest", "tear sheets of trading the chosen model"),
    ("checkpoints", "the fitted models"),
)


def table(metrics: Mapping[str, Any]) -> Table:
    """Of the chosen model; never wider than 80 columns."""
    name, skilled = verdict.chosen(metrics), knows(metrics)
    columns = ("target", "rows", "score", "best null", "difference", "", "skill")
    out = lines(*columns[: 6 + skilled])
    for target, score in metrics["models"][name].items():
        found = verdict.judge(score, verdict.main_key(score))
        beside = f"{number(found.beside)} {found.null}"
        row = [target, f"{score['n']:,}", number(found.value), beside, *stands(found)]
        out.add_row(*row, *([share(score.get("share_of_skill"))] if skilled else []))
    return out


def models(metrics: Mapping[str, Any]) -> Table:
    """Every model on the target that the finding is of, the chosen one marked."""
    target, name = verdict.shown(metrics), verdict.chosen(metrics)
    out = lines("model", "score", "best null", "difference", "")
    out.columns[0].header = f"model, {target}"
    for model, scores in metrics["models"].items():
        if target in scores:
            found = verdict.judge(scores[target], verdict.main_key(scores[target]))
            beside = f"{number(found.beside)} {found.null}"
            style = "bold" if model == name else ""
            out.add_row(model, number(found.value), beside, *stands(found), style=style)
    return out


def lines(*columns: str) -> Table:
    """A table without lines, numbers to the right."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        right = column in ("rows", "score", "skill")
        out.add_column(column, justify="right" if right else "left", no_wrap=True)
    return out


def stands(found: verdict.Verdict) -> tuple[str, Text]:
    """The interval of the difference, and in a word what it says."""
    interval = "{:+.3f} to {:+.3f}".format(*found.interval) if found.interval else "-"
    return interval, Text(found.mark, style=COLOURS[found.mark])


def knows(metrics: Mapping[str, Any]) -> bool:
    """Whether the truth of what was scored is known."""
    scores = metrics["models"].get(verdict.chosen(metrics), {})
    return any(score.get("ceiling") for score in scores.values())


def share(skill: float | str | None) -> str:
    """Of the ceiling's; a sentence where it has none."""
    return "none" if isinstance(skill, str) else number(skill)


def number(x: float | None) -> str:
    return "-" if x is None else f"{x:.3f}"
