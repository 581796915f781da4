"""A net beside itself on the mirrored book: the side turns exactly, move and size stay."""

from typing import Any

import torch
from torch import nn

from flowsense.nn.inputs import Inputs


class Mirrored(nn.Module):
    """Side f(x) - f(mirror x), move and size their means; both in one call, as 2 B stretches.

    States of a streaming net are (B, 2, ...). Sizes are numbers, not `flatten`: a graph that works
    them out anew for each row takes twice as long.
    """

    source: torch.Tensor
    sign: torch.Tensor
    turn: torch.Tensor

    def __init__(self, net: nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("source", torch.from_numpy(inputs.source.copy()))
        self.register_buffer("sign", torch.from_numpy(inputs.sign.copy()))
        self.register_buffer("turn", torch.tensor([-1.0, 1.0, 1.0]))  # side, move, size

    def both(self, x: torch.Tensor) -> torch.Tensor:
        """(B, ..., D) -> (2 B, ..., D)"""
        return twice(x, x[..., self.source] * self.sign)

    def joined(self, out: torch.Tensor) -> torch.Tensor:
        """(2 B, ..., T, 3) -> (B, ..., T, 3)"""
        pair = out.reshape(-1, 2, *sizes(out))
        one: torch.Tensor = (pair[:, 0] + pair[:, 1] * self.turn) / 2
        return one

    def forward(self, x: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        """Of a whole stretch; what else is said of it is the same in the mirror."""
        return self.joined(self.net(self.both(x), *(twice(m, m) for m in more)))

    def step(self, x: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Of one row."""
        net: Any = self.net
        shapes = net.states()
        before = (s.reshape(-1, *shape) for s, shape in zip(states, shapes, strict=True))
        out, *after = net.step(self.both(x), *before)
        return self.joined(out), *(s.reshape(-1, 2, *sizes(s)) for s in after)

    def states(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each state, of one instrument."""
        net: Any = self.net
        return tuple((2, *shape) for shape in net.states())


def sizes(x: torch.Tensor) -> list[int]:
    """Of all axes but the first."""
    return [int(n) for n in x.shape[1:]]


def twice(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(B, ...) and (B, ...) -> (2 B, ...), each beside its partner."""
    return torch.stack([x, y], 1).reshape(-1, *sizes(x))
