"""A window normalised by itself, then bilinear layers with attention over time.

Tran et al. 2021 (BiN) and 2019 (TABL), topology C: two bilinear layers, then one with attention.
"""

import torch
from torch import nn

from flowsense.nn.architectures.bilinear import Bilinear


def matrix(rows: int, columns: int) -> nn.Parameter:
    """Drawn so that what goes through it keeps its size. He et al. 2015."""
    return nn.Parameter(nn.init.kaiming_uniform_(torch.empty(rows, columns), a=1.0))


class Layer(nn.Module):
    """relu(W1 X W2 + B): (B, D, H) -> (B, E, G)"""

    def __init__(self, width: int, history: int, wide: int, long: int) -> None:
        super().__init__()
        self.features, self.time = matrix(wide, width), matrix(long, history)
        self.shift = nn.Parameter(torch.zeros(wide, long))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.features @ x @ self.time.T + self.shift)


class Attention(nn.Module):
    """(B, D, H) -> (B, E): which rows each output heeds, by its own features. TABL, eq. 3-7."""

    diagonal: torch.Tensor

    def __init__(self, width: int, history: int, wide: int) -> None:
        super().__init__()
        self.features, self.time = matrix(wide, width), matrix(1, history)
        self.between = nn.Parameter(torch.full((history, history), 1 / history))
        self.share = nn.Parameter(torch.tensor(0.5))  # of what is heeded; kept within 0 and 1
        self.shift = nn.Parameter(torch.zeros(wide))
        self.register_buffer("diagonal", torch.eye(history))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features @ x
        own = self.diagonal / len(self.diagonal)  # how much a row heeds itself is fixed
        heed = torch.softmax(x @ (self.between * (1 - self.diagonal) + own), -1)
        share = self.share.clamp(0.0, 1.0)
        mixed = share * (x * heed) + (1 - share) * x
        return (mixed @ self.time.T).squeeze(-1) + self.shift


class BinctablNet(nn.Module):
    """(B, H, D) -> (B, T, 3); sizes (features, rows) of the two layers."""

    def __init__(
        self,
        width: int,
        history: int,
        targets: int,
        *,
        first: tuple[int, int],
        second: tuple[int, int],
    ) -> None:
        super().__init__()
        self.window = Bilinear(width, history)
        self.layers = nn.Sequential(Layer(width, history, *first), Layer(*first, *second))
        self.out = Attention(*second, targets * 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layers(self.window(x.transpose(1, 2)))).unflatten(-1, (-1, 3))
