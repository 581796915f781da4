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
from flowsense.nn.heads import scaled
from flowsense.nn.inputs import measured
from flowsense.nn.loop import Course, Trained, repeatable, train
from flowsense.nn.mirrored import Mirrored
from flowsense.nn.net import Net, Shape
from flowsense.nn.serving import opened
from flowsense.nn.windows import Segments, collect
from flowsense.tape import Reader
from flowsense.wall import Stopwatch

FORECASTS = 1.25  # rows that will be forecast, per row of the labels: validation rows are twice
HOLDS = (1, 2, 5, 10)
HALF = 0.5  # of the seconds, at most, that forecasts may take before they are held
TIMED = 30  # calls
COMPARED = 4  # rows behind the first `history` over which both forms of a net are compared


def fit(
    net: Net, reader: Reader, labels: Labels, *, seed: int, budget: Budget
) -> tuple[Fitted, Trained]:
    """Two passes over the rows, then the training; forecasts get the time that they will take."""
    watch = Stopwatch()
    with watch, repeatable(seed):
        known = Known.of(labels, reader.instruments)
        inputs, index = measured(reader, labels, net.book)
        scale = scaled(labels, index.who, len(reader.instruments))
        length = net.history + net.asked - 1
        pool = collect(reader, labels, inputs, index.who, scale, length=length, seed=seed)
        data = Segments(pool, net.history, net.asked)
        module = net.module(Shape(inputs.width, net.history, len(labels.targets)))
        if net.antisymmetric:
            module = Mirrored(module, inputs)
        each = speed(graph(net, module, inputs.width, seed), inputs.width, net)
    rows = FORECASTS * len(labels.y) / len(reader.instruments)
    hold = 1 if net.streams else held(rows * each, budget.seconds)
    left = budget.seconds - watch.seconds - rows * each / hold
    course = Course(
        net.epochs,
        net.epoch,
        net.batch,
        net.rate,
        net.decay,
        patience=net.patience,
        device=net.device,
    )
    with repeatable(seed):
        trained = train(
            module, data, course, seed=seed, epochs=budget.steps, seconds=max(left, 1e-9)
        )
        made = graph(net, module, inputs.width, seed)
    counts = np.array(net.history), np.array(hold)
    return Fitted(known, inputs, scale, *counts, made), trained


def graph(net: Net, module: Any, width: int, seed: int) -> NDArray[np.uint8]:
    """As ONNX, compared with the module on random rows."""
    draw = torch.Generator().manual_seed(seed)
    length = net.history + COMPARED if net.streams else net.history
    example = torch.randn(export.SEVERAL, length, width, generator=draw)
    module.eval()
    return export.streaming(module, example) if net.streams else export.window(module, (example,))


def speed(made: NDArray[np.uint8], width: int, net: Net) -> float:
    """Seconds that one instant of all instruments takes."""
    session, watch = opened(made), Stopwatch()
    inputs = [
        np.zeros((1, *(1 if isinstance(n, str) else n for n in shape)), np.float32)
        for shape in session.shapes
    ]
    session.run(inputs)
    with watch:
        for _ in range(TIMED):
            session.run(inputs)
    return watch.seconds / TIMED


def held(seconds: float, budget: float) -> int:
    """For how many rows a forecast has to stand, so that forecasts take their share of time."""
    return next((h for h in HOLDS if seconds / h <= HALF * budget), HOLDS[-1])
