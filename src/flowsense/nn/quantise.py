"""Graphs whose large matrices are whole numbers of 8 bits.

Weights have one scale per column. What they are multiplied with has one per token: its own largest
value, so that no other row, of the same call or a later one, changes what is said of it. Dettmers
et al. 2022 (vector-wise quantisation).
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from flowsense.nn.seldom import read

LEAST = 1 << 9  # weights of a matrix that is worth it
MOST = 127
ZERO = 128  # as an unsigned byte
TINY = 1e-9


def quantised(graph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same graph with every product with a large constant matrix in 8 bits."""
    model = onnx.load_model_from_string(graph.tobytes())
    shrink(model.graph)
    model.graph.initializer.extend(common())
    return np.frombuffer(model.SerializeToString(), np.uint8)


def shrink(graph: Any) -> None:
    """In place, with the branches of its nodes."""
    weights = {one.name: one for one in graph.initializer}
    nodes = list[Any]()
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                shrink(attribute.g)
        matrix = constant(node, weights)
        nodes += [node] if matrix is None else product(graph, node, matrix)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in read(node)}
    kept = [one for one in graph.initializer if one.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def constant(node: Any, weights: dict[str, Any]) -> NDArray[np.float32] | None:
    """(K, N) that a node multiplies with, where it is constant and large."""
    if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in weights:
        return None
    matrix: NDArray[np.float32] = numpy_helper.to_array(weights[node.input[1]])
    if matrix.ndim != 2 or matrix.size < LEAST:
        return None
    turned = any(a.name == "transB" and a.i for a in node.attribute)
    return matrix.T if turned else matrix


def common() -> list[Any]:
    """Constants that all products share."""
    values = {
        "q_axis": np.array([-1], np.int64),
        "q_tiny": np.float32(TINY),
        "q_step": np.float32(1 / MOST),
        "q_middle": np.float32(ZERO),
        "q_zero": np.array(ZERO, np.uint8),
    }
    return [numpy_helper.from_array(np.asarray(v), name) for name, v in values.items()]


def product(graph: Any, node: Any, matrix: NDArray[np.float32]) -> list[Any]:
    """The nodes that stand for this one; its weights are added to the graph."""
    x, out, own = node.input[0], node.output[0], f"{node.output[0]}_q_"
    scale = np.maximum(np.abs(matrix).max(axis=0), TINY) / MOST
    whole = np.round(matrix / scale).astype(np.int8)
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(whole), own + "w"))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), own + "s"))
    bias = list(node.input[2:])
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Abs", [x], "abs", {}),
        ("ReduceMax", [own + "abs", "q_axis"], "largest", {"keepdims": 1}),
        ("Max", [own + "largest", "q_tiny"], "most", {}),
        ("Mul", [own + "most", "q_step"], "scale", {}),
        ("Div", [x, own + "scale"], "scaled", {}),
        ("Round", [own + "scaled"], "rounded", {}),
        ("Add", [own + "rounded", "q_middle"], "lifted", {}),
        ("Cast", [own + "lifted"], "bytes", {"to": TensorProto.UINT8}),
        ("MatMulInteger", [own + "bytes", own + "w", "q_zero"], "sum", {}),
        ("Cast", [own + "sum"], "float", {"to": TensorProto.FLOAT}),
        ("Mul", [own + "float", own + "scale"], "rows", {}),
        ("Mul", [own + "rows", own + "s"], "product", {}),
        *([("Add", [own + "product", bias[0]], "biased", {})] if bias else []),
    ]
    names = [own + name for _, _, name, _ in steps]
    names[-1] = out
    return [
        helper.make_node(op, into, [name], name=name, **more)
        for (op, into, _, more), name in zip(steps, names, strict=True)
    ]
