"""Numbers as the sheet writes them, and what its terms mean."""

from math import floor, log10

from flowsense.evaluate.report.markup import DASH, MINUS

MOST, FINE = 6, 0.1  # digits after the point; below which basis points and money need more than 2
WAY = {"gross": 1, "slippage": -1, "fees": -1, "funding": -1, "net": 1}  # of amounts paid: -1
ORDERS = {  # what became of them: as an account counts it, as it is said
    "rejected": "rejected, of orders and of their cancellations",
    "asked": "cancelled by the strategy",
    "unknown": "cancellations rejected: the order was gone",
}
REASONS = {  # why nothing was done, or a breaker opened
    "breaker": "a breaker was open",
    "input": "unusual features",
    "forecast": "unusual forecast",
    "number": "no number",
}
SPACE = "\N{NO-BREAK SPACE}"
TERMS = {
    "net, gross": "Return over the span as a share of the capital; gross is before fees, funding "
    "and what was paid against the mid.",
    "Sharpe ratio": "Mean of the returns by their deviation, times the root of the returns in a "
    "year. The error allows for returns that depend on each other (Lo 2002).",
    "drawdown": "How far the equity stands below its highest so far, as a share of that; of marks "
    "once a minute, so that what came back within one is not seen.",
    "win rate": "Share of finished round trips, from flat to flat, that gained after fees.",
    "turnover": "Value executed, times the capital.",
    "slippage": "What executions cost against the mid when the order was decided: half the spread, "
    "the depth that was used up, and the way the price went meanwhile.",
    "fill ratio": "Share of the orders sent that were filled in whole.",
    "trials": "Backtests recorded on the same data; the same settings again count once.",
    "luck": "The Sharpe ratio that the best of as many worthless trials shows on average.",
    "deflated Sharpe ratio": "Chance that the true Sharpe ratio is above what luck gives the best "
    "of all trials (Bailey & Lopez de Prado 2014). Below .95 nothing counts as found.",
    "probability of overfitting": "How often the trial that is best in one half of the time is no "
    "better than the median in the other half (Bailey, Borwein, Lopez de Prado & Zhu 2017).",
    "bp": "Basis points, hundredths of a percent; here of the value executed.",
}


def percent(share: float | None, digits: int | None = None) -> str:
    """``+12.30 %`` of 0.123, ``+0.00508 %`` of 0.0000508; `digits` after the point where given."""
    if share is None:
        return DASH
    digits = shown(share * 100) if digits is None else digits
    return f"{sign(share * 100, digits)}{abs(share) * 100:,.{digits}f}{SPACE}%"


def shown(x: float, digits: int = 2, below: float = 1.0) -> int:
    """Digits after the point: of small numbers as many as show three that count."""
    if not round(abs(x), MOST) or abs(x) >= below:
        return digits
    return max(digits, min(2 - floor(log10(abs(x))), MOST))


def share(part: float | None) -> str:
    """``54.3 %`` of 0.543."""
    if part is None:
        return DASH
    return f"{plain(part * 100, shown(part * 100, 1))}{SPACE}%"


def amount(x: float | None, digits: int = 2) -> str:
    """``+1,234.50``."""
    return DASH if x is None else f"{sign(x, digits)}{abs(x):,.{digits}f}"


def points(x: float | None) -> str:
    """Basis points: ``+1.25``, ``+0.0136``."""
    return DASH if x is None else amount(x, shown(x, 2, FINE))


def size(bp: float) -> str:
    """Basis points without a sign."""
    return plain(abs(bp), shown(bp, 2, FINE))


def plain(x: float | None, digits: int = 2) -> str:
    """``1,234.50``, a true minus below 0."""
    if x is None:
        return DASH
    return f"{MINUS if sign(x, digits) == MINUS else ''}{abs(x):,.{digits}f}"


def reason(name: str) -> str:
    """Of a veto or a breaker, in words."""
    return REASONS.get(name, name.replace("_", " "))


def trips(n: int) -> str:
    return f"{n:,} round trip{'s' * (n != 1)}"


def cash(x: float) -> str:
    """What was received, below 0 paid: ``+157,060``, with cents below a thousand."""
    return amount(x, 0 if abs(x) >= 1_000 else shown(x, 2, FINE))


def sign(x: float, digits: int) -> str:
    """None before what is written as zero."""
    if round(abs(x), digits) == 0:
        return ""
    return "+" if x > 0 else MINUS


def ratio(sharpe: float | None, error: float | None) -> str:
    """``1.20 ± 0.55``."""
    if sharpe is None:
        return DASH
    return plain(sharpe) + (f"{SPACE}±{SPACE}{plain(error)}" if error is not None else "")
