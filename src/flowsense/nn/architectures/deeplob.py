"""Convolutions over price and size, over sides and over levels, an inception block and an LSTM.

Zhang, Zohren & Roberts 2019 (DeepLOB), fig. 3; Szegedy et al. 2015 (inception).
"""

import torch
from torch import nn

from flowsense.schema import DEPTH

BOOK = 4 * DEPTH
SLOPE = 0.01  # of what is below 0
REACH = 4  # rows that a convolution over time reads
SPANS = (3, 5)  # rows, of the inception block


def paired() -> torch.Tensor:
    """(40,) where `inputs.levels` keeps the price and size of the ask, then the bid, by level."""
    level = torch.arange(DEPTH)
    return torch.stack([level + k * DEPTH for k in (2, 3, 0, 1)], 1).flatten()


def block(channels: int, filters: int, across: int) -> nn.Sequential:
    """Joins `across` neighbours of a row, then reads along time twice, whose length stays."""
    parts: list[nn.Module] = [nn.Conv2d(channels, filters, (1, across), stride=(1, across))]
    for _ in range(2):
        parts += [nn.LeakyReLU(SLOPE), nn.ZeroPad2d((0, 0, 1, REACH - 2))]
        parts.append(nn.Conv2d(filters, filters, (REACH, 1)))
    return nn.Sequential(*parts, nn.LeakyReLU(SLOPE))


class DeeplobNet(nn.Module):
    """(B, H, D) -> (B, T, 3); the first 40 inputs are the book's, others join at the LSTM."""

    order: torch.Tensor

    def __init__(
        self, width: int, history: int, targets: int, *, filters: int, mixed: int, units: int
    ) -> None:
        super().__init__()
        self.register_buffer("order", paired())
        self.levels = nn.Sequential(
            block(1, filters, 2), block(filters, filters, 2), block(filters, filters, DEPTH)
        )
        self.spans = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(filters, mixed, 1),
                nn.LeakyReLU(SLOPE),
                nn.Conv1d(mixed, mixed, span, padding=span // 2),
                nn.LeakyReLU(SLOPE),
            )
            for span in SPANS
        )
        self.most = nn.Sequential(
            nn.MaxPool1d(3, 1, 1), nn.Conv1d(filters, mixed, 1), nn.LeakyReLU(SLOPE)
        )
        self.lstm = nn.LSTM(3 * mixed + width - BOOK, units, batch_first=True)
        self.out = nn.Linear(units, targets * 3)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        read = self.levels(x[..., self.order][:, None]).squeeze(-1)  # (B, filters, H)
        spans = [one(read) for one in (*self.spans, self.most)]
        rows = torch.cat([*spans, x[..., BOOK:].transpose(1, 2)], 1).transpose(1, 2)
        after, _ = self.lstm(rows)
        return self.out(after[:, -1]).unflatten(-1, (-1, 3))
