"""The tables of the sheet: every number as the JSON has it, rounded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowsense.backtest.sheet.words import (
    FINE,
    ORDERS,
    WAY,
    amount,
    cash,
    percent,
    plain,
    points,
    ratio,
    reason,
    share,
    shown,
)
from flowsense.backtest.sheet.words import trips as finished
from flowsense.evaluate.report.markup import DASH, Html, count, el, missing, moment, span, table
from flowsense.schema import SECOND

Content = Mapping[str, Any]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
EXECUTED = {"taker": "took", "maker": "rested"}


def cell(text: str, why: str = "nothing to say") -> Html:
    return el("td", missing(why)) if text == DASH else el("td", text)


def named(text: str) -> Html:
    return el("th", text, scope="row")


def tile(name: str, value: str, beside: str = "") -> Html:
    shown = missing("nothing to say") if value == DASH else value
    return el("div", el("span", name), el("b", shown), el("small", beside), class_="tile")


def tiles(content: Content) -> Html:
    """The figures that are asked for first."""
    m = content["measures"]
    s, trips, fall, capital = m["sharpe"], m["trips"], m["drawdown"], content["capital"]
    year = m["turnover_year"]
    again = "not reached again" if fall["end"] is None else "reached again"
    held = finished(trips["finished"]) if trips else "no round trip was finished"
    cards = (
        tile("net return", percent(m["net"]), f"{percent(m['gross'])} before costs"),
        tile("Sharpe ratio", ratio(s and s["value"], s and s["error"]), _of(s)),
        tile("deepest drawdown", share(fall["depth"]), again if fall["depth"] else "never below"),
        tile("win rate", share(m["win_rate"]), held),
        tile("turnover", f"{plain(m['turnover'], 1)} x", f"{plain(year, 0)} x a year"),
        tile("fees", cash(-m["fees"]), f"{percent(-m['fees'] / capital)} of the capital"),
        tile(
            "slippage", cash(-m["slippage"]), f"{percent(-m['slippage'] / capital)} of the capital"
        ),
        tile(
            "fill ratio", share(m["fill_ratio"]), f"{count(content['orders'].get('sent', 0))} sent"
        ),
        tile("mean exposure", f"{plain(m['exposure'])} x", "of the capital"),
        tile("held", span(trips["held_ns"] / SECOND) if trips else DASH, "median round trip"),
    )
    return el("div", *cards, class_="tiles")


def _of(sharpe: Content | None) -> str:
    if sharpe is None:
        return "too few returns, or all alike"
    return f"{count(sharpe['periods'])} returns by the {sharpe['unit']}"


def shade(x: float | None, most: float) -> dict[str, str]:
    """Attributes of a cell: the colour of its sign, as deep as its size."""
    if not x:
        return {"style": "--share:0"}
    deep = min(1.0, abs(x) / most) if most else 0.0
    return {"style": f"--share:{deep:.2f}", "class_": "gain" if x > 0 else "loss"}


def calendar(years: Sequence[Content], months: Sequence[Content]) -> Html:
    """A line per year, a column per month; the colour is the size."""
    found = {m["name"]: m["net"] for m in months}
    most = max((abs(x) for x in found.values()), default=0.0)
    whole = max((abs(y["net"]) for y in years), default=0.0)
    rows = []
    for year in years:
        each = [found.get(f"{year['name']}-{k:02}") for k in range(1, 13)]
        cells = [el("td", "" if x is None else _brief(x), **shade(x, most)) for x in each]
        rows.append([named(year["name"]), *cells, _whole(year, whole)])
    return table(["", *MONTHS, "year"], rows, class_="heat months")


def _whole(year: Content, most: float) -> Html:
    before = f"{percent(year['gross'])} before costs"
    return el("td", el("b", _brief(year["net"])), title=before, **shade(year["net"], most))


def precise(x: float) -> str:
    """Money to the cent, so that a column adds up."""
    return amount(x, shown(x, 2, FINE))


def _brief(x: float) -> str:
    """Percent without its sign: ``+1.2``."""
    return amount(x * 100, 1 if abs(x) >= 0.0995 else shown(x * 100))


def bars(periods: Sequence[Content], unit: str = "") -> Html:
    """Gains of parts of the time from a middle line."""
    largest, cells = max((abs(p["net"]) for p in periods), default=0.0) or 1.0, list[Html]()
    for p in periods:
        kind, side = ("hit", "up") if p["net"] > 0 else ("wrong", "down")
        told = f"{percent(p['net'])}, {percent(p['gross'])} before costs"
        bar = el("i", class_=kind, style=f"--w:{abs(p['net']) / largest:.0%}")
        cells += [el("span", p["name"] + unit, title=told), el("u", bar, class_=side, title=told)]
        cells.append(el("b", _brief(p["net"])))
    return el("div", *cells, class_="bars two gains")


def bridge(costs: Content, capital: float) -> Html:
    """From what the price brought to what was kept."""
    names = {
        "gross": "the price, before costs",
        "slippage": "spread and slippage",
        "fees": "fees less rebates",
        "funding": "funding",
        "net": "kept",
    }
    rows = []
    for key, words in names.items():
        way, each = WAY[key], costs[f"{key}_bp"]
        figures = (precise(way * costs[key]), percent(way * costs[key] / capital))
        bp = points(None if each is None else way * each)
        rows.append([named(words), *map(cell, figures), cell(bp, "nothing was executed")])
    head = ["", "currency", "of the capital", "bp of the value executed"]
    return table(head, rows, class_="narrow")


def executions(found: Mapping[str, Content]) -> Html:
    head = ["orders that", "fills", "value, x capital", "against the mid, bp"]
    head += ["mid since decided, bp", "fees, bp"]
    rows = (
        [
            named(EXECUTED[name]),
            cell(count(each["fills"])),
            cell(plain(each["value"])),
            *(cell(points(-each[key])) for key in ("spread_bp", "waiting_bp", "fees_bp")),
        ]
        for name, each in found.items()
    )
    return table(head, rows, class_="narrow") if found else Html()


def orders(counts: Mapping[str, int]) -> Html:
    rows = [[named(ORDERS.get(name, name)), cell(count(n))] for name, n in counts.items()]
    return table(["orders", "number"], rows, class_="narrow")


def instruments(content: Content) -> Html:
    """What finished round trips gained, and the rest of the net, which is marked at the mid."""
    head = ["instrument", "fills", "value, x capital", "fees", "round trips", "won", "gained"]
    found, net = content["by_instrument"], content["costs"]["net"]
    rows = [
        [
            named(symbol),
            cell(count(each["fills"])),
            cell(plain(each["value"])),
            cell(precise(-each["fees"])),
            cell(count(each["trips"])),
            cell(share(each["won"] / each["trips"]) if each["trips"] else DASH),
            cell(precise(each["net"]) if each["trips"] else DASH),
        ]
        for symbol, each in found.items()
    ]
    rest = net - sum(each["net"] for each in found.values())
    words = "not in round trips: still open, at the mid"
    words += ", and funding" * bool(content["costs"]["funding"])
    blank = [el("td", "")] * (len(head) - 2)
    rows += [[named(name), *blank, cell(precise(x))] for name, x in ((words, rest), ("net", net))]
    return table(head, rows)


def runs(points: Iterable[Content], unit: str) -> Html:
    head = [unit, "net", "before costs", "Sharpe", "drawdown", "turnover", "filled"]
    rows = (
        [
            named(f"{p['at']:,g}"),
            el("td", percent(p["net"]), class_=None if p["net"] > 0 else "below"),
            cell(percent(p["gross"])),
            cell(plain(p["sharpe"]), "too few returns"),
            cell(share(p["drawdown"])),
            cell(f"{plain(p['turnover'], 1)} x"),
            cell(share(p["fill_ratio"])),
        ]
        for p in points
    )
    return table(head, rows)


def tripped(trips: Content | None) -> str:
    if trips is None:
        return "nothing watched"
    return ", ".join(f"{reason(name)} {count(n)}" for name, n in trips.items()) or "none"


def differs(loss: float) -> str:
    """From the run in which nothing breaks."""
    if not loss:
        return "the same"
    return f"{'worse' if loss > 0 else 'better'} by {share(abs(loss))}"


def scenarios(found: Sequence[Content]) -> Html:
    head = [
        "scenario",
        "net",
        "against none",
        "drawdown",
        "breakers opened",
        "not filled whole",
        "rejected, cancellations too",
    ]
    rows = (
        [
            named(each["scenario"]),
            el("td", percent(each["net"]), class_=None if each["net"] > 0 else "below"),
            cell(differs(each["loss"]) if each["scenario"] != "none" else DASH, "as it was"),
            cell(share(each["drawdown"])),
            el("td", tripped(each["trips"])),
            cell(count(each["unfilled"])),
            cell(count(each["rejected"])),
        ]
        for each in found
    )
    return table(head, rows)


def guards(content: Content) -> Html:
    """What the number of trials makes of the Sharpe ratio."""
    v, s = content["verdict"], content["measures"]["sharpe"]
    year = s["per_year"] ** 0.5
    needed = None if v["needed"] is None else v["needed"] / s["periods"]
    unit = f"{s['unit']}s"
    rows = [
        (
            "trials on these data",
            count(v["trials"]),
            "" if content["recorded"] else "none recorded",
        ),
        ("as many independent ones", plain(v["effective"], 1), "from their correlations"),
        ("Sharpe ratio", plain(s["value"]), "a year"),
        ("of luck", plain(v["luck"] * year), "the best of as many worthless ones"),
        ("deflated Sharpe ratio", plain(v["deflated"], 3), "found from .95"),
        ("probability of overfitting", plain(v["pbo"]), "about .5 where it is luck"),
        ("the best of one half loses in the other", share(v["loss"]), "of all ways to halve"),
        (
            f"{unit} to be sure",
            DASH if v["needed"] is None else plain(v["needed"], 0),
            "not above luck" if needed is None else f"{plain(needed)} x those there are",
        ),
    ]
    made = ([named(a), cell(b, "of one trial, or too few"), el("td", c, class_="text quiet")]
            for a, b, c in rows)  # fmt: skip
    return table(["", "", ""], made, class_="narrow")


def falls(m: Content) -> str:
    """The deepest fall in words."""
    d = m["drawdown"]
    if not d["depth"]:
        return "The equity never stood below its highest."
    end = "the peak was not reached again"
    if d["end"] is not None:
        end = f"the peak was reached again {moment(d['end'])}"
    return (
        f"The deepest fall took {share(d['depth'])}, from {moment(d['peak'])} to "
        f"{moment(d['bottom'])} UTC; {end}. The longest time below a peak was "
        f"{span(d['longest_ns'] / SECOND)}."
    )
