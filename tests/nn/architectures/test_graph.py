"""The layers beside other people's, and beside what they are meant to be."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from flowsense.model.graph.typed import EDGE, HERE, KINDS, SIGN, SLOTS  # noqa: E402
from flowsense.nn.architectures.graph import (  # noqa: E402
    Attention,
    GraphNet,
    Halving,
    MirroredGraph,
)
from flowsense.nn.inputs import Inputs  # noqa: E402
from flowsense.nn.networks_fitting import compiled  # noqa: E402
from flowsense.nn.serving import opened  # noqa: E402

SIZES = {"units": 6, "heads": 2, "head": 5, "layers": 2, "dropout": 0.3}


@pytest.fixture(autouse=True)
def alike():
    """Weights and inputs are the same at every run."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def drawn(n, seed=0, history=4, width=7):
    draw = torch.Generator().manual_seed(seed)
    x, edge = (torch.randn(2, n, *s, generator=draw) for s in ((history, width), (SLOTS, EDGE)))
    edge[..., HERE] = (torch.rand(2, n, SLOTS, generator=draw) < 0.5).float()
    edge[..., 0, HERE] = 1.0
    index = torch.randint(0, n, (2, n, SLOTS), generator=draw)
    return x, torch.ones(2, n, KINDS), index, edge


def lively(net):
    """Weights that begin as zero would hide what is wrong."""
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    return net.eval()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of its own imports
def test_attention_without_numbers_on_edges_is_that_of_pytorch_geometric():
    dense = pytest.importorskip("torch_geometric.nn.dense")
    n, ours = 9, Attention(6, 5, 3)
    theirs = dense.DenseGATConv(6, 5, heads=3)
    with torch.no_grad():
        ours.weigh.weight.zero_(), ours.of_edge.weight.zero_()
        theirs.lin.weight.copy_(ours.value.weight)
        theirs.att_src.copy_(ours.source[None, None])
        theirs.att_dst.copy_(ours.target[None, None])
    x, links = torch.randn(n, 6), torch.rand(n, n) < 0.4
    links.fill_diagonal_(True)
    edge = torch.zeros(n, n, EDGE)
    edge[..., HERE] = links.float()
    at = torch.arange(n).expand(n, n)
    torch.testing.assert_close(ours(x, at, edge), theirs(x, links.float())[0])


@pytest.mark.slow
def test_halving_is_a_dilated_convolution_at_the_last_row():
    """Written out with dilations 1, 2, 4 over all rows, of which the last is read."""
    net, x = lively(Halving(8, 3)), torch.randn(2, 8, 3)
    h = x
    for k, (layer, norm) in enumerate(zip(net.layers, net.norms, strict=True)):
        before = torch.roll(h, 2**k, dims=1)
        h = norm(h + torch.nn.functional.gelu(layer(torch.cat([before, h], dim=-1))))
    torch.testing.assert_close(net(x), h[:, -1])


def test_halving_pads_what_is_no_power_of_two():
    net, x = lively(Halving(5, 3)), torch.randn(2, 5, 3)
    whole = lively(Halving(8, 3))
    whole.load_state_dict(net.state_dict())
    padded = torch.nn.functional.pad(x, (0, 0, 3, 0))
    torch.testing.assert_close(net(x), whole(padded))


def test_what_is_not_here_says_nothing_to_attention():
    net = lively(GraphNet(7, 4, 2, **SIZES))
    x, kind, index, edge = drawn(5)
    edge = edge * edge[..., HERE, None]
    other = torch.where(edge[..., HERE] > 0, index, (index + 1) % 5)
    torch.testing.assert_close(net(x, kind, index, edge), net(x, kind, other, edge))


def test_the_order_of_nodes_is_the_order_of_answers():
    net, (x, kind, index, edge) = lively(GraphNet(7, 4, 2, **SIZES)), drawn(5)
    turn = torch.tensor([3, 0, 4, 1, 2])
    back = torch.argsort(turn)
    moved = net(x[:, turn], kind, back[index[:, turn]], edge[:, turn])
    torch.testing.assert_close(moved, net(x, kind, index, edge)[:, turn])


def turns(width):
    source = np.arange(width)
    source[[0, 1]] = [1, 0]
    sign = np.ones(width, np.float32)
    sign[2] = -1
    none = np.zeros(0, np.int64)
    return Inputs(np.array(False), np.zeros((1, width, 2)), none, source, sign)


def test_the_mirrored_market_turns_the_side_and_nothing_else():
    inputs = turns(7)
    net = MirroredGraph(lively(GraphNet(7, 4, 2, **SIZES)), inputs).eval()
    x, kind, index, edge = drawn(5)
    here = net(x, kind, index, edge)
    mirror = x[..., torch.from_numpy(inputs.source)] * torch.from_numpy(inputs.sign)
    there = net(mirror, kind, index, edge * torch.from_numpy(SIGN))
    torch.testing.assert_close(there, here * torch.tensor([-1.0, 1.0, 1.0]))
    assert here[..., 0].abs().min() > 0


@pytest.mark.slow
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_exported_graph_takes_any_number_of_nodes(mirrored):
    net = lively(GraphNet(7, 4, 2, **SIZES))
    net = MirroredGraph(net, turns(7)).eval() if mirrored else net
    graph = opened(compiled(net, 4, 7, 0))
    for n in (1, 2, 11):
        inputs = [a[0] for a in drawn(n, 3)]
        said = graph.run([np.ascontiguousarray(a.numpy()) for a in inputs])[0]
        with torch.no_grad():
            expected = net(*(a[None] for a in inputs))[0]
        np.testing.assert_allclose(said, expected.numpy(), atol=2e-5)
