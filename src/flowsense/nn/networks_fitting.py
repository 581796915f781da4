"""Nets over a graph: from rows and labels to a fitted one, by the one training loop."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.gather import UNUSED
from flowsense.model.graph.typed import EDGE, KINDS, SLOTS, Names, Told, graph, hear, kinds, names
from flowsense.model.instruments import Known
from flowsense.nn import export
from flowsense.nn.architectures.graph import MirroredGraph
from flowsense.nn.fitted import Fitted
from flowsense.nn.fitting import ahead, course, held, timed
from flowsense.nn.heads import scaled
from flowsense.nn.inputs import Index, Inputs, Ints, measured
from flowsense.nn.instants import Instants
from flowsense.nn.loop import Trained, repeatable, train
from flowsense.nn.net import Net, Shape
from flowsense.nn.serving import opened
from flowsense.nn.windows import LARGEST, Batch, Draws, Pool, collect
from flowsense.tape import Reader
from flowsense.wall import Stopwatch


class Edges(NamedTuple):
    """The graphs of the instants that are kept."""

    of: Ints  # (I,) which of them is that of each instant of the pool, or -1
    node: NDArray[np.int16]  # (m, N, M)
    edge: NDArray[np.float16]  # (m, N, M, EDGE)


def fit(
    net: Net, reader: Reader, labels: Labels, words: Ints, *, seed: int, budget: Budget
) -> tuple[Fitted, Trained]:
    """Three passes over the rows, then the training; forecasts keep the time that they will take.

    words (S,) are the columns of strategies. Raises InputError for too few rows.
    """
    watch, known = Stopwatch(), Known.of(labels, reader.instruments)
    with watch, repeatable(seed):
        inputs, index = measured(reader, labels, net.book)
        scale = scaled(labels, index.who, len(reader.instruments))
        rest = {"length": net.history, "seed": seed}
        pool = collect(reader, labels, inputs, index.who, scale, **rest)
        data = Networks(reader, pool, index, words, history=net.history, seed=seed)
        module = made(net, Shape(inputs.width, net.history, len(labels.targets)), inputs)
        graph = compiled(module, net.history, inputs.width, len(words))
        seconds = ahead(index, budget) * speed(graph, data)
    hold = held(seconds, budget.seconds)
    left = max(budget.seconds - watch.seconds - seconds / hold, 1e-9)
    with repeatable(seed):
        trained = train(module, data, course(net), seed=seed, epochs=budget.steps, seconds=left)
        graph = compiled(module, net.history, inputs.width, len(words))
    counts = np.array(net.history), np.array(hold)
    return Fitted(known, inputs, scale, *counts, graph), trained


def made(net: Net, shape: Shape, inputs: Inputs) -> Any:
    """The module, beside itself in the mirror where that is asked for."""
    module = net.module(shape)
    return MirroredGraph(module, inputs) if net.antisymmetric else module


def compiled(module: Any, history: int, width: int, strategies: int) -> NDArray[np.uint8]:
    """As ONNX, compared with the module on a random graph of several nodes."""
    n, m = export.SEVERAL, SLOTS + strategies
    draw = torch.Generator().manual_seed(0)
    x, edge = (torch.randn(n, *shape, generator=draw) for shape in ((history, width), (m, EDGE)))
    edge[..., 0] = 1.0
    index = torch.randint(0, n, (n, m), generator=draw)
    return export.window(export.Instant(module), (x, torch.ones(n, KINDS), index, edge))


class Networks(Instants):
    """Batches of nodes (B, N, H, D), their kinds, and the graph as of each instant.

    Where the graphs of all instants would take more than `LARGEST` bytes, instants are drawn.
    """

    def __init__(
        self,
        reader: Reader,
        pool: Pool,
        index: Index,
        words: Ints,
        *,
        history: int,
        seed: int,
    ) -> None:
        """One pass. Raises InputError where no instrument has `history` rows."""
        k = len(reader.instruments)
        self.names, self.words = names(reader.instruments), len(words)
        instants, nth = np.unique(index.instant[pool.row], return_inverse=True)
        nodes = self.names.exchanges + len(words) + k
        most = LARGEST // (nodes * (SLOTS + len(words)) * (2 + 2 * EDGE))
        of = np.full(len(instants), -1, np.int64)
        rng = np.random.default_rng(seed)
        kept = np.sort(rng.permutation(len(instants))[: max(most, 1)])
        of[kept] = np.arange(len(kept))
        role = np.where((of[nth] >= 0)[:, None], pool.role, np.int8(UNUSED))
        super().__init__(pool._replace(role=role), index, k, history)
        self.edges = followed(reader, self.names, words, of, instants[kept])

    def batch(self, of: Draws, instants: Ints, role: int) -> Batch:
        (x, there), answers = super().batch(of, instants, role)
        place = self.edges.of[instants]
        index, edge = self.edges.node[place], self.edges.edge[place]
        others = index.shape[1] - x.shape[1]
        nodes = np.pad(x, ((0, 0), (others, 0), (0, 0), (0, 0)))
        kind = np.repeat(kinds(self.names, self.words, there[0])[None], len(x), axis=0)
        kind[:, others:, -1] = there
        inputs: Any = (nodes, kind, index.astype(np.int64), edge.astype(np.float32))
        return Batch(inputs, answers)


def followed(reader: Reader, known: Names, words: Ints, of: Ints, instants: Ints) -> Edges:
    """The graph at each of these instants (m,), numbered over the whole recording."""
    k, s = len(known.venue), len(words)
    told, nodes = Told.empty(k, s), known.exchanges + s + k
    index = np.zeros((len(instants), nodes, SLOTS + s), np.int16)
    edge = np.zeros((*index.shape, EDGE), np.float16)
    number, at = 0, 0
    for tape in reader:
        rows = tape.rows[0]
        spoken = np.where(rows.valid[:, words], rows.X[:, words], np.float32(0))
        for a, b in pairwise(rows.instants().tolist()):
            who, quote = rows.instrument[a:b], rows.quote[a:b]
            hear(told, int(rows.ts[a]), who, quote, spoken[a:b])
            if at < len(instants) and instants[at] == number:
                index[at], edge[at] = graph(told, known)
                at += 1
            number += 1
    return Edges(of, index, edge)


def speed(graph: NDArray[np.uint8], data: Networks) -> float:
    """Seconds that one instant takes."""
    batch = data.draw(1, np.random.default_rng(0))
    return timed(opened(graph), [np.ascontiguousarray(x[0]) for x in batch.inputs])
