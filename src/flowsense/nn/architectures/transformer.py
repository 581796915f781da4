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

from flowsense.nn.attention import COARSEST, FINEST, SHARP
from flowsense.nn.inputs import CLOCK, ENDED, LONGEST

FAR = -1e9  # added to the score of what is not there
OCTAVES = 12  # that the ages of heads are spread over at first
WIDER = 2  # the layer inside a perceptron; 4 is usual, and takes 1.5 times as long
GAIN = 10.0  # of learned times, which have further to go than other weights
EVERY = slice(None)


class Gaps(nn.Module):
    """What the time between a query and a key adds to their score, for each head of each layer.

    Times are ages: 1 + seconds / (`SHARP` x least); 0 of what is not there. Linear between knots,
    `least` apart at first, then ever further. Each head begins with an age of its own: the further
    another is from it, in octaves, the lower the score.
    """

    def __init__(self, least: float, layers: int, heads: int) -> None:
        super().__init__()
        self.unit, self.heads = SHARP * least, heads
        knots = torch.arange(math.ceil(SHARP * math.log(1 + LONGEST / self.unit)) + 2)
        self.last = len(knots) - 2.0
        octave = torch.log2(1 + torch.expm1(knots / SHARP) * SHARP)
        own = torch.linspace(0, OCTAVES, heads + 1)[1:].repeat(layers)
        self.weight = nn.Parameter(-(octave[:, None] - own).abs() / GAIN)

    def age(self, seconds: torch.Tensor) -> torch.Tensor:
        """Of what is so old."""
        return 1 + seconds.clamp(min=0) / self.unit

    def forward(self, age: torch.Tensor, layers: slice = EVERY) -> torch.Tensor:
        """(B, ..., N) -> (B, layers * heads, ..., N)"""
        weight = (
            (self.weight * GAIN).reshape(len(self.weight), -1, self.heads)[:, layers].flatten(1)
        )
        lines = torch.cat([weight[:-1], weight[1:] - weight[:-1]], 1)
        at, last = (torch.log(age) * SHARP).clamp(0, self.last), age.dim()
        knot = at.floor()
        low, rise = nn.functional.embedding(knot.long(), lines).split(weight.shape[1], -1)
        return (low + (at - knot)[..., None] * rise).permute(0, last, *range(1, last))

    def of_layers(self, bias: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, heads, ..., N) of each layer."""
        return bias.split(self.heads, 1)

    def own(self) -> tuple[torch.Tensor, ...]:
        """(heads,) of each layer, of no time between."""
        return (self.weight[0] * GAIN).split(self.heads)


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
        """Query, key and value (B, heads, length, width / heads) of x (B, length, units)."""
        q, k, v = self.asked(self.norm(x)).split(self.units, -1)
        shape = (-1, length, self.heads, self.each)
        q = q * (1 / math.sqrt(self.each))
        return [part.reshape(shape).transpose(1, 2) for part in (q, k, v)]

    def after(self, x: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        x = x + self.joined(heard)
        return x + self.inside(self.second(x))

    def whole(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """x (B, N, units) with itself; bias (B, heads, M, N) of the last M, which are given."""
        q, k, v = self.parts(x, x.shape[1])
        first, asked = x.shape[1] - bias.shape[2], bias.shape[2]
        heard = torch.softmax(q[:, :, first:] @ k.transpose(2, 3) + bias, -1) @ v
        return self.after(x[:, first:], heard.transpose(1, 2).reshape(-1, asked, self.units))

    def step(
        self, x: torch.Tensor, past: list[Past], own: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """x (B, units); own (heads,) is added to its own score.

        Gives x after the block, its key and value (B, heads, 1, width / heads), and the shares
        (B, heads, N + 1) that the past and, last, itself have in what it hears.
        """
        q, k, v = self.asked(self.norm(x)).split(self.units, -1)
        q = (q * (1 / math.sqrt(self.each))).reshape(-1, self.heads, self.each, 1)
        k, v = (part.reshape(-1, self.heads, 1, self.each) for part in (k, v))
        ends = [int(p.keys.shape[2]) for p in past]
        scores = [
            (p.keys @ q).reshape(-1, self.heads, n) + p.bias
            for p, n in zip(past, ends, strict=True)
        ]
        scores.append((k @ q).reshape(-1, self.heads, 1) + own[:, None])
        shares = torch.softmax(torch.cat(scores, -1), -1)
        *parts, last = shares.split([*ends, 1], -1)
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
    places: torch.Tensor

    def __init__(self, width: int, band: int, units: int, *, heads: int, layers: int) -> None:
        super().__init__()
        self.width, self.band, self.units = width, band, units
        self.heads, self.each = heads, units // heads
        self.into = nn.Linear(2 * width, units)
        self.blocks = nn.ModuleList(Block(units, heads) for _ in range(layers))
        self.between, self.reach = Gaps(COARSEST, layers, heads), Gaps(COARSEST, 1, heads)
        self.register_buffer("places", torch.arange(float(band)), persistent=False)
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
        age = self.between.age(tokens.at[:, :, None] - tokens.at[:, None, :])
        biases = self.between.of_layers(self.between(age) + far)
        for block, bias in zip(self.blocks, biases, strict=True):
            x = block.whole(x, bias)
        shape = (-1, length, 2, self.heads, self.each)
        keys, values = self.out(x).reshape(shape).permute(2, 0, 3, 1, 4)
        return keys, values

    def step(
        self, x: torch.Tensor, age: torch.Tensor, rings: tuple[torch.Tensor, ...]
    ) -> list[torch.Tensor]:
        """One entry for each ring, of a token x (B, 2 F); age (B, band) of those before it."""
        x, made = self.into(x), list[torch.Tensor]()
        biases = self.between.of_layers(self.between(age) + absent(age))
        for j, (block, bias) in enumerate(zip(self.blocks, biases, strict=True)):
            past = Past(rings[2 * j], rings[2 * j + 1], bias)
            x, k, v, _ = block.step(x, [past], self.between.own()[j])
            made += [k, v]
        read = self.out(x).split(self.units, -1)
        return made + [part.reshape(-1, self.heads, 1, self.each) for part in read]

    def ended(
        self, now: tuple[torch.Tensor, ...], mine: tuple[torch.Tensor, ...]
    ) -> tuple[Past, list[torch.Tensor]]:
        """What a row reads, and states after it: where `end`, the row before ended a token."""
        (row, last, elapsed, end), (total, count, age, place, *rings) = now, mine
        late = elapsed / self.reach.unit
        older = aged(age, late)
        read = Past(rings[-2], rings[-1], self.reach(older) + absent(older))
        token = torch.cat([last, total / count.clamp(min=1)[:, None]], 1)
        made, line = self.step(token, age, tuple(rings)), end[:, None]
        age = torch.where(line, entered(older, place, self.places, 1 + late), older)
        total = row + torch.where(line, 0.0, total)
        place = torch.where(end, moved_on(place, self.band), place)
        return read, [total, 1 + torch.where(end, 0.0, count), age, place, *made]


def absent(age: torch.Tensor) -> torch.Tensor:
    """(B, 1, N) added to scores of entries of age (B, N)."""
    return torch.where(age > 0, 0.0, FAR)[:, None]


def aged(age: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
    """age (B, N) of entries, `more` (B, 1) later."""
    return torch.where(age > 0, age + more, 0.0)


def entered(
    age: torch.Tensor, place: torch.Tensor, places: torch.Tensor, own: torch.Tensor | float
) -> torch.Tensor:
    """age (B, N) of entries with one more, of age `own`, in its place (B,) of `places` (N,)."""
    return torch.where(places == place[:, None], own, age)


def moved_on(place: torch.Tensor, size: int) -> torch.Tensor:
    """Place of the next entry of a ring."""
    return torch.where(place >= size - 1, 0.0, place + 1)


class Size(NamedTuple):
    """Of a net."""

    layers: int  # the last of which reads the slower frames
    units: int
    heads: int
    slow: int  # layers of each slower encoder
    bands: tuple[int, ...]  # tokens of each slower frame that are looked back on
    dropout: float


class TransformerNet(nn.Module):
    """Rows attend to rows, layer by layer; in the last layer to seconds and minutes together.

    A row (D,) ends with the clock of `nn.inputs`.
    """

    frames: Any  # nn.ModuleList of Frame
    blocks: Any  # nn.ModuleList of Block
    places: torch.Tensor

    def __init__(self, width: int, history: int, targets: int, size: Size) -> None:
        super().__init__()
        layers, units, heads = size[:3]
        self.width, self.band, self.targets = width - CLOCK, history - 1, targets
        self.units, self.heads = units, heads
        self.dropout = nn.Dropout1d(size.dropout)  # of an input over the whole stretch
        self.into = nn.Linear(self.width, units)
        self.blocks = nn.ModuleList(Block(units, heads) for _ in range(layers - 1))
        self.gaps = Gaps(FINEST, layers - 1, heads)
        self.frames = nn.ModuleList(
            Frame(self.width, band, units, heads=heads, layers=size.slow) for band in size.bands
        )
        self.register_buffer("places", torch.arange(float(self.band)), persistent=False)
        self.cross = Block(units, heads)
        self.alone = nn.Parameter(torch.zeros(heads))  # score of reading no token
        self.out = nn.Sequential(nn.LayerNorm(units), nn.Linear(units, targets * 3))

    def states(self) -> tuple[tuple[int, ...], ...]:
        """Ages of rows, place of the next, rings of each layer, the last row; then of frames."""
        ring = (self.heads, self.band, self.units // self.heads)
        rows = (self.band,), (), *((ring,) * (2 * len(self.blocks))), (self.width,)
        return rows + tuple(shape for frame in self.frames for shape in frame.states())

    def forward(self, x: torch.Tensor, whole: torch.Tensor | None = None) -> torch.Tensor:
        """Rows (B, L, D) from an empty state -> (B, L - H + 1, T, 3) of those behind a whole band.

        With `whole` (B, L, frames), x begins with earlier tokens: see `nn.frames`.
        """
        x = torch.cat([self.dropped(x[..., : self.width]), x[..., self.width :]], -1)
        if whole is None:
            elapsed, ended = torch.relu(x[..., self.width]), x[..., self.width + 1 :] > ENDED
            frames = [tokens(x, self.width, j) for j in range(len(self.frames))]
            whole, time = ended.cumsum(1) - ended.long(), elapsed.cumsum(1)
        else:
            x, frames, time = self.unpacked(x)
        read = self.read(time[:, self.band :], frames, whole[:, self.band :])
        return self.rows(x, time, read, self.band)

    def rows(
        self, x: torch.Tensor, time: torch.Tensor, read: list[Past], first: int
    ) -> torch.Tensor:
        """(B, L, D), when they were (B, L), what they read of frames -> (B, L - first, T, 3)."""
        h = self.into(x[..., : self.width])
        at = torch.arange(x.shape[1], device=x.device)
        back = at[:, None] - at[None, :]
        far = torch.where((back >= 0) & (back <= self.band), 0.0, FAR)
        age, last = self.gaps.age(time[:, :, None] - time[:, None, :]), len(self.blocks) - 1
        if last:
            bias = self.gaps(age, slice(0, last)) + far
            for block, own in zip(self.blocks[:last], self.gaps.of_layers(bias), strict=True):
                h = block.whole(h, own)
        h = self.blocks[last].whole(h, self.gaps(age[:, first:], slice(last, None)) + far[first:])
        h = self.crossed(h, read)
        return self.out(h).reshape(len(h), -1, self.targets, 3)

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

    def read(self, time: torch.Tensor, frames: list[Tokens], whole: torch.Tensor) -> list[Past]:
        """Of each frame, what was whole before each row; biases (B, heads, L, N)."""
        found = list[Past]()
        for j, (frame, of) in enumerate(zip(self.frames, frames, strict=True)):
            rank, before = of.rank[:, None, :], whole[..., j, None]
            seen = of.there[:, None, :] & (rank < before) & (rank >= before - frame.band)
            age = frame.reach.age(time[:, :, None] - of.at[:, None, :])
            bias = frame.reach(age) + torch.where(seen, 0.0, FAR)[:, None]
            keys, values = frame.whole(of)
            found.append(Past(keys, values, bias))
        return found

    def crossed(self, h: torch.Tensor, read: list[Past]) -> torch.Tensor:
        """Rows (B, L, units) after they read the frames."""
        length = h.shape[1]
        q, k, v = self.cross.parts(h, length)
        scores = [q @ p.keys.transpose(2, 3) + p.bias for p in read]
        scores.append((q * k).sum(-1, keepdim=True) + self.alone[:, None, None])
        shares = torch.softmax(torch.cat(scores, -1), -1)
        *parts, last = shares.split([s.shape[-1] for s in scores], -1)
        heard = last * v
        for part, p in zip(parts, read, strict=True):
            heard = heard + part @ p.values
        return self.cross.after(h, heard.transpose(1, 2).reshape(-1, length, self.units))

    def step(self, x: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """A row (B, D) -> (B, T, 3), states, and the shares of attention of each layer and across.

        Of a ring one entry (B, heads, 1, width / heads), which counts where its place moves on.
        """
        n, row, elapsed = len(self.blocks), x[:, : self.width], torch.relu(x[:, self.width, None])
        (age, place, *rings), slower = states[: 2 + 2 * n], states[2 + 2 * n :]
        age = aged(age, elapsed / self.gaps.unit)
        h, made, shown = self.into(row), list[torch.Tensor](), list[torch.Tensor]()
        biases = self.gaps.of_layers(self.gaps(age) + absent(age))
        for j, (block, bias) in enumerate(zip(self.blocks, biases, strict=True)):
            past = Past(rings[2 * j], rings[2 * j + 1], bias)
            h, k, v, shares = block.step(h, [past], self.gaps.own()[j])
            made += [k, v]
            shown.append(shares)
        after = [entered(age, place, self.places, 1.0), moved_on(place, self.band), *made, row]
        read, last, slower = list[Past](), slower[0], slower[1:]
        for j, frame in enumerate(self.frames):
            mine = slower[: len(frame.states())]
            slower = slower[len(mine) :]
            end = x[:, self.width + 1 + j] > ENDED
            past, now = frame.ended((row, last, elapsed, end), mine)
            read.append(past)
            after += now
        h, _, _, shares = self.cross.step(h, read, self.alone)
        return self.out(h).reshape(-1, self.targets, 3), *after, *shown, shares


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
