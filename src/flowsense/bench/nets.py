"""One forecast of a net: ONNX Runtime, which serves it, beside PyTorch, which fitted it.

One thread, every target of a default run, all default columns, and the net beside its mirror
image. Learned rows per second are those that are answered for.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from flowsense.bench import Result
from flowsense.models.lstm import Lstm
from flowsense.models.mlplob import Mlplob
from flowsense.nn.inputs import Inputs
from flowsense.nn.net import Net, Shape, needs_torch
from flowsense.nn.serving import opened
from flowsense.nn.windows import Answers, Batch
from flowsense.wall import Stopwatch

WIDTH, TARGETS = 160, 10  # inputs of a row, targets
INSTRUMENTS = (1, 3)
CALLS, ROUNDS, BATCHES = 40, 25, 4
NETS: dict[str, Net] = {"lstm": Lstm(), "lstm_published": Lstm.published(), "mlplob": Mlplob()}


class Same:
    """The same batch of noise at every draw."""

    def __init__(self, net: Net) -> None:
        rng = np.random.default_rng(0)
        shape = (net.batch, net.history + net.asked - 1, WIDTH)
        asked = (net.batch, net.asked, TARGETS) if net.streams else (net.batch, TARGETS)
        answers = (rng.random(asked, np.float32) for _ in Answers._fields)
        self.batch = Batch((rng.normal(0, 1, shape).astype(np.float32),), Answers(*answers))

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        return self.batch

    def held(self, size: int, most: int) -> list[Batch]:
        return []


def run() -> Result:
    """Raises InputError where PyTorch is not installed."""
    fitting = needs_torch("flowsense.nn.fitting", "bench nets")
    ours, theirs = dict[str, float](), dict[str, Any]({"name": "PyTorch"})
    for name, net in NETS.items():
        with fitting.repeatable(0):
            module = net.module(Shape(WIDTH, net.history, TARGETS))
            module = fitting.Mirrored(module, plain_inputs())
            serving, fitted = timed(fitting, net, module)
            for k, here, there in zip(INSTRUMENTS, serving, fitted, strict=True):
                ours[f"{name}_{k}_us"], theirs[f"{name}_{k}_us"] = here, there
            ours[f"{name}_learned_rows_s"] = learned(fitting, net, module)
    ratios = [theirs[key] / ours[key] for key in ours if key.endswith("_us")]
    return Result("nets", ours, theirs, float(np.exp(np.mean(np.log(ratios)))))


def plain_inputs() -> Inputs:
    """Of which the mirror turns each sign."""
    standard, none = np.ones((2, WIDTH, 2)), np.zeros(0, np.int64)
    return Inputs(np.array(False), standard, none, np.arange(WIDTH), -np.ones(WIDTH, np.float32))


def timed(fitting: Any, net: Net, module: Any) -> tuple[list[float], list[float]]:
    """us of one instant of each number of instruments, served and by PyTorch."""
    torch, served, fitted = fitting.torch, list[float](), list[float]()
    session = opened(fitting.graph(net, module, WIDTH, 0))
    form = fitting.export.Step(module) if net.streams else module
    form.eval()
    for k in INSTRUMENTS:
        inputs = [np.zeros((k, *shape), np.float32) for shape in session.shapes]
        tensors = [torch.from_numpy(x) for x in inputs]
        with torch.no_grad():
            served.append(least(partial(session.run, inputs)))
            fitted.append(least(partial(form, *tensors)))
    return served, fitted


def least(call: Callable[[], object]) -> float:
    """us of one call: the mean of the quickest round, as other work only ever adds."""
    rounds = []
    for _ in range(ROUNDS):
        watch = Stopwatch()
        with watch:
            for _ in range(CALLS):
                call()
        rounds.append(watch.seconds / CALLS * 1e6)
    return min(rounds)


def learned(fitting: Any, net: Net, module: Any) -> float:
    """Rows answered for per second of training."""
    course = replace(fitting.course(net), epoch=BATCHES)
    rates = []
    for _ in range(3):
        done = fitting.train(module, Same(net), course, seed=0, epochs=1, seconds=float("inf"))
        rates.append(float(done.stretches_per_s) * net.asked)
    return max(rates)
