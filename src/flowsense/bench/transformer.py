"""The large transformer on one core, beside PyTorch; and how much of a known answer one finds.

A step is one row behind a full band of 100, seconds and minutes cached. 100 rows at once are read
as one stretch, and the last of them is forecast. Patterns are those of `testing.pulses`, whose
chances are known.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from flowsense.bench import Result
from flowsense.model import Budget
from flowsense.models.transformer import Transformer
from flowsense.nn.net import Shape, needs_torch
from flowsense.nn.quantise import quantised
from flowsense.nn.serving import opened
from flowsense.testing.pulses import Pattern, forecast, pulses, share_of_skill
from flowsense.wall import Stopwatch

WIDTH, TARGETS, ROWS = 200, 10, 100
STEPS, STRETCHES = 300, 40  # calls
LIMIT_MS = 10.0  # of 100 steps at once
NEAR = Transformer(
    history=80,
    seconds=8,
    minutes=2,
    layers=2,
    units=32,
    rate=1e-2,
    decay=0.01,
    dropout=0.0,
    epochs=10,
)
# What is a minute old is told by pulses a minute apart: more rows, and more against chance.
FAR = replace(
    NEAR, history=12, batch=16, seconds=80, decay=0.1, dropout=0.1, epochs=20, patience=20
)
PLANTED = {
    "1 s and 5 s": (NEAR, (Pattern(1.0, 0.5), Pattern(5.0, 1.0)), 40_000),
    "20 s and 60 s": (FAR, (Pattern(20.0, 4.0, 5.0), Pattern(60.0, 8.0, 5.0)), 120_000),
}
SCORE, WARM = 20_000, 1_000  # rows, and those of them while the net fills


def run() -> Result:
    """`ratio`: limit / ours. Raises InputError where PyTorch is not installed."""
    metrics: dict[str, Any] = {}
    for name, plan in PLANTED.items():
        metrics |= {f"{key}, {name}": value for key, value in planted(*plan).items()}
    ours, theirs = timed(Transformer.preset("large"))
    metrics |= ours
    return Result(
        "transformer",
        metrics,
        {"name": "PyTorch float32", **theirs, "limit_ms": LIMIT_MS},
        LIMIT_MS / ours["rows_at_once_int8_ms"],
    )


def planted(net: Transformer, patterns: tuple[Pattern, ...], rows: int) -> dict[str, float]:
    """Share of skill on rows of another seed, in 32 bits and in 8."""
    learned, later = pulses(patterns, rows, 0), pulses(patterns, SCORE, 1)
    fitted = net.fit(learned, learned.labels, seed=0, budget=Budget())
    small = fitted.load(fitted.params() | {"graph": quantised(fitted.params()["graph"])})
    exact, near = (forecast(model, later) for model in (fitted, small))
    return {
        "share_of_skill": share_of_skill(exact, later, WARM),
        "share_of_skill_int8": share_of_skill(near, later, WARM),
        "int8_worst_probability": float(np.abs(exact.proba - near.proba).max()),
        "int8_mean_probability": float(np.abs(exact.proba - near.proba).mean()),
    }


def timed(net: Transformer) -> tuple[dict[str, float], dict[str, float]]:
    """ms of one step and of 100 rows at once: served, and by PyTorch."""
    fitting = needs_torch("flowsense.nn.fitting", "bench transformer")
    torch, ours, theirs = fitting.torch, dict[str, float](), dict[str, float]()
    with fitting.repeatable(0), torch.no_grad():
        module = net.module(Shape(WIDTH, net.history, TARGETS)).eval()
        for name, one in (("float32", net), ("int8", replace(net, int8=True))):
            step = opened(fitting.graph(one, module, WIDTH, 0))
            inputs = [np.ones((1, *shape), np.float32) for shape in step.shapes]
            for ended, when in ((0.0, "step"), (1.0, "step_that_ends_a_second")):
                inputs[0][:, -2:] = ended, 0
                ours[f"{when}_{name}_ms"] = quick(partial(step.run, inputs), STEPS)
        form = fitting.export.Step(module).eval()
        theirs["step_ms"] = quick(partial(form, *map(torch.from_numpy, inputs)), STEPS)
        whole, examples = at_once(torch, module)
        theirs["rows_at_once_ms"] = quick(partial(whole, *examples), STRETCHES)
        graph = fitting.export.window(whole, examples)
        values = [e.numpy() for e in examples]
        for name, made in (("float32", graph), ("int8", quantised(graph))):
            ours[f"rows_at_once_{name}_ms"] = quick(partial(opened(made).run, values), STRETCHES)
    return ours, theirs


def quick(call: Callable[[], object], calls: int) -> float:
    """ms that a tenth of the calls stay below: what other work on the machine adds is left out."""
    watch, seconds = Stopwatch(), list[float]()
    for _ in range(calls):
        watch.seconds = 0.0
        with watch:
            call()
        seconds.append(watch.seconds)
    return float(np.percentile(seconds, 10) * 1e3)


def at_once(torch: Any, net: Any) -> tuple[Any, tuple[Any, ...]]:
    """The net of 100 rows beside cached keys and values of tokens, and an example of them."""
    past = needs_torch("flowsense.nn.architectures.transformer", "bench transformer").Past

    class AtOnce(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Any, *cached: Any) -> Any:
            read = [past(*cached[3 * j : 3 * j + 3]) for j in range(len(cached) // 3)]
            return self.net.rows(x, x[..., -3].cumsum(1), read, ROWS - 1)

    examples = [torch.randn(1, ROWS, WIDTH).abs()]
    for frame in net.frames:
        ring = (1, frame.heads, frame.band, frame.each)
        bias = torch.randn(1, frame.heads, 1, frame.band)
        examples += [torch.randn(*ring), torch.randn(*ring), bias]
    return AtOnce().eval(), tuple(examples)
