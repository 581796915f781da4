"""Another model in place of the one that serves, tried before on what was just heard."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flowsense.ensemble.council import Unsound, sound
from flowsense.errors import InputError
from flowsense.risk.settings import Settings
from flowsense.schema import Chunk, Events, Instrument
from flowsense.serve.decisions import Decided, Decisions
from flowsense.serve.recent import Recent
from flowsense.served import Model
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.store import checkpoint
from flowsense.store.checkpoint import CheckpointError
from flowsense.train.shelf import chosen, load_model
from flowsense.wall import Stopwatch

SLOWER = 5.0  # times the model in service: more is refused
DEADLINE = 0.010  # seconds for the rows of an instant; below it nothing is too slow


class Loaded(NamedTuple):
    """A model ready to serve, and what is told of it."""

    about: Model
    decisions: Decisions


class Tried(NamedTuple):
    """What a canary batch said."""

    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Bench:
    """Where models are made ready for a stream."""

    table: tuple[Instrument, ...]
    settings: Settings

    def load(self, path: Path, now: int) -> Loaded:
        """As before the first event. Raises InputError for what is no model of this stream."""
        place = chosen(path)
        manifest, _, _ = checkpoint.load(place)
        model, spec = load_model(place)
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
        return Loaded(about, decisions)

    def canary(self, path: Path, recent: Recent, serving: Path, now: int) -> Loaded:
        """Warmed on what was just heard. Raises InputError where it does not stand the trial."""
        fresh = self.load(path, now)
        found = tried(fresh.decisions, recent)
        usual = tried(self.load(serving, now).decisions, recent)
        each, known = (one.seconds / max(one.rows, 1) for one in (found, usual))
        if each > DEADLINE and each > SLOWER * known:
            times = f"{each / max(known, 1e-9):.0f} times what serves now"
            raise InputError(f"{path}: takes {each * 1e3:.1f} ms a row, {times}: give a faster one")
        return fresh


def tried(decisions: Decisions, recent: Recent) -> Tried:
    """All of it pushed. Raises InputError for a forecast that is none, or an error of the model."""
    rows, watch = 0, Stopwatch()
    try:
        for events in recent.replay():
            with watch:
                made = push(decisions, events)
            for one in made:
                sound(one.forecast, len(one.tape.rows[0].ts), one.forecast.targets)
                rows += len(np.unique(one.tape.rows[0].ts))
    except (Unsound, CheckpointError, ArithmeticError, ValueError, TypeError, LookupError) as error:
        raise InputError(f"the model fails on what was just heard ({error})") from error
    return Tried(rows, watch.seconds)


def push(decisions: Decisions, events: Events) -> list[Decided]:
    """All that comes of these."""
    return [*decisions.push(Chunk(events, NO_BARS, NO_OBSERVATIONS))]
