"""Causal convolution over the rows of each node, then attention over the graph of all.

Velickovic et al. 2018 (graph attention); Brody, Alon & Yahav 2022 and Schlichtkrull et al. 2018
(edges with features and types); van den Oord et al. 2016 (dilated causal convolution). Of the
convolution only what the last row can see is computed: each layer halves the rows.
"""

from math import ceil, log2

import torch
import torch.nn.functional as F
from torch import nn

from flowsense.model.graph.typed import EDGE, HERE, KINDS, SIGN
from flowsense.nn.inputs import Inputs

SLOPE = 0.2  # of LeakyReLU, as published


class Halving(nn.Module):
    """(..., H, C) -> (..., C): kernel 2, dilations 1, 2, 4, ..., as the last row sees them."""

    def __init__(self, history: int, units: int) -> None:
        super().__init__()
        self.depth = ceil(log2(max(history, 2)))
        self.pad = 2**self.depth - history
        self.layers = nn.ModuleList(nn.Linear(2 * units, units) for _ in range(self.depth))
        self.norms = nn.ModuleList(nn.LayerNorm(units) for _ in range(self.depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.pad(x, (0, 0, self.pad, 0))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            pair = x.unflatten(-2, (-1, 2))
            x = norm(pair[..., 1, :] + F.gelu(layer(pair.flatten(-2))))
        return x[..., 0, :]


class Attention(nn.Module):
    """One layer of graph attention, with numbers on the edges; heads beside each other."""

    def __init__(self, units: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.value = nn.Linear(units, heads * width, bias=False)
        self.of_edge = nn.Linear(EDGE, heads * width, bias=False)
        self.source, self.target = (nn.Parameter(torch.empty(heads, width)) for _ in range(2))
        self.weigh = nn.Linear(EDGE, heads, bias=False)
        self.bias = nn.Parameter(torch.zeros(heads * width))
        for weight in (self.source, self.target):
            nn.init.xavier_uniform_(weight)

    def forward(self, h: torch.Tensor, at: torch.Tensor, edge: torch.Tensor) -> torch.Tensor:
        """h (n, units), at (n, M) which row each hears of, edge (n, M, EDGE) -> (n, heads width)"""
        v = self.value(h).unflatten(-1, (self.heads, self.width))
        scores = (v * self.source).sum(-1)[at] + (v * self.target).sum(-1)[:, None]
        scores = F.leaky_relu(scores + self.weigh(edge), SLOPE)
        hidden = (1 - edge[..., HERE]) * -1e9
        share = torch.softmax(scores + hidden[..., None], dim=1)[..., None]
        heard = v[at] + self.of_edge(edge).unflatten(-1, (self.heads, self.width))
        out: torch.Tensor = (share * heard).sum(1).flatten(-2) + self.bias
        return out


class GraphNet(nn.Module):
    """x (B, N, H, D), kind (B, N, KINDS), index (B, N, M), edge (B, N, M, EDGE) -> (B, N, T, 3).

    Beside the net stand two linear ways: of the last row, and of all that edges bring.
    """

    def __init__(
        self,
        width: int,
        history: int,
        targets: int,
        *,
        units: int,
        heads: int,
        head: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.targets = targets
        self.into = nn.Linear(width, units)
        self.kind = nn.Linear(KINDS, units)
        self.time = Halving(history, units)
        wide = [units, *[heads * head] * layers]
        self.attend = nn.ModuleList(Attention(w, head, heads) for w in wide[:-1])
        self.past = nn.ModuleList(nn.Linear(w, heads * head) for w in wide[:-1])
        self.norms = nn.ModuleList(nn.LayerNorm(w) for w in wide[1:])
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(wide[-1], targets * 3)
        self.last = nn.Linear(width, targets * 3, bias=False)
        self.brought = nn.Linear(EDGE, targets * 3, bias=False)
        for layer in (self.out, self.last, self.brought):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, x: torch.Tensor, kind: torch.Tensor, index: torch.Tensor, edge: torch.Tensor
    ) -> torch.Tensor:
        many, nodes = x.shape[0], x.shape[1]
        start = torch.arange(many, device=x.device) * nodes
        at = (index + start[:, None, None]).reshape(-1, index.shape[-1])
        x, kind = x.reshape(-1, *x.shape[2:]), kind.reshape(-1, KINDS)
        edge = edge.reshape(-1, index.shape[-1], EDGE)
        h = self.time(F.gelu(self.into(x))) + self.kind(kind)
        for attend, past, norm in zip(self.attend, self.past, self.norms, strict=True):
            h = norm(self.drop(F.elu(attend(h, at, edge))) + past(h))
        direct = self.last(x[:, -1]) + self.brought(edge.sum(1))
        return (self.out(h) + direct).reshape(many, -1, self.targets, 3)


class MirroredGraph(nn.Module):
    """The same beside itself on the mirrored market: side f(x) - f(mirror x), the rest their mean.

    On edges words, basis and moves to come turn their sign.
    """

    source: torch.Tensor
    sign: torch.Tensor
    turned: torch.Tensor
    turn: torch.Tensor

    def __init__(self, net: nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("source", torch.from_numpy(inputs.source.copy()))
        self.register_buffer("sign", torch.from_numpy(inputs.sign.copy()))
        self.register_buffer("turned", torch.from_numpy(SIGN.copy()))
        self.register_buffer("turn", torch.tensor([-1.0, 1.0, 1.0]))  # side, move, size

    def forward(
        self, x: torch.Tensor, kind: torch.Tensor, index: torch.Tensor, edge: torch.Tensor
    ) -> torch.Tensor:
        pairs = (x, x[..., self.source] * self.sign), (edge, edge * self.turned)
        both, edges = (torch.cat(pair) for pair in pairs)
        out: torch.Tensor = self.net(both, kind.repeat(2, 1, 1), index.repeat(2, 1, 1), edges)
        here, there = out.chunk(2)
        return (here + there * self.turn) / 2
