"""Nets of the raw book: weights, and one forecast by ONNX Runtime beside PyTorch, on one thread.

One instrument, the ten targets of a default run, each net as it is by default (beside its mirror
image) and in its published size.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from flowsense.bench import Result
from flowsense.models import build
from flowsense.nn.inputs import SINGLE, Inputs, turned
from flowsense.nn.net import Net, Shape, needs_torch
from flowsense.nn.serving import opened
from flowsense.schema import DEPTH
from flowsense.tape import FeatureSpec
from flowsense.wall import Stopwatch

NAMES = ("deeplob", "tlob", "binctabl", "mlplob")
WIDTH, TARGETS = 4 * DEPTH + SINGLE, 10
CALLS, ROUNDS = 2, 60


def run() -> Result:
    """Raises InputError where PyTorch is not installed."""
    fitting = needs_torch("flowsense.nn.fitting", "bench zoo")
    ours, theirs = dict[str, float](), dict[str, Any]({"name": "PyTorch"})
    with fitting.repeatable(0):
        for name, net in nets().items():
            module = net.module(Shape(WIDTH, net.history, TARGETS))
            if net.antisymmetric:
                module = fitting.Mirrored(module, plain())
            ours[f"{name}_weights"] = sum(p.numel() for p in module.parameters())
            key = f"{name}_ms"
            ours[key], theirs[key] = timed(fitting, net, module)
    ratios = [theirs[key] / ours[key] for key in ours if key.endswith("_ms")]
    return Result("zoo", ours, theirs, float(np.exp(np.mean(np.log(ratios)))))


def nets() -> dict[str, Net]:
    """By name, as they are by default and as published."""
    found = dict[str, Net]()
    for name in NAMES:
        net: Any = build(name, book=True)
        found |= {name: net, f"{name}_published": net.published()}
    return found


def plain() -> Inputs:
    """The inputs of the book, never missing."""
    source, sign = turned(FeatureSpec((), (), ()), True)
    return Inputs(np.array(True), np.ones((2, WIDTH, 2)), np.zeros(0, np.int64), source, sign)


def timed(fitting: Any, net: Net, module: Any) -> tuple[float, float]:
    """ms of one forecast, served and by PyTorch."""
    torch = fitting.torch
    session = opened(fitting.graph(net, module, WIDTH, 0))
    x = np.zeros((1, net.history, WIDTH), np.float32)
    given = torch.from_numpy(x)
    with torch.no_grad():
        return least(lambda: session.run([x])), least(lambda: module(given))


def least(call: Callable[[], object]) -> float:
    """ms of a call, in the quietest of the rounds."""
    found = []
    for _ in range(ROUNDS):
        watch = Stopwatch()
        with watch:
            for _ in range(CALLS):
                call()
        found.append(1e3 * watch.seconds / CALLS)
    return min(found)
