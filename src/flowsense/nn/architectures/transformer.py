"""A causal transformer over rows, seconds and minutes, as a whole stretch and as a step.

Vaswani et al. 2017 (attention); Press et al. 2022 (what is added to a score falls with distance),
here with the time between rows instead of their number. Each layer looks back on a band of its own
inputs, so that the step with cached keys and values says what the training form says.

A second or minute that has ended is a token: its last row, and the mean of its rows. Encoders of
them step when one ends; a row reads the tokens that were whole before it.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import nn

from flowsense.nn.inputs import CLOCK, ENDED

FAR = -1e9  # added to the score of what is not there
OCTAVES = 14  # of time that a head tells apart
WIDER = 4  # the layer inside a perceptron
FINEST = 0.01  # seconds between rows that are told apart


class Gaps(nn.Module):
    """What the time between a query and a key adds to their score, for each head of each layer.

    Linear between knots, at equal ratios of gap + least. Each head begins with a time of its own:
    the further a gap is from it, in octaves, the lower the score.
    """

    knots: torch.Tensor

    def __init__(self, least: float, layers: int, heads: int) -> None:
        super().__init__()
        self.least, self.layers, self.heads = least, layers, heads
        self.register_buffer("knots", torch.linspace(0, OCTAVES, 2 * OCTAVES + 1))
        own = torch.linspace(0, OCTAVES, heads + 1)[1:].repeat(layers)
        self.weight = nn.Parameter(-(self.knots[:, None] - own).abs() / 2)

    def forward(self, gap: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, ..., N) seconds -> of each layer (B, heads, ..., N)"""
        octave = torch.log2(gap.clamp(min=0) / self.least + 1).clamp(max=OCTAVES)
        tents = torch.relu(1 - (octave[..., None] - self.knots).abs() * 2)
        last = gap.dim()
        turned = (tents @ self.weight).permute(0, last, *range(1, last))
        return turned.split(self.heads, 1)

    def own(self) -> tuple[torch.Tensor, ...]:
        """(heads,) of each layer, where there is no time between."""
        return self.weight[0].split(self.heads)


class Past(NamedTuple):
    """Cached keys, values (B, heads, N, width / heads); what is added to scores (B, heads, N)."""

    keys: torch.Tensor
    values: torch.Tensor
    bias: torch.Tensor


class Block(nn.Module):
    """Attention, then a perceptron, each added to its normalised input."""

    def __init__(self, units: int, heads: int) -> None:
        super().__init__()
        self.units, self.heads, self.each = units, heads, units // heads
        self.norm, self.second = nn.LayerNorm(units), nn.LayerNorm(units)
        self.asked, self.joined = nn.Linear(units, 3 * units), nn.Linear(units, units)
        self.inside = nn.Sequential(
            nn.Linear(units, WIDER * units), nn.GELU(), nn.Linear(WIDER * units, units)
        )

    def parts(self, x: torch.Tensor, length: int) -> list[torch.Tensor]:
        """Query, key and value (B, heads, length, width / heads) of x, before it is normalised."""
        q, k, v = self.asked(self.norm(x)).split(self.units, -1)
        shape = (-1, length, self.heads, self.each)
        q = q * (1 / math.sqrt(self.each))
        if length == 1:  # moving an axis of 1 is a reshape
            return [part.reshape(-1, self.heads, 1, self.each) for part in (q, k, v)]
        return [part.reshape(shape).transpose(1, 2) for part in (q, k, v)]

    def after(self, x: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        x = x + self.joined(heard)
        return x + self.inside(self.second(x))

    def whole(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """x (B, N, units) with itself; bias (B, heads, N, N)."""
        length = x.shape[1]
        q, k, v = self.parts(x, length)
        heard = torch.softmax(q @ k.transpose(2, 3) + bias, -1) @ v
        return self.after(x, heard.transpose(1, 2).reshape(-1, length, self.units))

    def step(
        self, x: torch.Tensor, past: list[Past], own: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """x (B, units); own (heads,) is added to its own score.

        Gives x after the block, its key and value (B, heads, 1, width / heads), and the shares
        (B, heads, N + 1) that the past and, last, itself have in what it hears.
        """
        q, k, v = self.parts(x, 1)
        turned = q.reshape(-1, self.heads, self.each, 1)
        scores = [(p.keys @ turned).squeeze(-1) + p.bias for p in past]
        scores.append((k @ turned).squeeze(-1) + own[:, None])
        shares = torch.softmax(torch.cat(scores, -1), -1)
        *parts, last = shares.split([p.bias.shape[-1] for p in past] + [1], -1)
        heard = last.unsqueeze(2) * v
        for part, p in zip(parts, past, strict=True):
            heard = heard + part.unsqueeze(2) @ p.values
        return self.after(x, heard.reshape(-1, self.units)), k, v, shares


class Tokens(NamedTuple):
    """Of one frame, in a whole stretch."""

    x: torch.Tensor  # (B, N, 2, F) last row, mean of the rows
    at: torch.Tensor  # (B, N) seconds, when the last row was
    rank: torch.Tensor  # (B, N) which token of the frame it is
    there: torch.Tensor  # (B, N) whether there is one


class Frame(nn.Module):
    """Encoder of the seconds, or the minutes, that have ended."""

    blocks: Any  # nn.ModuleList of Block

    def __init__(self, width: int, band: int, units: int, *, heads: int, layers: int) -> None:
        super().__init__()
        self.width, self.band, self.units = width, band, units
        self.heads, self.each = heads, units // heads
        self.into = nn.Linear(2 * width, units)
        self.blocks = nn.ModuleList(Block(units, heads) for _ in range(layers))
        self.between, self.reach = Gaps(1.0, layers, heads), Gaps(1.0, 1, heads)
        self.out = nn.Sequential(nn.LayerNorm(units), nn.Linear(units, 2 * units))

    def states(self) -> tuple[tuple[int, ...], ...]:
        """Sum and number of rows of the running token; age of the others, place of the next; rings.

        Keys and values of each layer, then those that rows read.
        """
        ring = (self.heads, self.band, self.each)
        return (self.width,), (), (self.band,), (), *((ring,) * (2 * len(self.blocks) + 2))

    def whole(self, tokens: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values (B, heads, N, width / heads) for rows to read."""
        length = tokens.x.shape[1]
        x = self.into(tokens.x.flatten(2))
        back = tokens.rank[:, :, None] - tokens.rank[:, None, :]
        seen = tokens.there[:, None, :] & (back >= 0) & (back <= self.band)
        far = torch.where(seen, 0.0, FAR)[:, None]
        gaps = self.between(tokens.at[:, :, None] - tokens.at[:, None, :])
        for block, gap in zip(self.blocks, gaps, strict=True):
            x = block.whole(x, gap + far)
        shape = (-1, length, 2, self.heads, self.each)
        keys, values = self.out(x).reshape(shape).permute(2, 0, 3, 1, 4)
        return keys, values

    def step(
        self, x: torch.Tensor, age: torch.Tensor, rings: tuple[torch.Tensor, ...]
    ) -> list[torch.Tensor]:
        """One entry for each ring, of a token x (B, 2 F); age (B, band) of those before it."""
        x, made = self.into(x), list[torch.Tensor]()
        far = absent(age)
        gaps = zip(self.between(age - 1), self.between.own(), strict=True)
        for j, (block, (gap, own)) in enumerate(zip(self.blocks, gaps, strict=True)):
            x, k, v, _ = block.step(x, [Past(rings[2 * j], rings[2 * j + 1], gap + far)], own)
            made += [k, v]
        read = self.out(x).split(self.units, -1)
        return made + [part.reshape(-1, self.heads, 1, self.each) for part in read]


def absent(age: torch.Tensor) -> torch.Tensor:
    """(B, 1, N) added to scores; age (B, N) of entries is 1 + seconds, 0 where there is none."""
    return torch.where(age > 0, 0.0, FAR)[:, None]


def aged(age: torch.Tensor, elapsed: torch.Tensor) -> torch.Tensor:
    """age (B, N) of entries, `elapsed` (B,) later."""
    return torch.where(age > 0, age + elapsed[:, None], 0.0)


def entered(age: torch.Tensor, place: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """age (B, N) of entries with one more, of age `own` (B,), in its place (B,)."""
    size = age.shape[1]
    slot = place - size * (place >= size)
    return torch.where(torch.arange(size) == slot[:, None], own[:, None], age)


def moved_on(place: torch.Tensor, size: int) -> torch.Tensor:
    """Place of the next entry of a ring, in 0 ... 2 size - 1, so that one more always shows."""
    return torch.where(place + 1 >= 2 * size, 0.0, place + 1)


class Size(NamedTuple):
    """Of a net."""

    layers: int
    units: int
    heads: int
    slow: int  # layers of each slower encoder
    bands: tuple[int, ...]  # tokens of each slower frame that are looked back on
    dropout: float


class TransformerNet(nn.Module):
    """Rows attend to rows, layer by layer; then to seconds and minutes together.

    A row (D,) ends with the clock of `nn.inputs`.
    """

    frames: Any  # nn.ModuleList of Frame
    blocks: Any  # nn.ModuleList of Block

    def __init__(self, width: int, history: int, targets: int, size: Size) -> None:
        super().__init__()
        layers, units, heads = size[:3]
        self.width, self.band, self.targets = width - CLOCK, history - 1, targets
        self.units, self.heads = units, heads
        self.dropout = nn.Dropout1d(size.dropout)  # of an input over the whole stretch
        self.into = nn.Linear(self.width, units)
        self.blocks = nn.ModuleList(Block(units, heads) for _ in range(layers))
        self.gaps = Gaps(FINEST, layers, heads)
        self.frames = nn.ModuleList(
            Frame(self.width, band, units, heads=heads, layers=size.slow) for band in size.bands
        )
        self.cross = Block(units, heads)
        self.alone = nn.Parameter(torch.zeros(heads))  # score of reading no token
        self.out = nn.Sequential(nn.LayerNorm(units), nn.Linear(units, targets * 3))

    def states(self) -> tuple[tuple[int, ...], ...]:
        """Age of rows, place of the next, rings of each layer, the last row; then of each frame."""
        ring = (self.heads, self.band, self.units // self.heads)
        rows = (self.band,), (), *((ring,) * (2 * len(self.blocks))), (self.width,)
        return rows + tuple(shape for frame in self.frames for shape in frame.states())

    def forward(self, x: torch.Tensor, whole: torch.Tensor | None = None) -> torch.Tensor:
        """Rows (B, L, D) from an empty state -> (B, L, T, 3).

        With `whole` (B, L, frames), x begins with earlier tokens: see `nn.frames`.
        """
        x = torch.cat([self.dropped(x[..., : self.width]), x[..., self.width :]], -1)
        if whole is None:
            elapsed, ended = torch.relu(x[..., self.width]), x[..., self.width + 1 :] > ENDED
            frames = [tokens(x, self.width, j) for j in range(len(self.frames))]
            whole, time = ended.cumsum(1) - ended.long(), elapsed.cumsum(1)
        else:
            x, frames, time = self.unpacked(x)
        h, length = self.into(x[..., : self.width]), x.shape[1]
        at = torch.arange(length, device=x.device)
        back = at[:, None] - at[None, :]
        far = torch.where((back >= 0) & (back <= self.band), 0.0, FAR)
        gaps = self.gaps(time[:, :, None] - time[:, None, :])
        for block, gap in zip(self.blocks, gaps, strict=True):
            h = block.whole(h, gap + far)
        h = self.crossed(h, time, frames, whole)
        return self.out(h).reshape(-1, length, self.targets, 3)

    def dropped(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x.transpose(1, 2)).transpose(1, 2)

    def unpacked(self, x: torch.Tensor) -> tuple[torch.Tensor, list[Tokens], torch.Tensor]:
        """Rows, the tokens of each frame, and (B, L) when rows were."""
        frames, begin = list[Tokens](), 0
        rows = x[:, 2 * sum(frame.band for frame in self.frames) :]
        time = rows[..., self.width].cumsum(1)
        for frame in self.frames:
            n = frame.band
            part = x[:, begin : begin + 2 * n].unflatten(1, (2, n)).transpose(1, 2)
            at = time[:, -1:] - part[:, :, 0, self.width]
            there = part[:, :, 0, self.width + 1] > ENDED
            rank = torch.arange(n, device=x.device).expand(len(x), n)
            frames.append(Tokens(part[..., : self.width], at, rank, there))
            begin += 2 * n
        return rows, frames, time

    def crossed(
        self, h: torch.Tensor, time: torch.Tensor, frames: list[Tokens], whole: torch.Tensor
    ) -> torch.Tensor:
        """Rows (B, L, units) after they read the tokens that were whole before them."""
        q, k, v = self.cross.parts(h, h.shape[1])
        scores, values = list[torch.Tensor](), list[torch.Tensor]()
        for j, (frame, of) in enumerate(zip(self.frames, frames, strict=True)):
            keys, value = frame.whole(of)
            rank, before = of.rank[:, None, :], whole[..., j, None]
            seen = of.there[:, None, :] & (rank < before) & (rank >= before - frame.band)
            (gap,) = frame.reach(time[:, :, None] - of.at[:, None, :])
            scores.append(q @ keys.transpose(2, 3) + gap + torch.where(seen, 0.0, FAR)[:, None])
            values.append(value)
        scores.append((q * k).sum(-1, keepdim=True) + self.alone[:, None, None])
        *shares, last = torch.softmax(torch.cat(scores, -1), -1).split(
            [s.shape[-1] for s in scores], -1
        )
        heard = last * v
        for share, value in zip(shares, values, strict=True):
            heard = heard + share @ value
        return self.cross.after(h, heard.transpose(1, 2).reshape(h.shape))

    def step(self, x: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """A row (B, D) -> (B, T, 3), states, and the shares of attention of each layer and across.

        Of a ring one entry (B, heads, 1, width / heads), which counts where its place moves on.
        """
        row, elapsed, n = x[:, : self.width], torch.relu(x[:, self.width]), len(self.blocks)
        (age, place, *rings), slower = states[: 2 + 2 * n], states[2 + 2 * n :]
        age = aged(age, elapsed)
        h, made, shown = self.into(row), list[torch.Tensor](), list[torch.Tensor]()
        gaps, far = zip(self.gaps(age - 1), self.gaps.own(), strict=True), absent(age)
        for j, (block, (gap, own)) in enumerate(zip(self.blocks, gaps, strict=True)):
            h, k, v, shares = block.step(h, [Past(rings[2 * j], rings[2 * j + 1], gap + far)], own)
            made += [k, v]
            shown.append(shares)
        age = entered(age, place, torch.ones_like(elapsed))
        after = [age, moved_on(place, self.band), *made, row]
        read, last, slower = list[Past](), slower[0], slower[1:]
        for j, frame in enumerate(self.frames):
            mine = slower[: len(frame.states())]
            slower = slower[len(mine) :]
            past, end = aged(mine[2], elapsed), x[:, self.width + 1 + j] > ENDED
            read.append(Past(mine[-2], mine[-1], frame.reach(past - 1)[0] + absent(past)))
            after += self.ended(frame, (row, last, elapsed, end), mine)
        h, _, _, shares = self.cross.step(h, read, self.alone)
        return self.out(h).reshape(-1, self.targets, 3), *after, *shown, shares

    def ended(
        self, frame: Frame, now: tuple[torch.Tensor, ...], mine: tuple[torch.Tensor, ...]
    ) -> list[torch.Tensor]:
        """States of a frame after a row; where `end`, the row before was the last of a token."""
        (row, last, elapsed, end), (total, count, age, place, *rings) = now, mine
        token = torch.cat([last, total / count.clamp(min=1)[:, None]], 1)
        made = frame.step(token, age, tuple(rings))
        older = aged(age, elapsed)
        age = torch.where(end[:, None], entered(older, place, 1 + elapsed), older)
        place = torch.where(end, moved_on(place, frame.band), place)
        total = torch.where(end[:, None], row, total + row)
        return [total, torch.where(end, 1.0, count + 1), age, place, *made]


def tokens(x: torch.Tensor, width: int, j: int) -> Tokens:
    """Of frame j, from rows (B, L, D): for each row the token that may have ended before it."""
    total, count = torch.zeros_like(x[:, 0, :width]), torch.zeros_like(x[:, 0, 0])
    last, made = total, list[torch.Tensor]()
    ended = x[..., width + 1 + j] > ENDED
    for r in range(x.shape[1]):
        row, end = x[:, r, :width], ended[:, r]
        made.append(torch.stack([last, total / count.clamp(min=1)[:, None]], 1))
        total = torch.where(end[:, None], row, total + row)
        count, last = torch.where(end, 1.0, count + 1), row
    elapsed = torch.relu(x[..., width])
    at = elapsed.cumsum(1) - elapsed
    return Tokens(torch.stack(made, 1), at, ended.cumsum(1) - 1, ended)
