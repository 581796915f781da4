"""A net beside itself on the mirrored book: the side turns exactly, move and size stay."""

from typing import Any

import torch
from torch import nn

from flowsense.nn.inputs import Inputs


class Mirrored(nn.Module):
    """Side f(x) - f(mirror x), move and size their means; both in one call, as 2 B stretches.

    States of a streaming net are (B, 2, ...).
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
        return torch.stack([x, x[..., self.source] * self.sign], 1).flatten(0, 1)

    def joined(self, out: torch.Tensor) -> torch.Tensor:
        """(2 B, ..., T, 3) -> (B, ..., T, 3)"""
        pair = out.unflatten(0, (-1, 2))
        one: torch.Tensor = (pair[:, 0] + pair[:, 1] * self.turn) / 2
        return one

    def forward(self, x: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        """Of a whole stretch; what else is said of it is the same in the mirror."""
        twice = (torch.stack([m, m], 1).flatten(0, 1) for m in more)
        return self.joined(self.net(self.both(x), *twice))

    def step(self, x: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Of one row."""
        net: Any = self.net
        out, *after = net.step(self.both(x), *(s.flatten(0, 1) for s in states))
        return self.joined(out), *(s.unflatten(0, (-1, 2)) for s in after)

    def states(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each state, of one instrument."""
        net: Any = self.net
        return tuple((2, *shape) for shape in net.states())
