import numpy as np
import onnx
from onnx import TensorProto, helper

from flowsense.nn.serving import session

LEAST = np.float32(1e-40)  # below the smallest normal number


def identity():
    """A graph that gives back what it is given."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 2]) for n in ("x", "said"))
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["said"])], "same", [x], [y])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def test_a_net_leaves_the_arithmetic_of_the_process_as_it_is():
    opened = session(identity())
    opened.run([np.full((1, 2), LEAST)])
    assert np.float32(2) * LEAST > 0 and np.float64(5e-324) * 1.0 > 0
