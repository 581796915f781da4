"""Mixing of features, then of time, by two-layer perceptrons. Berti & Kasneci 2025 (MLPLOB).

Tolstikhin et al. 2021 (MLP-Mixer).
"""

import torch
from torch import nn

SHRUNK = 4  # the last layer leaves a quarter of the features and of the rows


class Mixer(nn.Module):
    """A perceptron over the last axis: beside what it was given, or to another width."""

    def __init__(self, width: int, out: int, wider: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            nn.Linear(width, wider * width), nn.GELU(), nn.Linear(wider * width, out)
        )
        self.norm = nn.LayerNorm(out) if out == width else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.inside(x)
        return y if self.norm is None else self.norm(y + x)


class MlplobNet(nn.Module):
    """(B, H, D) -> (B, T, 3)"""

    def __init__(
        self,
        width: int,
        history: int,
        targets: int,
        *,
        layers: int,
        units: int,
        wider: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.targets = targets
        self.dropout = nn.Dropout1d(dropout)  # of an input over the whole window
        self.into = nn.Sequential(nn.Linear(width, units), nn.GELU())
        last = (max(units // SHRUNK, 1), max(history // SHRUNK, 1))
        self.last = last[0] * last[1]
        sizes = [(units, history)] * (layers - 1) + [last]
        self.features = nn.ModuleList(Mixer(units, f, wider) for f, _ in sizes)
        self.time = nn.ModuleList(Mixer(history, h, wider) for _, h in sizes)
        self.out = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last, targets * 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.into(self.dropout(x.transpose(1, 2)).transpose(1, 2))
        for features, time in zip(self.features, self.time, strict=True):
            x = time(features(x).transpose(1, 2)).transpose(1, 2)
        return self.out(x.reshape(-1, self.last)).reshape(-1, self.targets, 3)
