"""What the end of a run would take: trading, measured on the first second of a recording."""

from dataclasses import replace

import numpy as np

from flowsense.backtest.arms import Arm, Arms
from flowsense.backtest.ending import Scored, plans
from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.model import Budget
from flowsense.model.calibrated import PLAIN, Calibrated, straight
from flowsense.models.nulls import Majority
from flowsense.risk.settings import KINDS
from flowsense.schema import NEVER
from flowsense.sources import chunks
from flowsense.train.dataset import prepare
from flowsense.train.estimate import ENOUGH, First
from flowsense.train.read import Recording
from flowsense.wall import Stopwatch


def trading(
    recording: Recording, targets: tuple[Target, ...], events: int, seconds: float = ENOUGH
) -> float | None:
    """Seconds to trade so many events as a run ends in, but for what its model takes to forecast.

    The majority stands in for it. None where nothing would be traded, or the start of the recording
    holds no row to go by.
    """
    if not any(target.kind in KINDS for target in targets):
        return None
    first = First(recording, seconds)
    try:
        data = prepare(first, recording.spec, targets)
        model = Majority().fit(data, data.labels, seed=0, budget=Budget())
    except InputError:
        return None
    n = len(targets)
    said = replace(Calibrated(model), scale=np.tile(PLAIN, (n, 1)), curves=straight(n))
    ways = plans(Scored(recording.source, data, 0, NEVER))
    arms = {name: Arm(said, recording.spec, plan) for name, plan in ways.items()}
    warm, timed = (Arms(arms, recording.instruments) for _ in range(2))
    watch, done = Stopwatch(), 0
    for chunk in chunks(First(recording, seconds)):
        if done == 0:
            warm.push(chunk)  # compiles what is not yet, which is no cost of an event
        with watch:
            timed.push(chunk)
        done += len(chunk.events)
        if watch.seconds > seconds:
            break
    return watch.seconds / max(done, 1) * events
