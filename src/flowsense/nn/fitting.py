"""From rows and labels to a fitted net, within its budget of time."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.instruments import Known
from flowsense.nn import export
from flowsense.nn.fitted import Fitted
from flowsense.nn.frames import Frames
from flowsense.nn.heads import scaled
from flowsense.nn.inputs import Index, measured
from flowsense.nn.instants import Instants
from flowsense.nn.loop import Course, Data, Trained, repeatable, train
from flowsense.nn.mirrored import Mirrored
from flowsense.nn.net import Net, Shape
from flowsense.nn.quantise import quantised
from flowsense.nn.seldom import seldom
from flowsense.nn.serving import Session, opened
from flowsense.nn.windows import Pool, Segments, collect
from flowsense.tape import Reader
from flowsense.wall import Stopwatch

UNTOLD = 1.25  # rows that will be forecast, per row to learn from, where nobody says how many
HOLDS = (1, 2, 5, 10)
HALF = 0.5  # of the seconds, at most, that forecasts may take before they are held
TIMED = 30  # calls
COMPARED = 4  # rows behind the first `history` over which both forms of a net are compared


def fit(
    net: Net, reader: Reader, labels: Labels, *, seed: int, budget: Budget
) -> tuple[Fitted, Trained]:
    """Two passes over the rows, then the training; forecasts keep the time that they will take.

    Raises InputError for too few rows.
    """
    watch, k = Stopwatch(), len(reader.instruments)
    with watch, repeatable(seed):
        known = Known.of(labels, reader.instruments)
        inputs, index = measured(reader, labels, net.book, timed=bool(net.bands))
        scale = scaled(labels, index.who, k)
        length = net.history + net.asked - 1
        pool = collect(reader, labels, inputs, index.who, scale, length=length, seed=seed)
        data = batches(net, pool, index, k)
        module = net.module(Shape(inputs.width, net.history, len(labels.targets)))
        if net.antisymmetric:
            module = Mirrored(module, inputs)
        made = graph(net, module, inputs.width, seed)
        seconds = ahead(index, budget) * speed(made, k)
    hold = 1 if net.streams else held(seconds, budget.seconds)
    left = max(budget.seconds - watch.seconds - seconds / hold, 1e-9)
    with repeatable(seed):
        trained = train(module, data, course(net), seed=seed, epochs=budget.steps, seconds=left)
        made = graph(net, module, inputs.width, seed)
    counts = np.array(net.history), np.array(hold)
    return Fitted(known, inputs, scale, *counts, made), trained


def batches(net: Net, pool: Pool, index: Index, k: int) -> Data:
    """Where a net that is trained on k instruments draws from."""
    if net.across:
        return Instants(pool, index, k, net.history)
    segments = Segments(pool, net.history, net.asked)
    return Frames(segments, net.bands) if net.bands else segments


def course(net: Net) -> Course:
    """How this net is trained."""
    return Course(net.epochs, net.epoch, net.batch, net.rate, net.decay, net.patience, net.device)


def graph(net: Net, module: Any, width: int, seed: int) -> NDArray[np.uint8]:
    """As ONNX, compared with the module on random rows."""
    draw = torch.Generator().manual_seed(seed)
    length = net.history + COMPARED if net.streams else net.history
    example = torch.randn(export.SEVERAL, length, width, generator=draw)
    module.eval()
    if net.streams:
        made = export.streaming(module, example)
        made = quantised(made) if net.int8 else made
        return seldom(made) if net.bands else made
    if net.across:
        return export.window(export.Instant(module), (example, torch.ones(export.SEVERAL)))
    return export.window(module, (example,))


def speed(made: NDArray[np.uint8], k: int) -> float:
    """Seconds that one instant of k instruments takes."""
    session = opened(made)
    return timed(session, [np.zeros((k, *shape), np.float32) for shape in session.shapes])


def timed(session: Session, inputs: list[NDArray[Any]]) -> float:
    """Seconds that one call takes, once warm."""
    watch = Stopwatch()
    session.run(inputs)
    with watch:
        for _ in range(TIMED):
            session.run(inputs)
    return watch.seconds / TIMED


def ahead(index: Index, budget: Budget) -> float:
    """Instants that will be forecast."""
    share = budget.rows / len(index.instant) if budget.rows else UNTOLD
    return share * (int(index.instant.max()) + 1)


def held(seconds: float, budget: float) -> int:
    """For how many rows a forecast has to stand, so that forecasts take their share of time."""
    return next((h for h in HOLDS if seconds / h <= HALF * budget), HOLDS[-1])
