"""ONNX Runtime on one thread: a fitted net without PyTorch.

Every call has the same shape and no call sees more than one instant, so that what is said of a
row does not depend on how the stream is cut.
"""

from collections import OrderedDict
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
OPEN = 16  # graphs that are held ready
RING, SHOWN = "ring", "shown"  # how names of such inputs and outputs begin
AXIS = -2  # of a ring, along which its entries lie


class Session(NamedTuple):
    """A graph ready to run.

    A ring is a state of which the graph gives one entry, to be written in its place; the last
    state before it that is no ring says where, and whether: it moves on when there is one.
    """

    runtime: Any  # onnxruntime.InferenceSession
    names: tuple[str, ...]  # of its inputs
    shapes: tuple[tuple[int, ...], ...]  # of its inputs, of one instrument
    said: tuple[str, ...]  # of its outputs, but for what is shown
    shown: tuple[str, ...]  # of outputs that only explain
    plain: tuple[int, ...]  # states that are no rings
    rings: tuple[tuple[int, tuple[int, ...]], ...]  # state with their place; rings

    def run(self, inputs: list[Floats], shown: bool = False) -> list[Floats]:
        """What the graph says of arrays (K, ...), in its order."""
        names = self.said + self.shown if shown else self.said
        found: list[Floats] = self.runtime.run(names, dict(zip(self.names, inputs, strict=True)))
        return found

    def advance(self, held: list[Floats], after: list[Floats], there: Ints) -> None:
        """States (K, ...) of before become those after a call; others than `there` stay."""
        for place, rings in self.rings:
            was, now = (x[place].reshape(len(x[place]), -1)[there, 0] for x in (held, after))
            who = there[was != now]
            slot = was[was != now].astype(np.int64) % held[rings[0]].shape[AXIS]
            for ring in rings if len(who) else ():
                held[ring][who, ..., slot, :] = after[ring][who, ..., 0, :]
        for j in self.plain:
            held[j][there] = after[j][there]


_open: OrderedDict[int, tuple[NDArray[np.uint8], Session]] = OrderedDict()
_alone = Lock()


def opened(graph: NDArray[np.uint8]) -> Session:
    """A session that runs these bytes; the same for the same array, as making one takes 10 ms."""
    key = id(graph)
    with _alone:
        if key not in _open:
            _open[key] = graph, session(graph.tobytes())  # held, so that the id stays its own
            if len(_open) > OPEN:
                _open.popitem(last=False)
        _open.move_to_end(key)
        return _open[key][1]


def session(graph: bytes) -> Session:
    """One thread, in order, on the CPU."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    runtime = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = runtime.get_inputs()
    shapes = tuple(tuple(one.shape[1:]) for one in inputs)
    out = [one.name for one in runtime.get_outputs()]
    said, shown = (tuple(n for n in out if n.startswith(SHOWN) == of) for of in (False, True))
    names = tuple(one.name for one in inputs)
    plain = tuple(j for j, name in enumerate(names[1:]) if not name.startswith(RING))
    ends = (*plain[1:], len(names) - 1)[: len(plain)]
    rings = tuple(
        (a, tuple(range(a + 1, b))) for a, b in zip(plain, ends, strict=True) if b > a + 1
    )
    return Session(runtime, names, shapes, said, shown, plain, rings)
