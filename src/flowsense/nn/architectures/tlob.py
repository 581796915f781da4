"""Attention between rows and, in turn, between features. Berti & Kasneci 2025 (TLOB), fig. 2.

Vaswani et al. 2017 (attention, places as sines); Tran et al. 2021 (the window normalised).
"""

import math

import torch
from torch import nn

from flowsense.nn.architectures.bilinear import Bilinear

SHRUNK = 4  # the last pair leaves a quarter of the features and of the rows,
FEWEST = 4  # but some: of one alone nothing is left by its norm
WIDEST = 128  # of a layer that the last one may read
PERIOD = 10_000.0


def places(history: int, units: int) -> torch.Tensor:
    """(H, units) sines, then cosines, of a row's place."""
    half = (units + 1) // 2
    rate = torch.exp(-math.log(PERIOD) * torch.arange(half) / half)
    angle = torch.arange(history)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], 1)[:, :units]


class Attention(nn.Module):
    """Each of the second axis hears the others, then a perceptron over the last axis."""

    def __init__(self, width: int, out: int, heads: int, wider: int) -> None:
        super().__init__()
        self.heads = heads
        self.heard = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.inside = nn.Sequential(
            nn.Linear(width, wider * width), nn.GELU(), nn.Linear(wider * width, out)
        )
        self.last = nn.Sequential(nn.LayerNorm(out), nn.GELU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.heard(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        said = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        x = self.norm(x + self.joined(said.transpose(1, 2).flatten(-2)))
        y = self.inside(x)
        if y.shape[-1] == x.shape[-1]:
            y = y + x
        return self.last(y)


class TlobNet(nn.Module):
    """(B, H, D) -> (B, T, 3)"""

    place: torch.Tensor

    def __init__(
        self,
        width: int,
        history: int,
        targets: int,
        *,
        layers: int,
        units: int,
        heads: int,
        wider: int,
    ) -> None:
        super().__init__()
        self.window = Bilinear(width, history)
        self.into = nn.Linear(width, units)
        self.register_buffer("place", places(history, units))
        last = (max(units // SHRUNK, FEWEST), max(history // SHRUNK, FEWEST))
        sizes = [(units, history)] * (layers - 1) + [last]
        self.rows = nn.ModuleList(Attention(units, f, heads, wider) for f, _ in sizes)
        self.features = nn.ModuleList(Attention(history, h, heads, wider) for _, h in sizes)
        self.out = head(last[0] * last[1], targets * 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.window(x.transpose(1, 2)).transpose(1, 2)
        x = self.into(x) + self.place
        for rows, features in zip(self.rows, self.features, strict=True):
            x = features(rows(x).transpose(1, 2)).transpose(1, 2)
        return self.out(x.flatten(1)).unflatten(-1, (-1, 3))


def head(wide: int, out: int) -> nn.Sequential:
    """Quarters of what is there until it is narrow, then what is said."""
    parts: list[nn.Module] = []
    while wide > WIDEST:
        parts += [nn.Linear(wide, wide // SHRUNK), nn.GELU()]
        wide //= SHRUNK
    end = nn.Linear(wide, out)
    nn.init.zeros_(end.bias)
    return nn.Sequential(*parts, end)
