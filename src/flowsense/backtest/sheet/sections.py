"""The sections of the sheet in order; one with nothing to say is left out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowsense.backtest.sheet import against, plots, tables
from flowsense.backtest.sheet.words import TERMS, plain, reason
from flowsense.evaluate.report.markup import Html, areas, card, el, facts, join, quiet, strokes
from flowsense.schema import MILLISECOND

Content = Mapping[str, Any]
MEANS = {
    "fees": "Fees are those of makers and takers; the rebate stays as it is.",
    "costs": "Costs are fees, spread and impact; the rebate stays as it is.",
    "capacity": "Capacity is so many times the lots; the capital grows as many times.",
}
WAITS = {  # what a venue says of how long an order takes, and how much of it is one of the unit
    "ms": (r"order=Constant\(wait_ns=(\d+)\)", MILLISECOND),
    "bars": (r"delay=(\d+)", 1),
}
TOLD = ("told", "broken")  # of a configuration, which other sections tell


def sections(content: Content) -> Iterator[tuple[str, Html]]:
    """Name and body of each."""
    m = content["measures"]
    yield "Figures", tables.tiles(content)
    yield "Equity", _equity(content)
    rival = content.get("against")
    yield "Against another", against.section(rival) if rival else Html()
    yield "Is it luck?", _luck(content)
    yield "By year and month", _calendar(m)
    yield "Where the money went", _costs(content)
    yield "By hour and regime", _parts(m)
    yield "By instrument", _instruments(content)
    yield "If costs, latency or size were others", _sensitivity(content)
    yield "When the market breaks", _stress(content)
    yield "Warnings", _warnings(content)
    yield "Terms", el("dl", *(join((el("dt", k), el("dd", v))) for k, v in TERMS.items()))
    config = {k: v for k, v in content["config"].items() if k not in TOLD}
    if isinstance(cost := config.get("closing them costs"), float):
        config["closing them costs"] = tables.precise(-cost)
    if "vetoes" in config:
        config["vetoes"] = {reason(k): n for k, n in config["vetoes"].items()}
    if config.get("trips"):
        config["trips"] = {reason(k): n for k, n in config["trips"].items()}
    yield "Configuration", facts(config) if config else Html()


def _equity(content: Content) -> Html:
    curves = content["curves"]
    if len(set(curves["ts"])) < 2 or not content["measures"]["turnover"]:
        return Html()
    key = strokes(("model", "net"), ("other", "before costs"))
    pictures = (plots.equity(curves), plots.drawdown(curves))
    drawn = (el("div", picture, class_="wide") for picture in pictures)
    told = f"{tables.falls(content['measures'])} Drawdown is of marks, one a minute."
    return join((key, el("figure", *drawn, el("figcaption", told))))


def _luck(content: Content) -> Html:
    if content["verdict"] is None:
        return quiet("Too few returns to tell anything from luck.")
    told = (
        "Whoever tries many strategies finds one that looks good. What counts is how far this one "
        "stands above the best of as many that are worth nothing."
    )
    return join((quiet(told), tables.guards(content)))


def _calendar(m: Content) -> Html:
    told = (
        "Net return, percent of the equity at the start of each; point at a year for its return "
        "before costs. UTC."
    )
    return join((quiet(told), tables.calendar(m["years"], m["months"])))


def _costs(content: Content) -> Html:
    told = (
        "What was paid is below 0, what was received above, and the rows add up to what was kept. "
        "Slippage is against the mid when an order was decided. Below, by what orders did: against "
        "the mid at the execution, and what was lost (below 0) or won while the mid went on from "
        "where it stood at the decision."
    )
    parts = (
        quiet(told),
        tables.bridge(content["costs"], content["capital"]),
        tables.executions(content["executions"]),
        el("details", el("summary", "What became of the orders"), tables.orders(content["orders"])),
    )
    return join(parts)


def _instruments(content: Content) -> Html:
    told = "Round trips are finished ones, from flat to flat; won and the win rate are of those."
    return join((quiet(told), tables.instruments(content)))


def _parts(m: Content) -> Html:
    told = "Gains as percent of the capital, by the hour (UTC) or the regime in which they came."
    cards = []
    if len(m["hours"]) > 1:
        cards.append(card("by hour", "UTC", tables.bars(m["hours"], " h")))
    if m["regimes"]:
        cards.append(card("by regime", "", tables.bars(m["regimes"])))
    key = areas(("hit", "gained"), ("wrong", "lost"))
    return join((quiet(told), key, el("div", *cards, class_="grid broad own"))) if cards else Html()


def _sensitivity(content: Content) -> Html:
    found = content["sensitivity"]
    if not found:
        return Html()
    told = (
        "The same backtest with one thing changed. What earns only at the costs that were assumed "
        "has not been shown to earn. A dotted line marks what was assumed."
    )
    drawn = [each for each in found if len(each["points"]) > 1 and matters(each["points"])]
    cards = [
        card(e["name"], _limit(e), plots.sensitivity(e["points"], e["unit"], assumed(e, content)))
        for e in drawn
    ]
    details = (
        el("details", el("summary", e["name"]), tables.runs(e["points"], e["unit"])) for e in found
    )
    key = strokes(("model", "net"), ("other", "before costs"))
    notes = [quiet(MEANS[e["name"]]) for e in drawn if e["name"] in MEANS]
    same = [e["name"] for e in found if len(e["points"]) > 1 and not matters(e["points"])]
    notes += [quiet(f"Nothing changes with {name} here: no panel is drawn.") for name in same]
    grid = el("div", *cards, class_="grid few")
    return join((quiet(told), *notes, *((key, grid) if cards else ()), *details))


def matters(points: Sequence[Content]) -> bool:
    """Whether any run came to something else."""
    return len({(p["net"], p["gross"], p["turnover"]) for p in points}) != 1


def assumed(sensitivity: Content, content: Content) -> float | None:
    """Where the backtest itself stands on the axis; None where it does not say."""
    if sensitivity["unit"] == "x":
        return 1.0
    pattern, unit = WAITS.get(sensitivity["unit"], ("$.", 1))
    found = re.search(pattern, str(content["config"].get("venue", "")))
    return float(found[1]) / unit if found else None


def _limit(sensitivity: Content) -> str:
    at = sensitivity["turns"]
    return "" if at is None else f"loses beyond {plain(at, 1)} {sensitivity['unit']}"


def _stress(content: Content) -> Html:
    when = f", {broken}" if (broken := content["config"].get("broken")) else ""
    told = f"The same strategy on the same recording, which breaks as the scenario says{when}."
    found = content["stress"]
    return join((quiet(told), tables.scenarios(found))) if found else Html()


def _warnings(content: Content) -> Html:
    said = content["warnings"]
    if not said:
        return quiet("None.")
    items = (el("li", text[0].upper() + text[1:] + ".") for text in said)
    return el("ul", *items, class_="warnings")
