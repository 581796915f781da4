"""Normalisation of a window by itself, along time and along features, weighed against each other.

Tran et al. 2021 (BiN), eq. 1-9. What is constant within a window becomes 0, not noise.
"""

import torch
from torch import nn

STILL = 1e-4  # a deviation below it is none


def deviations(x: torch.Tensor, axis: int) -> torch.Tensor:
    """x less its mean along an axis, over its deviation."""
    apart = x - x.mean(axis, keepdim=True)
    spread = (apart * apart).mean(axis, keepdim=True).sqrt()
    return apart / torch.where(spread < STILL, torch.ones_like(spread), spread)


class Bilinear(nn.Module):
    """(B, D, H) -> (B, D, H)"""

    def __init__(self, width: int, history: int) -> None:
        super().__init__()
        self.feature_scale = nn.Parameter(torch.ones(width, 1))
        self.feature_shift = nn.Parameter(torch.zeros(width, 1))
        self.time_scale = nn.Parameter(torch.ones(1, history))
        self.time_shift = nn.Parameter(torch.zeros(1, history))
        self.weight = nn.Parameter(torch.full((2,), 0.5))  # of each; below 0 counts as 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        over_time = self.feature_scale * deviations(x, 2) + self.feature_shift
        over_features = self.time_scale * deviations(x, 1) + self.time_shift
        share = torch.relu(self.weight)
        return share[0] * over_time + share[1] * over_features
