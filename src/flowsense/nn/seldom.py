"""Graphs that run the encoder of a slower frame only when one of its tokens has ended."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from flowsense.nn.inputs import CLOCK, ENDED
from flowsense.nn.serving import AXIS, RING


def seldom(graph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same graph of a timed step, the entries of slower rings behind a condition.

    Where no token has ended they are the entries of before, which nobody reads.
    """
    model = onnx.load_model_from_string(graph.tobytes())
    width = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    for j, rings in enumerate(groups([one.name for one in model.graph.input])[1:]):
        behind(model.graph, rings, width - CLOCK + 1 + j)
    return np.frombuffer(model.SerializeToString(), np.uint8)


def groups(names: list[str]) -> list[list[str]]:
    """Names of rings with the same place, by it."""
    found, place = dict[str, list[str]](), ""
    for name in names[1:]:
        if name.startswith(RING):
            found.setdefault(place, []).append(name)
        else:
            place = name
    return list(found.values())


def behind(graph: Any, rings: list[str], column: int) -> None:
    """Move what only the entries of these rings need behind column `column` of x."""
    entries = [ring.replace(RING, "after") for ring in rings]
    own, node = f"seldom_{column}_", helper.make_node
    needed = wanted(graph, [one.name for one in graph.output if one.name not in entries])
    kept = [one for one in graph.node if needed & set(one.output)]
    moved = [renamed(one, entries, own) for one in graph.node if not needed & set(one.output)]
    before = [
        node("Slice", [ring, own + "first", own + "second", own + "axis"], [own + "was_" + entry])
        for ring, entry in zip(rings, entries, strict=True)
    ]
    constants = {"column": column, "first": 0, "second": 1, "axis": AXIS}
    graph.initializer.extend(
        numpy_helper.from_array(np.array([value], np.int64), own + name)
        for name, value in constants.items()
    )
    graph.initializer.append(numpy_helper.from_array(np.asarray(np.float32(ENDED)), own + "ended"))
    weights = taken(graph, {name for one in moved for name in one.input}, kept)
    then = branch(own + "then", [own + entry for entry in entries], moved, weights)
    otherwise = branch(own + "else", [own + "was_" + entry for entry in entries], before, [])
    condition = [
        node("Gather", ["x", own + "column"], [own + "told"], axis=1),
        node("ReduceMax", [own + "told"], [own + "most"], keepdims=0),
        node("Greater", [own + "most", own + "ended"], [own + "if"]),
        node("If", [own + "if"], entries, then_branch=then, else_branch=otherwise),
    ]
    del graph.node[:]
    graph.node.extend([*kept, *condition])


def wanted(graph: Any, outputs: list[str]) -> set[str]:
    """All values that these are made of, themselves too."""
    found, made = set(outputs), {out: one for one in graph.node for out in one.output}
    waiting = list(outputs)
    while waiting:
        for name in read(made[waiting.pop()]):
            if name in made and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def read(node: Any) -> list[str]:
    """What a node reads, in its branches too."""
    inside = (one for a in node.attribute if a.HasField("g") for one in a.g.node)
    return [*node.input, *(name for one in inside for name in one.input)]


def renamed(node: Any, names: list[str], own: str) -> Any:
    """A copy in which these values have a name of their own: a branch shares none."""
    out = onnx.NodeProto()
    out.CopyFrom(node)
    for values in (out.input, out.output):
        for j, name in enumerate(values):
            if name in names:
                values[j] = own + name
    return out


def taken(graph: Any, names: set[str], kept: list[Any]) -> list[Any]:
    """Constants of these names that no kept node reads, out of the graph.

    ONNX Runtime lays out a matrix for speed only beside the nodes that read it.
    """
    own = names - {name for one in kept for name in read(one)}
    constants = list(graph.initializer)
    del graph.initializer[:]
    graph.initializer.extend(one for one in constants if one.name not in own)
    return [one for one in constants if one.name in own]


def branch(name: str, outputs: list[str], nodes: list[Any], constants: list[Any]) -> Any:
    """Values (...) of float32, of whatever shape, of nodes that read those outside."""
    said = [helper.make_tensor_value_info(one, onnx.TensorProto.FLOAT, None) for one in outputs]
    return helper.make_graph(nodes, name, [], said, initializer=constants)
