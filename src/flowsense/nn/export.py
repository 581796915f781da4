"""A PyTorch module as the bytes of an ONNX file, which say the same as it does."""

import io
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from flowsense.errors import InputError
from flowsense.nn.serving import RING, SHOWN, opened

OPSET = 18
NEAR = 1e-4  # between what PyTorch and ONNX Runtime say of the same inputs
SEVERAL = 3  # instruments that the example holds: how many there are is settled when it is run


class Step(nn.Module):
    """The streaming form of a net as a module."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor, *states: torch.Tensor) -> Any:
        return self.net.step(x, *states)


class Instant(nn.Module):
    """A net across instruments, of one instant: the same without the first axis."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.net(*(x[None] for x in inputs))[0]


class Names(NamedTuple):
    """Of what goes in and what comes out."""

    into: list[str]
    out: list[str]


def exported(module: Any, examples: tuple[torch.Tensor, ...], names: Names) -> NDArray[np.uint8]:
    """The graph of a module; its first axis, of every input and output, is any number."""
    file: Any = io.BytesIO()
    axes = {name: {0: "instruments"} for name in (*names.into, *names.out)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter of graphs is 20 times as slow
        torch.onnx.export(
            module.eval(),
            examples,
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=names.into,
            output_names=names.out,
            dynamic_axes=axes,
        )
    return np.frombuffer(file.getvalue(), np.uint8)


def window(module: nn.Module, examples: tuple[torch.Tensor, ...]) -> NDArray[np.uint8]:
    """Of a window net: (K, H, D), ... -> (K, T, 3). Raises InputError where both differ."""
    into = ["x", *(f"more_{j}" for j in range(len(examples) - 1))]
    graph = exported(module, examples, Names(into, ["out"]))
    with torch.no_grad():
        expected = module.eval()(*examples)
    said = opened(graph).run([e.numpy() for e in examples])[0]
    compare(said, expected.numpy())
    return graph


def streaming(module: Any, stretch: torch.Tensor) -> NDArray[np.uint8]:
    """Of a streaming net: the step. Raises InputError where it differs from the training form.

    `stretch` (K, L, D) is read row by row by the step, and whole by the training form.
    """
    k = len(stretch)
    states = [torch.zeros(k, *shape) for shape in module.states()]
    with torch.no_grad():
        expected = module.eval()(stretch)
        after = module.step(stretch[:, 0], *states)[1:]
    graph = exported(Step(module), (stretch[:, 0], *states), named(states, after))
    session, held, every = opened(graph), [s.numpy() for s in states], np.arange(k)
    ahead = stretch.shape[1] - expected.shape[1]
    for row in range(stretch.shape[1]):
        said, *now = session.run([np.ascontiguousarray(stretch[:, row].numpy()), *held])
        session.advance(held, now, every)
        if row >= ahead:
            compare(said, expected[:, row - ahead].numpy())
    return graph


def named(states: list[torch.Tensor], after: tuple[torch.Tensor, ...]) -> Names:
    """A state of which the step gives one entry alone is a ring; what follows states is shown."""
    n = len(states)
    into = (
        f"{'state' if now.shape == before.shape else RING}_{j}"
        for j, (before, now) in enumerate(zip(states, after[:n], strict=True))
    )
    out = (f"after_{j}" if j < n else f"{SHOWN}_{j - n}" for j in range(len(after)))
    return Names(["x", *into], ["out", *out])


def compare(said: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    worst = float(np.abs(said - expected).max() / max(1.0, np.abs(expected).max()))
    if not worst < NEAR:
        raise InputError(
            f"ONNX Runtime and PyTorch differ by {worst:.1e} on the same net: "
            "install the versions that constraints.txt names"
        )
