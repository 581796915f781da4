"""Why a prediction is what it is: what each column adds to the log-odds of its side, exactly.

Of trees these are SHAP values, of linear models weights times terms (a term of two columns is
shared by them), of a pool the means over its members, of a blend the weighted sum over them, of
which one that no columns explain (it remembers) adds ``member NAME`` as a whole; a scaled model's
are scaled alike. Together with ``base`` they add up to logit P(up | move). Where that does not
hold, nothing is said.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from flowsense.ensemble.blend import Blend
from flowsense.ensemble.council import silent
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.pool import Pool
from flowsense.ensemble.shares import shares
from flowsense.ensemble.states import part
from flowsense.forecast import Forecast
from flowsense.model.calibrated import SIDE, Calibrated
from flowsense.model.gather import present
from flowsense.model.instruments import Places
from flowsense.model.linear import Linear, expanded, origins
from flowsense.model.sides import Floats
from flowsense.model.trees import Trees
from flowsense.risk.settings import Costs
from flowsense.schema import QUOTE, WHOLE, Instrument, zeros
from flowsense.serve import Explanation, Likelihood, Prediction
from flowsense.serve.asking import told
from flowsense.serve.decisions import Decided
from flowsense.serve.speaking import likelihoods
from flowsense.serve.swapping import Loaded
from flowsense.sources import NO_BARS, NO_EVENTS, NO_OBSERVATIONS
from flowsense.tape import Rows, Tape

BASE = "base"  # among the contributions: what is said where no column is known


class Row(NamedTuple):
    """That is explained."""

    tape: Tape  # of it, and nothing else
    target: int
    said: Sequence[Forecast]  # by each member of an ensemble, of a tape that it is in; else none
    place: int  # there


def explained(said: Prediction, one: Decided, r: int, loaded: Loaded) -> Explanation:
    """Of row r, by the model that said it: as of its instant, however the stream was cut."""
    engine, risk = loaded.decisions.engine, loaded.decisions.risk
    spec, rows = engine.fold.spec, one.tape.rows[0]
    model, heard = loaded.model.model, until(one.tape, r)
    opinions = forecasts(model, one, heard)
    row = Row(alone(rows, r, engine.fold.instruments), risk.place, opinions, r)
    found = added(loaded.model, row)
    parts = (f"member {name}" for name in getattr(model, "names", ()))
    names = (*spec.columns, BASE, *parts)
    each = {} if found is None else dict(zip(names, found.tolist(), strict=False))
    return Explanation(
        said,
        *members(model, one, heard, row),
        told(spec, rows, r),
        {name: value for name, value in each.items() if value != 0.0 or name == BASE},
        costs(risk.settings.costs, rows, r),
    )


def until(tape: Tape, r: int) -> Tape:
    """No row of a later instant than that of row r."""
    rows = tape.rows[0]
    edges = rows.instants()
    end = int(edges[np.searchsorted(edges, r, "right")])
    return tape._replace(rows=(rows.take(slice(0, end)), *tape.rows[1:]))


def alone(rows: Rows, r: int, table: tuple[Instrument, ...]) -> Tape:
    """A tape of that row, and nothing else."""
    one = slice(r, r + 1)
    row = Rows(
        *(rows.ts[one], rows.instrument[one], rows.X[one], rows.valid[one]),
        *(np.zeros(1, np.int64), rows.book[one], zeros(QUOTE, 1)),
    )
    return Tape(NO_EVENTS, NO_BARS, NO_OBSERVATIONS, zeros(QUOTE), (row,), table)


def added(model: Any, row: Row) -> Floats | None:
    """(F + 1,) to the log-odds of the side, the last the base; None: not known.

    Of a blend (F + 1 + N,): its N members as wholes come after these.
    """
    if isinstance(model, Calibrated):
        return scaled(model, row)
    if isinstance(model, Pool):
        each = [added(member, row) for member in model.members]
        known = [one for one in each if one is not None]
        return np.mean(known, axis=0) if len(known) == len(each) > 0 else None
    if isinstance(model, Ensemble):
        return blended(model, row)
    if not isinstance(model, Trees | Linear) or not model.targets[row.target].directed:
        return None
    if isinstance(model, Linear):
        return weighed(model, row)
    state: Places = model.init(row.tape.instruments)
    return model.explain(state, row.tape)[0, row.target] if model.odds else None


def scaled(model: Calibrated, row: Row) -> Floats | None:
    """A curve on top of the line bends the sum: nothing adds up to it."""
    if len(model.curves) and model.curves[row.target, SIDE].any():
        return None
    found = added(model.model, row)
    return found if found is None or not len(model.scale) else found * model.scale[row.target, SIDE]


def blended(model: Ensemble, row: Row) -> Floats | None:
    """Of what the members said; an ensemble within another is not known."""
    if not isinstance(model.combiner, Blend) or not row.said:
        return None
    if not model.targets[row.target].directed:
        return None
    of, weight, _ = model.combiner.weighed(row.said)
    alone, columns = row._replace(said=()), row.tape.rows[0].X.shape[1]
    out = np.zeros(columns + 1 + len(model.members))
    for k, member in enumerate(model.members):
        if (share := weight[k, row.place, row.target]) == 0.0:
            continue
        if (found := added(member, alone)) is not None:
            out[: columns + 1] += share * found
        else:
            out[columns + 1 + k] = share * of.side[k, row.place, row.target]
    return out


def weighed(model: Linear, row: Row) -> Floats | None:
    if model.fitted is None:
        return None
    fitted, rows = model.fitted, row.tape.rows[0]
    place = model.init(row.tape.instruments).place[rows.instrument]
    terms = expanded(present(rows), place, fitted)[0] * fitted.weight[place[0], :, row.target]
    out = np.zeros(rows.X.shape[1] + 1)
    for value, columns in zip(terms.tolist(), origins(fitted), strict=True):
        out[[*columns]] += value / len(columns)
    out[-1] = fitted.offset[place[0], row.target]
    return out


def forecasts(model: Any, one: Decided, tape: Tape) -> list[Forecast]:
    """By each member of an ensemble; by none of another model.

    Who was left out is not asked again: it may hang.
    """
    if not isinstance(model, Ensemble):
        return []
    out, n = {a.member for a in one.absent}, len(tape.rows[0].ts)
    return [
        silent(model.targets, n) if name in out else m.predict(part(one.before, k), tape)[1]
        for k, (name, m) in enumerate(zip(model.names, model.members, strict=True))
    ]


def members(
    model: Any, one: Decided, tape: Tape, row: Row
) -> tuple[dict[str, tuple[Likelihood, ...]], dict[str, float]]:
    """What each that was not left out says of the row, and the shares of all."""
    if not isinstance(model, Ensemble):
        return {}, {}
    out, said = {a.member for a in one.absent}, row.said
    own, _ = model.combiner.combine(part(one.before, len(said)), tape, said)
    each = zip(model.names, said, strict=True)
    told = {name: likelihoods(f, row.place) for name, f in each if name not in out}
    return told, shares(model.combiner, own, model.names, row.target)


def costs(of: Costs, rows: Rows, r: int) -> dict[str, float]:
    """Of a way in and out at row r, ticks: what the risk takes off what is gained."""
    book, quote = rows.book[r], rows.quote[r]
    shown = book["known"] > 0 and quote["state"] == WHOLE
    gap = float(book["ask_px"][0] - book["bid_px"][0]) if shown else 0.0
    return {"spread": of.spreads * gap, "fees": of.fee * float(quote["mid2"])}
