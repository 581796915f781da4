"""An explanation as a person reads it: the decision first, then what it is made of."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from flowsense.cli.terminal import console
from flowsense.served import VETOES

if TYPE_CHECKING:
    from flowsense.served import Explanation, Likelihood, Prediction

SIDES = {-1: "down", 0: "no side", 1: "up"}
COLOURS = {"up": "green", "down": "red"}
MOST = 12  # columns that are shown
BASE = "base"
MEMBER = "member "  # and its name: of one that no columns explain


def show(why: "Explanation", asked: int, name: str, leans: Mapping[str, float]) -> None:
    """`asked`: the time that was, ns UTC; `name`: of the model; `leans`: on columns, by name."""
    to, said = console(), why.prediction
    to.print(title(said), style="bold")
    late = (asked - said.ts) / 1e6
    before = f", {late:,.0f} ms before the time asked" if late >= 1 else ""
    to.print(f"Row of {spelled(said.ts)} UTC{before}. Model {name}, {said.model_version}.")
    to.print()
    to.print(facts(decision(why)))
    for heading, table in tables(why, leans):
        to.print()
        to.print(heading, style="bold")
        to.print(table)


def tables(why: "Explanation", leans: Mapping[str, float]) -> Iterator[tuple[str, Table]]:
    """Each with what stands above it."""
    yield "Forecasts", forecasts(why.prediction.forecasts)
    if why.members:
        yield f"Members, of {why.prediction.target}", members(why)
    if why.contributions:
        whole = sum(why.contributions.values())
        yield f"Columns, by what they add to the log-odds of up: {whole:+.3f} in all", added(why)
    elif leans:
        yield "Columns that the model leans on most, of all rows", leaned(why, leans)


def title(said: "Prediction") -> str:
    what = f"{said.venue}:{said.symbol}, {said.target}: {SIDES[said.direction]}"
    if said.should_trade:
        return f"{what}, {said.position_size:.2%} of the capital"
    return f"{what}, not to be acted on" if said.direction else f"{what}, nothing is recommended"


def decision(why: "Explanation") -> Iterator[tuple[str, str]]:
    """What was decided, line by line."""
    said, costs = why.prediction, why.costs
    if said.direction:
        yield (
            "confidence",
            f"{said.confidence:.3f} that it goes {SIDES[said.direction]} if it moves",
        )
        yield "expected", f"{said.magnitude:.3g} ticks"
        ends = f"mid {said.mid:.10g}, stop {said.stop:.10g}, target {said.take_profit:.10g}"
        yield "prices", f"{ends}, reward/risk {said.reward_risk:.2f}"
    yield "size", f"{said.position_size:.2%} of the capital"
    both = ", ".join(f"{name} {x:.3g}" for name, x in costs.items())
    yield "costs", f"{sum(costs.values()):.3g} ticks in and out, as the risk counts them ({both})"
    for k, veto in enumerate(said.vetoes):
        yield "" if k else "vetoes", f"{veto}: {VETOES[veto]}"
    if not said.vetoes:
        yield "vetoes", "none"
    if said.stale:
        yield "stale", "the venue was silent for longer than it is used to"
    if said.regime:
        by = sorted(said.regime.items(), key=lambda pair: -pair[1])
        yield "regime", ", ".join(f"{name} {p:.0%}" for name, p in by)
    if said.agreement is not None:
        yield "agreement", f"{said.agreement:.0%} of the members"
    for k, absent in enumerate(said.abstained):
        yield "" if k else "left out", absent


def facts(pairs: Iterator[tuple[str, str]]) -> Table:
    out = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    out.add_column(style="dim", no_wrap=True)
    out.add_column()
    for pair in pairs:
        out.add_row(*pair)
    return out


def forecasts(said: "tuple[Likelihood, ...]") -> Table:
    out = lines("target", "P(down)", "P(flat)", "P(up)", "expected")
    for one in said:
        out.add_row(one.target, *chances(one), f"{one.value:+.3g}" if one.ready else "warms up")
    return out


def members(why: "Explanation") -> Table:
    out = lines("member", "vote", "P(down)", "P(flat)", "P(up)", "weight")
    out.columns[1].justify = "left"
    for name, said in why.members.items():
        one = next(each for each in said if each.target == why.prediction.target)
        share = f"{why.weights[name]:.0%}" if name in why.weights else ""
        out.add_row(name, vote(one), *chances(one), share)
    return out


def vote(one: "Likelihood") -> Text:
    if not one.ready:
        return Text("silent", style="dim")
    side = SIDES[(one.p_up > one.p_down) - (one.p_up < one.p_down)]
    return Text(side, style=COLOURS.get(side, ""))


def chances(one: "Likelihood") -> tuple[str, ...]:
    if not one.ready:
        return ("", "", "")
    return tuple(f"{p:.3f}" for p in (one.p_down, one.p_flat, one.p_up))


def added(why: "Explanation") -> Table:
    """The greatest of them, and the rest together."""
    each = {name: x for name, x in why.contributions.items() if name != BASE}
    top = sorted(each, key=lambda name: (-abs(each[name]), name))[:MOST]
    out = lines("column", "value", "adds")
    for name in top:
        out.add_row(name, value(why, name), f"{each[name]:+.3f}")
    if rest := each.keys() - set(top):
        out.add_row(f"{len(rest)} others", "", f"{sum(each[name] for name in rest):+.3f}")
    out.add_row("where nothing is known", "", f"{why.contributions[BASE]:+.3f}")
    return out


def leaned(why: "Explanation", leans: Mapping[str, float]) -> Table:
    top = sorted(leans, key=lambda name: (-leans[name], name))[:MOST]
    out = lines("column", "value", "importance")
    for name in top:
        out.add_row(name, value(why, name), f"{leans[name]:.3f}")
    return out


def value(why: "Explanation", name: str) -> str:
    if name.startswith(MEMBER):
        return ""  # as a whole
    return f"{why.columns[name]:.4g}" if name in why.columns else "missing"


def lines(*columns: str) -> Table:
    """The first column to the left, numbers to the right."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for k, column in enumerate(columns):
        out.add_column(column, justify="right" if k else "left", no_wrap=True)
    return out


def spelled(ts: int) -> str:
    from flowsense.evaluate.report.markup import moment

    return moment(ts, "ms" if ts % 1_000_000 == 0 else "ns")
