"""Stacked LSTM with attention over its last states, as a whole stretch and as a step.

Hochreiter & Schmidhuber 1997; Vaswani et al. 2017 (attention with several heads).
"""

import math

import torch
from torch import nn

FAR = -1e9  # added to the score of a state that is not there


class LstmNet(nn.Module):
    """The query is the last state; keys and values are those of the last H states, itself too."""

    def __init__(
        self,
        width: int,
        history: int,
        targets: int,
        *,
        layers: int,
        units: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.history, self.layers, self.units, self.heads = history, layers, units, heads
        self.targets = targets
        self.dropout = nn.Dropout1d(dropout)  # of an input over the whole stretch
        self.into = nn.Sequential(nn.Linear(width, units), nn.LayerNorm(units))
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(units, units, layers, batch_first=True, dropout=between)
        self.asked = nn.Linear(units, 3 * units)  # query, key, value
        self.out = nn.Sequential(
            nn.LayerNorm(2 * units), nn.Dropout(dropout), nn.Linear(2 * units, targets * 3)
        )

    def states(self) -> tuple[tuple[int, ...], ...]:
        """Hidden and cell state of each layer; keys and values; which of them are there."""
        line = ((self.units,),) * (2 * self.layers)
        return (*line, (self.history, 2 * self.units), (self.history, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, L, D) -> (B, L - H + 1, T, 3) of the rows with a whole band behind them."""
        length, heads, each = x.shape[1], self.heads, self.units // self.heads
        first = self.history - 1
        state, _ = self.lstm(self.into(self.dropout(x.transpose(1, 2)).transpose(1, 2)))
        q, k, v = self.asked(state).reshape(-1, length, 3, heads, each).permute(2, 0, 3, 1, 4)
        at = torch.arange(length, device=x.device)
        back = at[first:, None] - at[None, :]
        band = torch.where((back >= 0) & (back < self.history), 0.0, FAR)
        heard = nn.functional.scaled_dot_product_attention(q[:, :, first:], k, v, attn_mask=band)
        heard = heard.transpose(1, 2).reshape(-1, length - first, self.units)
        both = torch.cat([state[:, first:], heard], -1)
        return self.out(both).reshape(-1, length - first, self.targets, 3)

    def step(self, x: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """x (B, D) and the states -> (B, T, 3) and the states."""
        *line, band, there = states
        h, heads, each = self.history, self.heads, self.units // self.heads
        out, after = self.into(x), list[torch.Tensor]()
        for layer in range(self.layers):
            out, cell = self.cell(layer, out, line[2 * layer], line[2 * layer + 1])
            after += [out, cell]
        asked = self.asked(out)
        band = torch.cat([band[:, 1:], asked[:, None, self.units :]], 1)
        there = torch.cat([there[:, 1:], torch.ones_like(there[:, :1])], 1)
        k, v = band.reshape(-1, h, 2, heads, each).unbind(2)
        query = asked[:, : self.units].reshape(-1, 1, heads, each)
        score = (k * query).sum(-1) / math.sqrt(each) + (1 - there) * FAR  # (B, H, heads)
        heard = (torch.softmax(score, 1)[..., None] * v).sum(1).reshape(-1, self.units)
        said = self.out(torch.cat([out, heard], -1)).reshape(-1, self.targets, 3)
        return said, *after, band, there

    def cell(
        self, layer: int, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One layer's step with the weights of `self.lstm`; gates in the order i, f, g, o."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w, u, a, b = (getattr(self.lstm, f"{name}_l{layer}") for name in names)
        gates = nn.functional.linear(torch.cat([x, h], 1), torch.cat([w, u], 1), a + b)
        i, f, g, o = gates.split(self.units, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
