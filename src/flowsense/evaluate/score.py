"""Every score beside its nulls and its ceiling, on the same rows, with intervals."""

from collections.abc import Iterator, Mapping, Sequence

from flowsense.errors import InputError
from flowsense.evaluate.direction import Bench, thresholds
from flowsense.evaluate.magnitude import SizeBench
from flowsense.evaluate.results import Evaluation, Score, SizeScore
from flowsense.evaluate.sample import Index, Masks, Said, Sample, said, sample
from flowsense.evaluate.significance import FEW
from flowsense.evaluate.tally import mean_defined
from flowsense.evaluate.walk import Moves
from flowsense.forecast import Forecast
from flowsense.labels import Labels
from flowsense.schema import SECOND

TOO_FEW = 30  # rows that count
MINUTE = 60 * SECOND
ALARM = 0.60  # accuracy of a mid a minute ahead or more that a leak explains better than skill
Forecasts = Mapping[str, Sequence[Forecast]]  # of each model one forecast per fold


def evaluate(
    labels: Labels,
    index: Index,
    folds: Sequence[Masks],
    models: Forecasts,
    rules: Forecasts,
    *,
    ceiling: Sequence[Forecast] | None = None,
    moves: Sequence[Moves] = (),
    seed: int = 0,
) -> Evaluation:
    """Score models on the valid test rows of all folds, each beside `rules` and constants.

    Of each model, of each rule (a null that reads the market: persistence, last trade sign,
    queue imbalance, vote) and of the ceiling (a forecaster that knows the truth) `folds` many
    forecasts of all n rows are given, one object repeated where nothing was refitted. A row
    for which a forecast is not ready counts as a tie, so all are scored on the same rows. A
    target without a valid test row is left out and named. `moves`, of the recordings whose rows
    these are, are what the nulls of a smoothed label are made of. Raises InputError for shapes that
    differ and for probabilities that are none.
    """
    given = [(f"model {name}", each) for name, each in models.items()]
    given += [(f"null {name}", each) for name, each in rules.items()]
    given += [("ceiling", ceiling)] if ceiling is not None else []
    for who, each in given:
        _check(who, labels, index, folds, each)
    found: dict[str, dict[str, Score | SizeScore]] = {name: {} for name in models}
    warnings: list[str] = []
    for t, target in enumerate(labels.targets):
        of = sample(labels, index, folds, t, seed)
        if len(of.rows) == 0:
            warnings.append(f"{target}: no valid test row, left out")
            continue
        bench = _bench(of, rules, ceiling, moves, seed)
        warnings += _of_label(of, bench)
        for name, forecasts in models.items():
            what = said(name, forecasts, of)
            score = (
                bench.score(what, thresholds(name, forecasts, what, of))
                if isinstance(bench, Bench)
                else bench.score(what.value)
            )
            found[name][str(target)] = score
            warnings += _of_model(name, of, what, score)
        warnings += _of_sample(of)
    return Evaluation(found, tuple(warnings))


def _bench(
    of: Sample,
    rules: Forecasts,
    ceiling: Sequence[Forecast] | None,
    moves: Sequence[Moves],
    seed: int,
) -> Bench | SizeBench:
    beside = {name: said(name, forecasts, of) for name, forecasts in rules.items()}
    best = said("ceiling", ceiling, of) if ceiling is not None else None
    if of.target.kind == "magnitude":
        values = {name: what.value for name, what in beside.items()}
        return SizeBench.build(of, values, best.value if best else None, seed)
    bench = Bench.build(of, beside, best, seed)
    return bench.beside_walks(moves) if of.target.kind == "smoothed" and moves else bench


def _of_label(of: Sample, bench: Bench | SizeBench) -> Iterator[str]:
    if of.target.kind != "smoothed":
        return
    about = f"{of.target}: for comparison only, the past tells half of the label"
    if not isinstance(bench, Bench) or bench.walks is None:
        yield f"{about}; how much that gives away, only the quotes could say"
        return
    accuracy, f1 = (float(mean_defined(list(bench.walks[k]))) for k in ("accuracy", "macro_f1"))
    yield (
        f"{about}: on random walks of these very moves, where nothing can be foretold, the side on "
        f"which the mid stands of its past mean scores {accuracy:.3f} (macro F1 {f1:.3f})"
    )


def _of_sample(of: Sample) -> Iterator[str]:
    if of.counted < TOO_FEW:
        yield f"{of.target}: {of.counted} rows count, too few to judge (below {TOO_FEW})"
    if of.blocks is None:
        yield f"{of.target}: the test span is too short for an interval"
    elif of.blocks.expected < FEW:
        yield f"{of.target}: intervals from {of.blocks.expected:.0f} blocks are too narrow"


def _of_model(name: str, of: Sample, what: Said, score: Score | SizeScore) -> Iterator[str]:
    if what.silent:
        yield f"{name}, {of.target}: silent on {what.silent} of {len(of.rows)} rows, scored as ties"
    if of.target.directed and (what.p[:, 0] == what.p[:, 2]).all():
        yield f"{name}, {of.target}: names no side on any row, too little to learn from"
    if not isinstance(score, Score) or of.target.kind != "mid" or of.target.horizon_ns < MINUTE:
        return
    if score.n >= TOO_FEW and score.accuracy is not None and score.accuracy > ALARM:
        yield (
            f"{name}, {of.target}: accuracy {score.accuracy:.3f} is above {ALARM}, "
            "look for a leak before believing it"
        )


def _check(
    who: str, labels: Labels, index: Index, folds: Sequence[Masks], each: Sequence[Forecast]
) -> None:
    n = len(labels.y)
    if not len(index.ts) == len(index.instrument) == n or not folds:
        raise InputError(f"{len(index.ts)} rows and {len(folds)} folds for {n} labels")
    if len(each) != len(folds):
        raise InputError(f"{who}: {len(each)} forecasts for {len(folds)} folds, give one for each")
    for forecast in each:
        if forecast.targets != labels.targets or len(forecast.proba) != n:
            said_of, asked = (", ".join(map(str, x.targets)) for x in (forecast, labels))
            raise InputError(
                f"{who}: {len(forecast.proba)} rows of {said_of} where the labels have "
                f"{n} of {asked}; give the same rows and targets"
            )
