"""Stacked LSTM with attention over its last states, as a step and as a whole stretch.

Hochreiter & Schmidhuber 1997; Vaswani et al. 2017 (attention with several heads).
"""

import math

import torch
from torch import nn

FAR = -1e9  # added to the score of a state that is not there


class LstmNet(nn.Module):
    """The query is the last state; keys and values are those of the last H states, itself too."""

    def __init__(
        self, width: int, history: int, targets: int, *, layers: int, units: int, heads: int
    ) -> None:
        super().__init__()
        self.history, self.layers, self.units, self.heads = history, layers, units, heads
        self.into = nn.Sequential(nn.Linear(width, units), nn.LayerNorm(units))
        self.lstm = nn.LSTM(units, units, layers, batch_first=True)
        self.query, self.key, self.value = (nn.Linear(units, units) for _ in range(3))
        self.norm = nn.LayerNorm(2 * units)
        self.out = nn.Linear(2 * units, targets * 3)
        nn.init.zeros_(self.out.bias)

    def states(self) -> tuple[tuple[int, ...], ...]:
        """Hidden and cell state of each layer; keys, values and which of them are there."""
        band = (self.history, self.units)
        return ((self.layers, self.units),) * 2 + (band, band, (self.history,))

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(..., units) -> (..., heads, units / heads)"""
        return x.unflatten(-1, (self.heads, self.units // self.heads))

    def said(self, state: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        both = self.norm(torch.cat([state, heard], -1))
        return self.out(both).unflatten(-1, (-1, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, L, D) -> (B, L, T, 3)"""
        state, _ = self.lstm(self.into(x))
        q, k, v = (self.split(f(state)).transpose(1, 2) for f in (self.query, self.key, self.value))
        at = torch.arange(x.shape[1], device=x.device)
        back = at[:, None] - at[None, :]
        band = torch.where((back >= 0) & (back < self.history), 0.0, FAR)
        heard = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=band.to(q.dtype))
        return self.said(state, heard.transpose(1, 2).flatten(-2))

    def step(
        self,
        x: torch.Tensor,
        hidden: torch.Tensor,
        cell: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        there: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """x (B, D); hidden, cell (B, layers, units); keys, values (B, H, units); there (B, H)."""
        out, hiddens, cells = self.into(x), [], []
        for layer in range(self.layers):
            out, c = self.cell(layer, out, hidden[:, layer], cell[:, layer])
            hiddens.append(out)
            cells.append(c)
        keys = torch.cat([keys[:, 1:], self.key(out)[:, None]], 1)
        values = torch.cat([values[:, 1:], self.value(out)[:, None]], 1)
        there = torch.cat([there[:, 1:], torch.ones_like(there[:, :1])], 1)
        score = (self.split(keys) * self.split(self.query(out))[:, None]).sum(-1)  # (B, H, heads)
        score = score / math.sqrt(self.units / self.heads) + (1 - there[..., None]) * FAR
        share = torch.softmax(score, 1)
        heard = (share[..., None] * self.split(values)).sum(1).flatten(-2)
        after = torch.stack(hiddens, 1), torch.stack(cells, 1)
        return self.said(out, heard), *after, keys, values, there

    def cell(
        self, layer: int, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One layer's step with the weights of `self.lstm`; gates in the order i, f, g, o."""
        of = self.lstm
        w, u, a, b = (
            getattr(of, f"{name}_l{layer}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        i, f, g, o = (x @ w.T + h @ u.T + (a + b)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
