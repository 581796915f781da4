"""What the backtest says, no louder than its number of trials allows."""

from collections.abc import Iterator, Mapping
from typing import Any

from flowsense.backtest.sheet.words import percent, plain, points, ratio, reason, size
from flowsense.evaluate.report.markup import count, span
from flowsense.schema import SECOND

Content = Mapping[str, Any]
REASONS = 3  # that are named


def title(content: Content) -> str:
    """The finding in one line."""
    name, m = content["name"], content["measures"]
    if not m["turnover"]:
        return f"{name} made no trade"
    c = content["costs"]
    paying = c["slippage"] + c["fees"] + c["funding"] >= 0  # else waiting and rebates earned more
    if m["net"] <= 0 and m["gross"] > 0:
        return f"{name} does not earn its costs"
    if m["net"] <= 0:
        lost = "loses before any costs" if paying else "is paid less for waiting than prices take"
        return f"{name} {lost}"
    costs = " its costs" if paying else ""
    if content["verdict"] is None:
        return f"{name} earned{costs}, over too short a time to tell it from luck"
    if not content["verdict"]["found"]:
        return f"{name} earned{costs}, which luck explains"
    return f"{name} earns{costs}"


def sentences(content: Content) -> Iterator[str]:
    """The finding with its numbers: what it earned, what luck would, what took it."""
    m = content["measures"]
    if not m["turnover"]:
        sent = content["orders"].get("sent", 0)
        yield f"{count(sent)} orders were sent and none was executed: there is nothing to judge."
        yield from withheld(content["config"].get("vetoes", {}))
        return
    s = m["sharpe"]
    told = (
        ratio(s["value"], s["error"]) if s else "not to be told, the returns are too few or alike"
    )
    yield (
        f"Net {percent(m['net'])} of the capital in {span((m['end'] - m['start']) / SECOND)}, "
        f"{percent(m['gross'])} before costs{' and the pay for waiting' * (m['slippage'] < 0)}. "
        f"Sharpe ratio {told}."
    )
    if content["verdict"]:
        yield luck(content)
    yield paid(content["costs"])
    if limits := [edge(each) for each in content["sensitivity"] if each["turns"] is not None]:
        told = " and ".join(x for x in (", ".join(limits[:-1]), limits[-1]) if x)
        yield f"Varied one at a time, it earns up to about {told}, and loses beyond."


def edge(sensitivity: Content) -> str:
    """``1.3 x of costs``."""
    return f"{plain(sensitivity['turns'], 1)} {sensitivity['unit']} of {sensitivity['name']}"


def withheld(vetoes: Mapping[str, int]) -> Iterator[str]:
    """Why recommendations were not acted on, the most frequent reasons first."""
    first = sorted(vetoes.items(), key=lambda pair: -pair[1])[:REASONS]
    told = [f"{reason(name)} ({count(n)} time{'s' * (n != 1)})" for name, n in first]
    if told:
        yield f"Recommendations were held back: {', '.join(told)}."


def luck(content: Content) -> str:
    """Whether it is told apart from zero after the number of trials."""
    v, s = content["verdict"], content["measures"]["sharpe"]
    year = s["per_year"] ** 0.5 if s else 1.0
    chance = f"deflated Sharpe ratio {plain(v['deflated'], 3)}"
    if v["pbo"] is not None:
        chance += f", probability of overfitting {plain(v['pbo'])}"
    if v["trials"] == 1:
        end = "told apart from zero" if v["found"] else "not told apart from zero"
        return f"Taken for the only trial on these data, it is {end} ({chance})."
    end = "It is told apart" if v["found"] else "Nothing found: it is not told apart"
    return (
        f"The best of {count(v['trials'])} trials on these data would show a Sharpe ratio of "
        f"{plain(v['luck'] * year)} if all were worthless. {end} from that ({chance})."
    )


def paid(costs: Content) -> str:
    """What each 10,000 executed brought and took: whether the move pays the spread."""
    move, spread, fees = costs["gross_bp"], costs["slippage_bp"], costs["fees_bp"]
    held = f" Funding took {points(costs['funding_bp'])} bp." if costs["funding"] else ""
    crossed = f"the spread and slippage took {size(spread)} bp"
    if spread <= 0:
        crossed = f"waiting in the book was paid {size(spread)} bp"
    charged = f"fees took {size(fees)} bp" if fees >= 0 else f"rebates paid {size(fees)} bp"
    told = (
        f"Of the value executed, the price went {points(move)} bp its way, {crossed}, {charged}: "
    )
    return told + outcome(move, spread, fees) + held


def outcome(move: float, spread: float, fees: float) -> str:
    kept = move - spread - fees
    if spread <= 0 and move <= 0:
        paid = "outweighs" if kept > 0 else "does not outweigh"
        return f"what it is paid {paid} the prices that run it over."
    if move <= 0:
        return "there is no move to pay any cost with."
    if move < spread:
        return "the expected move cannot pay the spread."
    if kept < 0:
        return "the expected move pays the spread, and not the fees."
    return "the move pays both."
