"""The section of a second configuration that ran beside: sentences, figures, both curves."""

from collections.abc import Iterator, Mapping
from typing import Any

from flowsense.backtest.sheet.words import WAY, cash, percent, plain, points
from flowsense.evaluate.report.markup import Html, count, el, join, quiet, span, strokes, table
from flowsense.schema import SECOND

Content = Mapping[str, Any]
BP = 1e4
ROWS = {
    "before costs": "gross",
    "slippage": "slippage",
    "fees": "fees",
    "funding": "funding",
    "net": "net",
}


def sentences(found: Content) -> Iterator[str]:
    """The finding, by how much, and what else to know; A is the one that the sheet is about."""
    yield found["sentence"][0].upper() + found["sentence"][1:] + "."
    if not (found["a"]["turnover"] or found["b"]["turnover"] or found["gap"]["net"]):
        return
    gap = found["gap"]["net"]
    more = "more" if gap >= 0 else "less"
    bounds = ", over too short a time for an interval"
    if found["ci95"]:
        low, high = map(signed, found["ci95"])
        bounds = f" (A less B, 95 %: {low} to {high})"
    yield (
        f"A earned {signed(abs(gap)).lstrip('+')} bp of the capital {more} than B in "
        f"{span((found['end'] - found['start']) / SECOND)}{bounds}."
    )
    turn = found["in_turn"]
    if turn["interval"]:
        low, high = map(signed, turn["interval"])
        yield (
            f"One who looked after each of {turn['blocks']} blocks of "
            f"{span(found['block_ns'] / SECOND)} knows by now: A less B is {low} to {high} bp an "
            "hour."
        )
    yield from (f"Note: {text}." for text in found["warnings"])
    if found["targets"]:
        both = ", ".join(found["targets"])
        yield f"Both forecast {both}: `flowsense compare` says which of them forecasts it better."


def signed(share: float) -> str:
    """Basis points."""
    return points(share * BP)


def section(found: Content) -> Html:
    """What is known of A and B, and how they came by it."""
    from flowsense.backtest.sheet import plots  # brings matplotlib

    first, *rest = sentences(found)
    names = (f"{letter}: {found[letter.lower()]['name']}" for letter in "AB")
    drawn = Html()
    if len(set(found["curves"]["ts"])) > 1:
        key = strokes(("model", "A, bp of its capital, net"), ("null", "B"))
        picture = el("div", plots.rivals(found["curves"]), class_="wide")
        drawn = join((key, el("figure", picture)))
    return join(
        (
            el("p", first, class_="lead"),
            *(quiet(text) for text in (*names, *rest)),
            drawn,
            figures(found),
        )
    )


def figures(found: Content) -> Html:
    """Two columns in the currency of the account, and A less B; what was paid is below 0."""
    a, b, gap = found["a"], found["b"], found["gap"]
    rows = [
        [*(cash(WAY[key] * side[key]) for side in (a, b)), signed(gap[key]), words]
        for words, key in ROWS.items()
    ]
    rows.append([percent(a["net"] / a["capital"]), percent(b["net"] / b["capital"]), "", "return"])
    rows.append([count(a["fills"]), count(b["fills"]), "", "executions"])
    rows.append([f"{plain(a['turnover'])} x", f"{plain(b['turnover'])} x", "", "turnover"])
    made = ([el("th", words, scope="row"), *(el("td", x) for x in each)] for *each, words in rows)
    return table(["", "A", "B", "A less B, bp of the capital"], made, class_="narrow")
