"""What every model must do, ours and yours: fitted on a small recording, tried in every way.

    check_conformance(MyModel.tiny())

raises AssertionError with the name of what it broke. Each check can be called alone.
"""

import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.catalogue import spec as default_spec
from flowsense.features.fold import Replay
from flowsense.forecast import DOWN, FLAT, UP, Forecast, Target
from flowsense.labels import Labels, join
from flowsense.labels.stages import Stages
from flowsense.model import Budget, Model
from flowsense.schema import SECOND, Decimal, Events, Instrument
from flowsense.store import checkpoint
from flowsense.store.atomic import current
from flowsense.store.checkpoint import CheckpointError
from flowsense.tape import FeatureSpec, Reader, Rows, Tape
from flowsense.testing.models import check_forecast, check_model
from flowsense.testing.streams import Recording, tape_of
from flowsense.testing.toy import by_level, by_order, merge

TARGETS = tuple(map(Target.parse, ("mid@500ms", "ofi@1s", "magnitude@1s")))
BUDGET = Budget(steps=20, seconds=30)
UNLIKELY = 4.0  # standard deviations
HUGE = np.float32(1e15)  # a market's worth in the smallest coin
SENTENCE = 400  # characters at most
Arrays = dict[str, NDArray[Any]]


class Trial(NamedTuple):
    """A small recording: one instrument by order, one by level; a pause, and then silence."""

    reader: Reader
    tape: Tape  # all of it
    labels: Labels  # the first half to learn from, then a part to stop on; the rest is not valid
    every: Labels  # the same, valid wherever something came of a row

    @classmethod
    def usual(
        cls, spec: FeatureSpec | None = None, targets: tuple[Target, ...] = TARGETS
    ) -> "Trial":
        spec, table = spec or default_spec(), (instrument("A", by_order=True), instrument("B"))
        source = Recording(table, events())
        tape, stage = tape_of(spec, table, source.events), Stages(targets)
        state, done = stage.fold(stage.init(), tape)
        every = join([done, stage.close(state)])
        n = len(every.y)
        stop, end = (every.known_at > every.known_at[k] for k in (n // 2, 3 * n // 4))
        return cls(Replay(spec, source), tape, every.to_fit(~stop, stop & ~end), every)


def instrument(symbol: str, *, by_order: bool = False) -> Instrument:
    return Instrument(symbol, "toy", Decimal(1, -2), Decimal(1, 0), by_order=by_order)


def events() -> Events:
    out = merge(by_order(1_500, 1, 0), by_level(by_order(1_500, 2, 1)))
    out["ts_recv"][1_000:] += 730_000_000
    out["ts_recv"][2_000:] += 90 * SECOND
    return out


@dataclass(frozen=True)
class Fitted:
    """A model before and after its fit on a trial."""

    unfitted: Model[Any]
    model: Model[Any]
    trial: Trial
    seed: int = 1

    @classmethod
    def on(cls, unfitted: Model[Any], trial: Trial, seed: int = 1) -> "Fitted":
        fitted = unfitted.fit(trial.reader, trial.labels, seed=seed, budget=BUDGET)
        return cls(unfitted, fitted, trial, seed)

    def again(self, labels: Labels, reader: Reader | None = None) -> Model[Any]:
        reader = reader or self.trial.reader
        return self.unfitted.fit(reader, labels, seed=self.seed, budget=BUDGET)


def said(model: Model[Any], tape: Tape) -> Forecast:
    return model.predict(model.init(tape.instruments), tape)[1]


def assert_alike(a: Arrays, b: Arrays, what: str) -> None:
    assert a.keys() == b.keys(), f"{what}: other arrays"
    for name, values in a.items():
        assert values.tobytes() == b[name].tobytes(), f"{what}: {name} differs"


def check_laws(of: Fitted) -> None:
    """The fold law, purity, and no look ahead."""
    check_model(of.model, of.trial.tape)


def check_targets(of: Fitted) -> None:
    """Its targets are those of the labels, in their order; before a fit it has none."""
    assert of.unfitted.targets == (), "targets before a fit"
    assert of.model.targets == of.trial.labels.targets, "other targets than those asked for"


def check_repeats(of: Fitted) -> None:
    """The same rows, labels, seed and steps: the same bits."""
    assert_alike(of.model.params(), of.again(of.trial.labels).params(), "fitted again")


def check_valid_alone(of: Fitted) -> None:
    """What is written where labels are not valid teaches nothing."""
    labels = of.trial.labels
    out = ~labels.valid
    spoiled = labels._replace(y=labels.y.copy(), move=labels.move.copy())
    spoiled.y[out], spoiled.move[out] = DOWN, 1e6
    assert out.any()
    assert_alike(of.model.params(), of.again(spoiled).params(), "rows that are not valid")


def check_names(of: Fitted) -> None:
    """Instruments are known by name, not by their place in a table."""
    tape = of.trial.tape
    other = tape._replace(
        rows=tuple(swapped(rows) for rows in tape.rows),
        events=tape.events.copy(),
        instruments=tape.instruments[::-1],
    )
    other.events["instrument"] = 1 - other.events["instrument"]
    here, there = said(of.model, tape), said(of.model, other)
    assert here.proba.tobytes() == there.proba.tobytes(), "an instrument's place changes it"


def swapped(rows: Rows) -> Rows:
    return rows._replace(instrument=1 - rows.instrument)


def check_unseen(of: Fitted) -> None:
    """An instrument that was not in training is forecast once there is history enough."""
    rows = of.trial.tape.rows[0]
    table = (instrument("NEW")._replace(venue="elsewhere"), of.trial.tape.instruments[1])
    forecast = said(of.model, of.trial.tape._replace(instruments=table))
    check_forecast(forecast, len(rows.ts))
    nth = np.array(
        [(rows.instrument[: i + 1] == who).sum() for i, who in enumerate(rows.instrument)]
    )
    late = nth >= of.model.needs.history
    assert late.any() and forecast.ready[late].all(), "silent on an instrument it does not know"


def check_shuffled(of: Fitted) -> None:
    """Taught labels that are dealt anew, it tells the side of later rows as a coin would.

    Later rows' labels are dealt too, so that the number of hits follows a hypergeometric law.
    """
    labels, rng = of.trial.every, np.random.default_rng(7)
    y, move = labels.y.copy(), labels.move.copy()
    for t in range(y.shape[1]):
        rows = np.flatnonzero(labels.valid[:, t])
        dealt = rng.permutation(rows)
        y[rows, t], move[rows, t] = labels.y[dealt, t], labels.move[dealt, t]
    given = of.trial.labels
    model = of.again(given._replace(y=y, move=move))
    p, n = said(model, of.trial.tape).proba, len(y)
    for t, target in enumerate(labels.targets):
        later = labels.valid[:, t] & ~given.valid[:, t] & (np.arange(n) > n // 2)
        if target.directed:
            side = np.sign(p[later, t, UP] - p[later, t, DOWN])
            away = deviations(side, y[later, t])
            assert abs(away) < UNLIKELY, f"{target}: {away:.1f} deviations above chance"


def deviations(side: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """By how much the hits on moved rows differ from those of labels dealt at random."""
    side, came = side[y != FLAT], np.sign(y[y != FLAT] - FLAT)
    n = len(came)
    assert n > 30, "too few moves to tell"
    excess = float(side @ came - side.sum() * came.sum() / n)
    spread = float(side.var() * came.var()) * n * n / (n - 1)
    return excess / spread**0.5 if spread > 0 else 0.0


def check_checkpoint(of: Fitted) -> None:
    """Whole it forecasts the same; damaged, or for other features, it is refused."""
    spec, tape = of.trial.reader.spec, of.trial.tape
    config = {f.name: v for f in fields(of.model) if plain(v := getattr(of.model, f.name))}  # type: ignore[arg-type]
    manifest = checkpoint.Manifest(
        "model", config, spec, of.model.targets, tape.instruments, (0, 1), of.seed
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        checkpoint.save(folder, manifest, of.model.params())
        found = checkpoint.load(folder, spec.digest)
        again = type(of.model)(**found.manifest.config).load(found.params)
        assert said(again, tape).proba.tobytes() == said(of.model, tape).proba.tobytes()
        assert refused(folder, "0" * len(spec.digest)), "other features are taken"
        for path in sorted(current(folder).iterdir()):
            whole = path.read_bytes()
            path.write_bytes(bytes([*whole[:-1], whole[-1] ^ 1]))
            assert refused(folder, spec.digest), f"{path.name} is taken, damaged as it is"
            path.write_bytes(whole)


def plain(value: object) -> bool:
    return isinstance(value, bool | int | float | str)


def refused(folder: Path, digest: str) -> bool:
    try:
        checkpoint.load(folder, digest)
    except CheckpointError:
        return True
    return False


@dataclass(frozen=True)
class Spoiled:
    """A reader whose rows are changed on the way."""

    reader: Reader
    change: Callable[[Rows], Rows]

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self.reader.instruments

    @property
    def spec(self) -> FeatureSpec:
        return self.reader.spec

    def __iter__(self) -> Iterator[Tape]:
        for tape in self.reader:
            yield tape._replace(
                rows=tuple(self.change(rows.take(slice(None))) for rows in tape.rows)
            )


def constant(rows: Rows) -> Rows:
    rows.X[:, ::3], rows.valid[:, ::3] = 1, True
    return rows


def missing(rows: Rows) -> Rows:
    rows.X[:, ::3], rows.valid[:, ::3] = 0, False
    return rows


def empty(rows: Rows) -> Rows:
    rows.X[:], rows.valid[:] = 0, False
    return rows


def huge(rows: Rows) -> Rows:
    rows.X[:, ::5] = np.where(rows.valid[:, ::5], HUGE * np.sign(rows.X[:, ::5]), 0)
    return rows


SPOILS = (constant, missing, empty, huge)


def check_poor_rows(of: Fitted) -> None:
    """Columns that are constant, missing or enormous: a forecast, or a sentence."""
    for change in SPOILS:
        poor = Spoiled(of.trial.reader, change)
        tape = of.trial.tape
        seen = tape._replace(rows=tuple(change(rows.take(slice(None))) for rows in tape.rows))
        fits_or_says(partial(of.again, of.trial.labels, poor), seen, change.__name__)


def check_poor_labels(of: Fitted) -> None:
    """Three rows, one side alone, or nothing that moves: a forecast, or a sentence."""
    labels, n = of.trial.labels, len(of.trial.labels.y)
    few = np.arange(n)[:, None] % (n // 3) == 0
    up = labels._replace(y=np.full_like(labels.y, UP), move=np.ones_like(labels.move))
    still = labels._replace(y=np.full_like(labels.y, FLAT), move=np.zeros_like(labels.move))
    none = labels._replace(valid=labels.valid & False)
    three = labels._replace(valid=labels.valid & few)
    for name, poor in (("few", three), ("one side", up), ("nothing moves", still), ("none", none)):
        fits_or_says(partial(of.again, poor), of.trial.tape, name)


def check_kinds(of: Fitted) -> None:
    """A target of a kind that it does not forecast is refused."""
    unknown = (Target("regime", SECOND), *TARGETS[1:])
    try:
        found = of.again(of.trial.labels._replace(targets=unknown))
    except InputError as error:
        assert_sentence(error, "regime")
        return
    assert found.targets == unknown, "it neither forecasts a regime nor refuses it"


def fits_or_says(fit: Callable[[], Model[Any]], tape: Tape, what: str) -> None:
    try:
        model = fit()
    except InputError as error:
        assert_sentence(error, what)
        return
    try:
        check_forecast(said(model, tape), len(tape.rows[0].ts))
    except AssertionError as broken:
        raise AssertionError(f"{what}: {reason(broken)}") from broken
    for name, values in model.params().items():
        assert values.dtype.kind != "f" or not np.isnan(values).any(), f"{what}: NaN in {name}"


def assert_sentence(error: InputError, what: str) -> None:
    text = str(error)
    assert text and "\n" not in text and len(text) <= SENTENCE, f"{what}: no sentence: {text}"


CHECKS: dict[str, Callable[[Fitted], None]] = {
    "targets": check_targets,
    "laws": check_laws,
    "names": check_names,
    "unseen": check_unseen,
    "checkpoint": check_checkpoint,
    "kinds": check_kinds,
    "repeats": check_repeats,
    "valid alone": check_valid_alone,
    "shuffled": check_shuffled,
    "poor rows": check_poor_rows,
    "poor labels": check_poor_labels,
}


def check_conformance(model: Model[Any], trial: Trial | None = None, seed: int = 1) -> None:
    """All of it, for a model that is not fitted yet: its `tiny` configuration, say."""
    of = Fitted.on(model, trial or Trial.usual(), seed)
    for name, check in CHECKS.items():
        try:
            check(of)
        except AssertionError as broken:
            told = f"{type(model).__name__} breaks {name!r}: {reason(broken)}"
            raise AssertionError(told) from broken
        except Exception as error:
            error.add_note(f"{type(model).__name__} raised it in the check {name!r}.")
            raise


def reason(broken: AssertionError) -> str:
    """Its own words; the line that does not hold where it has none."""
    return str(broken) or traceback.extract_tb(broken.__traceback__)[-1].line or "no reason given"
