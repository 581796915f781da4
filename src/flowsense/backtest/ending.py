"""What a run ends in: the model that it chose, traded on the rows that its last fold scored."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from flowsense.backtest import Result
from flowsense.backtest.arms import Plan, bars_alone
from flowsense.backtest.bars import Frictions
from flowsense.backtest.fitted import trade
from flowsense.backtest.measures import measure
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.strategies.quote import Quote
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Rules
from flowsense.risk.settings import KINDS, Costs, Settings
from flowsense.schema import MILLISECOND, SECOND
from flowsense.sources import Told, chunks
from flowsense.train.dataset import Data
from flowsense.train.material import any_of
from flowsense.train.run import Run

TAKER, MAKER, DEAF = "taker", "maker", "maker without forecasts"
SHARE = 10  # of what usually stands at the touch, that an order of the maker is
WAIT = Constant(MILLISECOND)
BP, KEYS = 1e4, ("net", "gross")


class Scored(NamedTuple):
    """A recording of which the last fold of a run scored some."""

    source: Told
    data: Data  # its rows
    start: int  # ns of the first that was scored
    end: int  # ns after the last


def ended(run: Run, sources: tuple[Told, ...]) -> dict[str, Result]:
    """A taker that follows signals, a maker that heeds forecasts, and the same maker without.

    On bars alone a taker: they show no touch to quote at. sources: the recording that was learned
    from, then the test recordings; each is traded of which the last fold scored rows, and the names
    tell of which where they are several. Nothing costs fees: what trading costs otherwise is for
    `flowsense backtest`. Empty where no target has a value in ticks, or nothing was scored.
    Raises InputError where books and bars lie in one recording.
    """
    model, found = run.fitted[run.chosen], dict[str, Result]()
    if not any(t.kind in KINDS for t in model.targets):
        return found
    scored = list(where(run, sources))
    for k, one in enumerate(scored):
        results = trade(model, run.material.learn.spec, one.source, plans(one))
        also = f" {k + 1} of {len(scored)}" if len(scored) > 1 else ""
        for name, result in results.items():
            traded_on = {"recording": one.source.name}
            config = result.config | traded_on
            found[name + also] = result._replace(name=name + also, config=config)
    return found


def where(run: Run, sources: tuple[Told, ...]) -> Iterator[Scored]:
    """The recordings in which the last fold scored rows, with from when until when."""
    of, data = run.material, (run.material.learn, *run.material.tests)
    tested = any_of(of.folds[-1].test)
    ends = accumulate(map(len, data))
    for source, one, end in zip(sources, data, ends, strict=True):
        rows = slice(end - len(one), end)
        ts = of.index.ts[rows][tested[rows]]
        if len(ts):
            yield Scored(source, one, int(ts.min()), int(ts.max()) + 1)


def plans(one: Scored) -> dict[str, Plan]:
    """By name. Raises InputError."""
    table = one.source.instruments
    taker = Plan(Follow(), rules=Rules(order=WAIT, response=WAIT), start=one.start, end=one.end)
    if bars_alone(table):
        share = Frictions().share if volumes(one.source) else None
        return {TAKER: replace(taker, frictions=Frictions(share=share))}
    rests = replace(taker, risk=Settings(costs=Costs(spreads=0.0)))
    maker = Quote.of(lots(one.data, len(table)))
    deaf = replace(maker, heeds=False)
    return {
        TAKER: taker,
        MAKER: replace(rests, strategy=maker),
        DEAF: replace(rests, strategy=deaf),
    }


def volumes(source: Told) -> bool:
    """Whether bars of every instrument tell how much was traded."""
    seen = np.zeros(len(source.instruments), np.bool_)
    for chunk in chunks(source):
        seen[chunk.bars["instrument"][chunk.bars["lots"] > 0]] = True
        if seen.all():
            return True
    return False


def lots(data: Data, instruments: int) -> tuple[int, ...]:
    """Of an order of the maker, by instrument: a share of what stood at its touch at first."""
    found = [0] * instruments
    for tape in data:
        rows = tape.rows[0]
        stands = rows.book["bid_sz"][:, 0]
        for i in np.unique(rows.instrument).tolist():
            if found[i] == 0 and (here := stands[(rows.instrument == i) & (stands > 0)]).any():
                found[i] = max(int(np.median(here)) // SHARE, 1)
        if all(found):
            break
    return tuple(max(n, 1) for n in found)


def told(results: dict[str, Result], model: str) -> dict[str, Any]:
    """``backtest`` of metrics.json: of the capital, and in basis points of what was executed."""
    found: dict[str, Any] = {}
    for name, result in results.items():
        m = measure(result)
        each = {"net": m.net, "gross": m.gross, "turnover": m.turnover}
        made = {f"{k}_bp": BP * each[k] / m.turnover if m.turnover else None for k in KEYS}
        counts = {"sent": result.orders["sent"], "executions": len(result.fills)}
        found[name] = {"model": model, **each, **made, **counts}
        found[name]["seconds"] = (m.end - m.start) / SECOND
        found[name]["vetoes"] = result.config.get("vetoes", {})
        found[name]["recording"] = result.config["recording"]
        found[name]["on"] = "bars" if bars_alone(result.instruments) else "books"
    return found
