"""What a run ends in: the model that it chose, traded on the rows that its last fold scored."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from flowsense.backtest import Result
from flowsense.backtest.arms import Plan
from flowsense.backtest.fitted import trade
from flowsense.backtest.measures import measure
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.strategies.quote import Quote
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Rules
from flowsense.risk.settings import KINDS, Costs, Settings
from flowsense.schema import MILLISECOND
from flowsense.sources import Told
from flowsense.train.material import any_of
from flowsense.train.run import Run

TAKER, MAKER, DEAF = "taker", "maker", "maker without forecasts"
SHARE = 10  # of what usually stands at the touch, that an order of the maker is
WAIT = Constant(MILLISECOND)
BP, KEYS = 1e4, ("net", "gross")


class Scored(NamedTuple):
    """Where the last fold of a run scored."""

    source: Told
    start: int  # ns of its first scored row
    end: int  # ns after the last
    lots: int  # of an order of the maker


def ended(run: Run, sources: tuple[Told, ...]) -> dict[str, Result]:
    """A taker that follows signals, a maker that heeds forecasts, and the same maker without.

    sources: the recording that was learned from, then the test recordings, the last of which is
    traded. Nothing costs fees: what trading costs otherwise is for `flowsense backtest`. Empty
    where no target has a value in ticks, a recording shows no book, or nothing was scored there.
    """
    model = run.fitted[run.chosen]
    booked = all(i.depth > 0 for i in sources[-1].instruments)
    if not booked or not any(t.kind in KINDS for t in model.targets):
        return {}
    scored = where(run, sources)
    if scored is None:
        return {}
    rules, lots = Rules(order=WAIT, response=WAIT), scored.lots
    taker = Plan(Follow(), rules=rules, start=scored.start, end=scored.end)
    rests = replace(taker, risk=Settings(costs=Costs(spreads=0.0)))
    quotes = {MAKER: Quote.of(lots)}
    quotes[DEAF] = replace(quotes[MAKER], heeds=False)
    plans = {TAKER: taker} | {name: replace(rests, strategy=q) for name, q in quotes.items()}
    return trade(model, run.material.learn.spec, scored.source, plans)


def where(run: Run, sources: tuple[Told, ...]) -> Scored | None:
    """In the recording that was read last; None where none of its rows was scored."""
    of, data = run.material, (run.material.learn, *run.material.tests)[-1]
    first = len(of.index.ts) - len(data)
    ts = of.index.ts[first:][any_of(of.folds[-1].test)[first:]]
    sizes = next((t.rows[0].book["bid_sz"][:, 0] for t in data if len(t.rows[0].ts)), None)
    if not len(ts) or sizes is None:
        return None
    lots = max(int(np.median(sizes)) // SHARE, 1)
    return Scored(sources[-1], int(ts.min()), int(ts.max()) + 1, lots)


def told(results: dict[str, Result], model: str) -> dict[str, Any]:
    """``backtest`` of metrics.json: of the capital, and in basis points of what was executed."""
    found: dict[str, Any] = {}
    for name, result in results.items():
        m = measure(result)
        each = {"net": m.net, "gross": m.gross, "turnover": m.turnover}
        made = {f"{k}_bp": BP * each[k] / m.turnover if m.turnover else None for k in KEYS}
        counts = {"sent": result.orders["sent"], "executions": len(result.fills)}
        found[name] = {"model": model, **each, **made, **counts}
        found[name]["vetoes"] = result.config.get("vetoes", {})
    return found
