"""ONNX Runtime on one thread: a fitted net without PyTorch.

Every call has the same shape and no call sees more than one instant, so that what is said of a
row does not depend on how the stream is cut.
"""

from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
OPEN = 16  # graphs that are held ready


class Session(NamedTuple):
    """A graph ready to run."""

    runtime: Any  # onnxruntime.InferenceSession
    names: tuple[str, ...]  # of its inputs
    shapes: tuple[tuple[int, ...], ...]  # of its inputs, of one instrument

    def run(self, inputs: list[Floats]) -> list[Floats]:
        """What the graph says of arrays (K, ...), in its order."""
        found: list[Floats] = self.runtime.run(None, dict(zip(self.names, inputs, strict=True)))
        return found


_open: OrderedDict[int, tuple[NDArray[np.uint8], Session]] = OrderedDict()


def opened(graph: NDArray[np.uint8]) -> Session:
    """A session that runs these bytes; the same for the same array, as making one takes 10 ms."""
    key = id(graph)
    if key not in _open:
        _open[key] = graph, session(graph.tobytes())  # the array is held, so the id stays its own
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
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    runtime = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = runtime.get_inputs()
    shapes = tuple(tuple(one.shape[1:]) for one in inputs)
    return Session(runtime, tuple(one.name for one in inputs), shapes)
