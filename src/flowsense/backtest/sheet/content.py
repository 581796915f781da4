"""Everything that the sheet shows, as JSON; nothing in it is ever other than finite."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from flowsense.backtest import Result
from flowsense.backtest.against import Compared
from flowsense.backtest.measures import UNITS, Measures, ends, level, measure, returns, trips_of
from flowsense.backtest.sensitivity import Sensitivity, turns
from flowsense.backtest.sheet.words import FINE, shown, trips
from flowsense.backtest.stress import Outcome
from flowsense.errors import InputError
from flowsense.evaluate.results import SCHEMA
from flowsense.evaluate.tried import Among, Trial
from flowsense.exchange.contracts import contract, gain, value

POINTS = 800  # of a curve; the deepest drawdown of each stretch is kept
BP = 1e4
OUTCOMES = (
    "held",
    "closing them costs",
    "vetoes",
    "told",
    "trips",
    "broken",
)  # of a config: not asked for
FEW_TRIPS = 30
HALF = 0.5


def told(
    result: Result,
    *,
    sensitivity: Sequence[Sensitivity] = (),
    stress: Sequence[Outcome] = (),
    among: Among | None = None,
    data: str = "",
    against: Compared | None = None,
) -> dict[str, Any]:
    """The sheet of a result.

    Args:
        stress: what the same strategy came to when the market broke.
        among: what else was tried on the same data; none: this one is taken for the only one.
        data: digest of what it ran on; none: made of the instruments and the span.
        against: another configuration that ran beside it.

    Runs whose return is no number are left out. Raises InputError for a result without a mark, or
    with one that is no number.
    """
    sound(result)
    measures = measure(result)
    one = trial(result, data)
    verdict = (among if among is not None else Among()).judge(one)
    content = {
        "schema": SCHEMA,
        "name": result.name,
        "capital": result.capital,
        "instruments": [i.symbol for i in result.instruments],
        "config": result.config,
        "measures": plain(measures),
        "orders": result.orders,
        "costs": costs(result),
        "executions": executions(result),
        "by_instrument": by_instrument(result),
        "recorded": among is not None,
        "verdict": asdict(verdict) | {"sentence": verdict.sentence} if verdict else None,
        "sensitivity": [plain(each) | {"turns": turns(each)} for each in map(known, sensitivity)],
        "stress": [plain(each) for each in stress],
        "curves": curves(result),
        "against": rival(against) if against else None,
    }
    content["warnings"] = [*warnings(measures, content)]
    return dict(finite(content))


def rival(found: Compared) -> dict[str, Any]:
    """As JSON has it."""
    return dict(plain(found)) | {"in_turn": asdict(found.in_turn)}


def sound(result: Result) -> None:
    for name in ("equity", "gross", "fees", "slippage", "funding", "turnover"):
        wrong = np.flatnonzero(~np.isfinite(result.marks[name]))
        if len(wrong):
            i = int(wrong[0])
            raise InputError(f"{result.name}: {name} {result.marks[name][i]} at mark {i}")


def known(runs: Sensitivity) -> Sensitivity:
    """Without runs whose figures are none."""
    kept = (p for p in runs.points if np.isfinite([p.at, p.net, p.gross, p.drawdown]).all())
    return runs._replace(points=tuple(kept))


def trial(result: Result, data: str = "") -> Trial:
    """What a record of trials keeps: returns by the unit that its Sharpe ratio has."""
    m = result.marks
    span = (int(m["ts"][0]), int(m["ts"][-1])) if len(m) else (0, 0)
    known = data or digest([[i.symbol, i.venue] for i in result.instruments], span)
    asked = {k: v for k, v in result.config.items() if k not in OUTCOMES}
    config = digest(result.name, result.capital, asked)
    found = measure(result).sharpe if len(m) else None
    if found is None:
        return Trial(known, config, result.name, "", span[0], ())
    length = dict(UNITS)[found.unit]
    key, money = (m["ts"] - 1) // length, level(m["equity"], result.capital)
    last = ends(key)
    first = np.r_[0, last[:-1] + 1]
    each = returns(money[first], money[last + 1])
    return Trial(known, config, result.name, found.unit, int(key[0]) * length, tuple(each.tolist()))


def digest(*parts: object) -> str:
    text = orjson.dumps(parts, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return blake2b(text, digest_size=8).hexdigest()


def costs(result: Result) -> dict[str, float | None]:
    """What became of the gross gain: currency, and basis points of the value executed."""
    last = result.marks[-1]
    gained = {
        "gross": float(last["gross"]) - result.capital,
        "slippage": float(last["slippage"]),
        "fees": float(last["fees"]),
        "funding": float(last["funding"]),
        "net": float(last["equity"]) - result.capital,
    }
    executed = float(last["turnover"])
    each = {f"{k}_bp": x / executed * BP if executed > 0 else None for k, x in gained.items()}
    return {**gained, **each, "executed": executed}


def executions(result: Result) -> dict[str, dict[str, float]]:
    """Of orders that took and of those that rested, by value: basis points against the mid."""
    f = result.fills
    kinds = [contract(i) for i in result.instruments]
    worth, paid, waited = np.zeros(len(f)), np.zeros(len(f)), np.zeros(len(f))
    for k, c in enumerate(kinds):
        of = f["instrument"] == k
        price, mid, then = f["price"][of], f["mid2"][of] / 2, f["decided2"][of] / 2
        lots = f["side"][of] * f["lots"][of]
        worth[of] = np.abs(value(c, price, lots))
        paid[of] = gain(c, mid, price, lots)
        waited[of] = gain(c, then, mid, lots)
    out = {}
    for name, rested in (("taker", 0), ("maker", 1)):
        which = f["maker"] == rested
        total = float(worth[which].sum())
        if total > 0:
            sums = {"spread": paid[which], "waiting": waited[which], "fees": f["fee"][which]}
            each = {f"{k}_bp": float(x.sum()) / total * BP for k, x in sums.items()}
            out[name] = {"fills": int(which.sum()), "value": total / result.capital, **each}
    return out


def by_instrument(result: Result) -> dict[str, dict[str, float]]:
    """Fills and round trips of each, in the currency of the account."""
    out = {}
    for k, i in enumerate(result.instruments):
        of = result.fills["instrument"] == k
        gains, _ = trips_of(result, k)
        c = contract(i)
        worth = np.abs(value(c, result.fills["price"][of], result.fills["lots"][of])).sum()
        out[i.symbol] = {
            "fills": int(of.sum()),
            "value": float(worth) / result.capital,
            "fees": float(result.fills["fee"][of].sum()),
            "trips": len(gains),
            "won": int((gains > 0).sum()),
            "net": float(gains.sum()),
        }
    return out


def curves(result: Result) -> dict[str, list[Any]]:
    """Net and gross gain as shares of the capital, and the drawdown, at POINTS times or fewer."""
    m, capital = result.marks, result.capital
    equity = level(m["equity"], capital)
    peak = np.maximum.accumulate(equity)
    below = ((peak - equity) / peak)[1:]
    last = np.unique(np.linspace(0, len(m) - 1, min(POINTS, len(m))).round().astype(np.int64))
    deepest = np.maximum.reduceat(below, np.r_[0, last[:-1] + 1])
    return {
        "ts": m["ts"][last].tolist(),
        "net": (m["equity"][last] / capital - 1).tolist(),
        "gross": (m["gross"][last] / capital - 1).tolist(),
        "drawdown": deepest.tolist(),
    }


def warnings(m: Measures, content: Mapping[str, Any]) -> list[str]:
    """What a reader should know before believing a figure."""
    said = []
    if m.trips is not None and m.trips.finished < FEW_TRIPS:
        few = "is few" if m.trips.finished == 1 else "are few"
        said.append(f"{trips(m.trips.finished)} {few}: the win rate says little")
    if m.sharpe is not None and m.sharpe.unit != "day":
        said.append(
            f"the Sharpe ratio is of {m.sharpe.periods} returns by the {m.sharpe.unit}, written as "
            "if of a year: so short a span knows one kind of market"
        )
    if m.drawdown.depth >= 1:
        said.append("all of the capital was lost on the way: what follows could not have been")
    positive = [p.net for p in m.months if p.net > 0]
    if len(m.months) > 2 and m.net > 0 and max(positive, default=0) > HALF * sum(positive):
        said.append("one month brought more than half of what all good months did")
    config = content["config"]
    if config.get("held"):
        open_, cost = ", ".join(config["held"]), config["closing them costs"]
        said.append(
            f"positions in {open_} are open at the end, at the mid: closing them would cost "
            f"{cost:,.{shown(cost, 2, FINE)}f}, which is not taken off"
        )
    said += config.get("told", [])
    if not content["recorded"]:
        said.append(
            "no record of trials was given: the deflated Sharpe ratio takes this one for the only "
            "one that was tried on these data"
        )
    return said


def plain(value: object) -> Any:
    """NamedTuples, however deep, as what JSON has."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(getattr(value, name)) for name in value._fields}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def finite(value: Any) -> Any:
    """The same with None for numbers that are none."""
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return finite(listed(value))
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    if isinstance(value, np.generic):
        return finite(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def listed(values: NDArray[Any]) -> list[Any]:
    return list(values.tolist())
