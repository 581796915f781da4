"""Another model in place of the one that serves, tried before on what was just heard.

A model that fails in service gives way to the one before it, in the turn in which it fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import structlog

from flowsense.ensemble.council import sound
from flowsense.ensemble.panel import Rules
from flowsense.errors import InputError
from flowsense.evaluate.stability import Reference
from flowsense.model.calibrated import Calibrated
from flowsense.risk.settings import Settings
from flowsense.schema import SECOND, Bars, Chunk, Events, Instrument
from flowsense.serve.decisions import Decided, Decisions
from flowsense.serve.recent import Recent
from flowsense.serve.records import beat, example
from flowsense.served import Model
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.train.shelf import Kept, chosen, fitted
from flowsense.wall import Stopwatch

T = TypeVar("T")
log = structlog.get_logger("flowsense.serve")
SLOWER = 5.0  # times the model in service: more is refused
DEADLINE = 0.010  # seconds for the rows of an instant; below it nothing is too slow


class Loaded(NamedTuple):
    """A model ready to serve, and what is told of it."""

    about: Model
    decisions: Decisions
    model: Calibrated
    reference: Reference | None = None  # what its columns were distributed like


class Tried(NamedTuple):
    """What a canary batch said."""

    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Bench:
    """Where models are made ready for a stream."""

    table: tuple[Instrument, ...]
    settings: Settings
    members: Rules | None = None  # how long an ensemble that serves waits for each

    def load(self, path: Path, now: int) -> Loaded:
        """As before the first event. Raises InputError for what is no model of this stream."""
        place = chosen(path)
        return self.made(place, fitted(place), now)

    def made(self, place: Path, kept: Kept, now: int) -> Loaded:
        """Of what lies there. Raises InputError for a model that does not suit the risk."""
        model, manifest = kept.model, kept.manifest
        spec = manifest.spec
        decisions = Decisions(model, spec, self.table, self.settings)
        about = Model(
            name=place.name,
            version=decisions.engine.version,
            path=str(place),
            targets=tuple(map(str, model.targets)),
            columns=len(spec.columns),
            members=tuple(getattr(model.model, "names", ())),
            trained=manifest.trained,
            loaded=now,
            columns_digest=spec.digest,
        )
        return Loaded(about, decisions, model, kept.reference)

    def renewed(self, loaded: Loaded) -> Loaded:
        """The same model as before the first event; its folder may be another's by now."""
        engine = loaded.decisions.engine
        fresh = Decisions(loaded.model, engine.fold.spec, self.table, self.settings)
        return loaded._replace(decisions=fresh)

    def canary(self, path: Path, recent: Recent, serving: Loaded, now: int) -> Loaded:
        """Warmed on what was just heard. Raises InputError where it does not stand the trial."""
        found = attempted(lambda: self._trial(path, recent, now))
        if isinstance(found, InputError):
            raise found
        if isinstance(found, Exception):
            why = f"{type(found).__name__}: {found}"
            raise InputError(f"{path}: the model fails on what was just heard ({why})") from found
        fresh, trial = found
        usual = tried(self.renewed(serving).decisions, recent)
        each, known = (one.seconds / max(one.rows, 1) for one in (trial, usual))
        if each > DEADLINE and each > SLOWER * known:
            times = f"{each / max(known, 1e-9):.0f} times what serves now"
            raise InputError(f"{path}: takes {each * 1e3:.1f} ms a row, {times}: give a faster one")
        return fresh

    def _trial(self, path: Path, recent: Recent, now: int) -> tuple[Loaded, Tried]:
        """On examples too: little may have been heard."""
        fresh = self.load(path, now)
        warm(self, self.renewed(fresh))
        return fresh, tried(fresh.decisions, recent)


def warm(bench: Bench, loaded: Loaded) -> None:
    """Everything is compiled before the first event is heard. Raises what the model raises."""
    for k in range(len(bench.table)):
        answers(loaded.decisions, example(k))
    for ts in (2 * SECOND, 3 * SECOND):
        answers(loaded.decisions, beat(ts))


def tried(decisions: Decisions, recent: Recent) -> Tried:
    """All of it pushed. Raises what the model raises, and Unsound."""
    rows, watch = 0, Stopwatch()
    for events, bars, _ in recent.replay():
        with watch:
            made = answers(decisions, events, bars)
        rows += sum(len(np.unique(one.tape.rows[0].ts)) for one in made)
    return Tried(rows, watch.seconds)


def attempted(work: Callable[[], T]) -> T | Exception:
    """What it returns or raises: nobody knows beforehand in which way a model will fail."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - a model of anybody's
        return error


def push(decisions: Decisions, events: Events, bars: Bars = NO_BARS) -> list[Decided]:
    """All that comes of these."""
    return [*decisions.push(Chunk(events, bars, NO_OBSERVATIONS))]


def answers(decisions: Decisions, events: Events, bars: Bars = NO_BARS) -> list[Decided]:
    """The same. Raises Unsound for what is no forecast: it is never told."""
    made = push(decisions, events, bars)
    for one in made:
        if n := len(one.tape.rows[0].ts):
            sound(one.forecast, n, one.forecast.targets)
    return made


class Turn(NamedTuple):
    """What came of the last events, and of which model."""

    loaded: Loaded
    decided: list[Decided]
    why: str = ""  # the model in service gave way


def turn(bench: Bench, loaded: Loaded, before: Loaded | None, recent: Recent) -> Turn:
    """Of the last events of `recent`: by the model in service or, where it fails, the one before.

    Raises what the model raises where there is none before it.
    """
    events, bars, stale = recent.queue[-1], recent.fresh, loaded.decisions.stale.copy()
    found = attempted(lambda: answers(loaded.decisions, events, bars))
    if not isinstance(found, Exception):
        return Turn(loaded, found)
    why = f"model {loaded.about.version} failed ({type(found).__name__}: {found})"
    log.error("model failed", version=loaded.about.version, exc_info=found)
    if before is None:
        raise found
    fresh, parts = bench.renewed(before), [*recent.replay()]
    for part in parts[:-1]:
        push(fresh.decisions, part.events, part.bars)
    fresh.decisions.stale[:] = stale
    version = before.about.version
    log.warning("model rolled back", version=version, before=loaded.about.version)
    return Turn(fresh, answers(fresh.decisions, events, bars), f"{why}: {version} serves again")


class Succeeded(NamedTuple):
    """A model that knows everything that was heard."""

    loaded: Loaded
    heard: int  # events that it was given, after the books before them


def succeeded(bench: Bench, fresh: Loaded, old: Loaded, known: Recent, recent: Recent) -> Succeeded:
    """`fresh` was given `known`, and now what came after it. Raises what the model raises."""
    missed = recent.since(known)
    if missed is None:  # some of it is gone: from the start, as if it were tried now
        fresh = bench.renewed(fresh)
        for part in recent.replay():
            answers(fresh.decisions, part.events, part.bars)
        heard = recent.count
    else:
        answers(fresh.decisions, missed.events, missed.bars)
        heard = known.count + len(missed.events)
    fresh.decisions.stale[:] = old.decisions.stale
    return Succeeded(fresh, heard)
