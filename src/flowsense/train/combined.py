"""The models of a run heard together, fitted on the validation rows that are kept for choosing.

What members say of these rows is forecast already, so nothing is forecast twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from flowsense.ensemble import Heard
from flowsense.ensemble.fallback import Fallback, Verdict
from flowsense.ensemble.held import tape_of
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.opinions import REGIME, taken
from flowsense.forecast import Forecast
from flowsense.model.calibrated import PLAIN, Calibrated, straight
from flowsense.models import ENSEMBLE, NULLS
from flowsense.schema import QUOTE, Quotes, zeros
from flowsense.train.dataset import Cost, put, unsaid
from flowsense.train.fits import Bench, Forecasts
from flowsense.train.material import Material, any_of
from flowsense.train.peak import Peak
from flowsense.train.split import Split
from flowsense.wall import Stopwatch

Rows = NDArray[np.int64]  # (m,) places among all, in order
FEWEST = 2  # models that have learned
AT_ONCE = 1 << 14  # rows


class Combined(NamedTuple):
    """An ensemble as if it were one more model of the run."""

    fitted: Calibrated  # of the last fold
    said: Forecasts
    verdicts: dict[str, Verdict]  # of the last fold, by target

    def as_json(self) -> dict[str, Any]:
        """Its part of metrics.json."""
        each = {target: verdict._asdict() for target, verdict in self.verdicts.items()}
        return {"note": told(self.verdicts), "targets": each}


def combined(
    bench: Bench, fitted: Mapping[str, Calibrated], said: Mapping[str, Forecasts]
) -> Combined | None:
    """None where fewer than two models have learned anything."""
    names = tuple(name for name in fitted if name not in NULLS)
    if len(names) < FEWEST or ENSEMBLE in fitted:
        return None
    answers, learn, speak, peak = list[Forecast](), Stopwatch(), Stopwatch(), Peak()
    one = Fallback().in_regimes(bench.regimes.names if bench.regimes else ())
    for k in range(len(bench.of.folds)):
        bench.progress("fitting ensemble", k, len(bench.of.folds))
        each = {name: said[name][k] for name in names}
        with learn, peak, threadpool_limits(1, "blas"):
            heard = taught(one, bench, each, k)
        with speak, peak:
            answers.append(answered(heard, bench, each, k))
    rows = sum(int(any_of(fold.choose).sum()) for fold in bench.of.folds)
    bench.add(f"fit {ENSEMBLE}", Cost(learn.seconds, 0, rows, peak.bytes))
    bench.add(f"forecast {ENSEMBLE}", Cost(speak.seconds, 0, len(bench.of.labels.y), peak.bytes))
    members = tuple(fitted[name] for name in names)
    return Combined(plain(Ensemble(members, heard, names)), tuple(answers), heard.verdicts)


def taught(one: Fallback, bench: Bench, said: Mapping[str, Forecast], k: int) -> Fallback:
    """By what came of the rows kept for choosing."""
    fold, labels = bench.of.folds[k], bench.of.labels
    rows = np.flatnonzero(any_of(fold.choose))
    kept = taken(labels, rows)
    heard = heard_on(bench, said, k, rows, quotes_of(bench.of, rows))
    bench.of.release()
    return one.fit(heard, kept._replace(valid=kept.valid & fold.choose[rows]))


def answered(one: Fallback, bench: Bench, said: Mapping[str, Forecast], k: int) -> Forecast:
    """Of the rows that the fold validates or tests; zeros elsewhere, as those of any model.

    It begins anew with each recording, as its members do.
    """
    of = bench.of
    out = unsaid(of.labels.targets, len(of.index.ts), of.room)
    for rows in stretches(of, k):
        state: Any = one.init(of.instruments, len(said), of.labels.targets)
        quote = quotes_of(of, rows)
        for here in parted(of.index.ts[rows]):
            heard = heard_on(bench, said, k, rows[here], quote[here])
            state, answer = one.combine(state, tape_of(heard), heard.said)
            put(out, rows[here], answer)
    of.release()
    return out


def stretches(of: Material, k: int) -> Iterator[Rows]:
    """Rows that fold k validates or tests, recording by recording."""
    rows, ends = inside(of.folds[k]), np.cumsum([len(data) for data in (of.learn, *of.tests)])
    yield from (part for part in np.split(rows, np.searchsorted(rows, ends)) if len(part))


def parted(ts: Rows) -> Iterator[slice]:
    """Whole instants of rows due then, about as many rows at a time as are heard at once."""
    cuts = np.searchsorted(ts, ts[AT_ONCE - 1 :: AT_ONCE], "right")
    edges = np.unique([0, *cuts.tolist(), len(ts)]).tolist()
    yield from (slice(a, b) for a, b in pairwise(edges))


def heard_on(
    bench: Bench, said: Mapping[str, Forecast], k: int, rows: Rows, quote: Quotes
) -> Heard:
    """What is said of these rows, with the regimes where a model told them."""
    index = bench.of.index
    regime = np.zeros((len(rows), 0), np.float32)
    if k in bench.beliefs:
        regime = bench.beliefs[k][np.searchsorted(inside(bench.of.folds[k]), rows)]
    aux = {REGIME: regime} if regime.shape[1] else {}
    each = tuple(
        Forecast(f.targets, f.proba[rows], f.value[rows], f.ready[rows], aux) for f in said.values()
    )
    at = index.ts[rows], index.instrument[rows]
    return Heard(tuple(said), each, *at, regime, quote)


def quotes_of(of: Material, rows: Rows) -> Quotes:
    """(m,) as of these rows, which are in order."""
    out, first = zeros(QUOTE, len(rows)), 0
    for data in (of.learn, *of.tests):
        mine = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + len(data))] - first
        ends = data.ts[mine[[0, -1]]] if len(mine) else (0, -1)
        for at, tape in data.between(int(ends[0]), int(ends[1]) + 1):
            quote = tape.rows[0].quote
            here = mine[np.searchsorted(mine, at) : np.searchsorted(mine, at + len(quote))]
            out[np.searchsorted(rows, first + here)] = quote[here - at]
        first += len(data)
    return out


def inside(fold: Split) -> Rows:
    """Rows that the fold validates or tests."""
    return np.flatnonzero(any_of(fold.validation | fold.test))


def plain(model: Ensemble) -> Calibrated:
    """Not scaled: its members are."""
    targets = len(model.targets)
    scale = np.tile(PLAIN, (targets, 1))
    return replace(Calibrated(model), scale=scale, curves=straight(targets))


def told(verdicts: Mapping[str, Verdict]) -> str:
    """A sentence of who is heard on how many targets."""

    def counted(found: list[Verdict]) -> str:
        names = [verdict.heard for verdict in found]
        each = {name: names.count(name) for name in names}
        return ", ".join(f"{name} on {n}" for name, n in each.items())

    both = [v for v in verdicts.values() if v.combined]
    alone = [v for v in verdicts.values() if not v.combined]
    parts = [f"models are heard together on {len(both)} of {len(verdicts)} targets"]
    parts[0] += f" ({counted(both)})" if both else ""
    parts += [f"elsewhere no ensemble was as good as one alone ({counted(alone)})"] if alone else []
    return f"{ENSEMBLE}: {'; '.join(parts)}"
