"""The transformer: what is trained is what steps; tokens against a loop; 8 bits; attention."""

import numpy as np
import pytest
from lagged import Tapes, labels, rows, tape

from flowsense.errors import InputError
from flowsense.model import Budget
from flowsense.models.transformer import Transformer
from flowsense.nn.frames import Frames
from flowsense.nn.heads import scaled
from flowsense.nn.inputs import CLOCK, clock, measured, nothing_seen
from flowsense.nn.serving import opened
from flowsense.nn.windows import Segments, collect
from flowsense.schema import SECOND

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.compiled]
WIDTH, HISTORY = 8 + CLOCK, 4
BANDS = (5, 3)


def net(layers=3, slow=2, bands=BANDS, seed=0, units=16):
    from flowsense.nn.architectures.transformer import Size, TransformerNet

    torch.manual_seed(seed)
    made = TransformerNet(WIDTH, HISTORY, 2, Size(layers, units, 4, slow, bands, 0.0))
    for weight in made.parameters():
        torch.nn.init.normal_(weight, 0, 0.3)
    return made.eval()


def stretch(length, k=2, seed=0):
    """Rows 0.1 s apart, now and then 2 s; a second ends one time in three."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (k, length, WIDTH)).astype(np.float32)
    x[..., -3] = np.where(rng.random((k, length)) < 0.1, 2.0, 0.1)
    x[..., -2:] = rng.random((k, length, 2)) < (0.3, 0.1)
    return torch.from_numpy(x)


def stepped(graph, x):
    """(K, L, T, 3) row by row."""
    session, every, out = opened(graph), np.arange(len(x)), []
    held = [np.zeros((len(x), *shape), np.float32) for shape in session.shapes[1:]]
    for r in range(x.shape[1]):
        said, *after = session.run([np.ascontiguousarray(x[:, r].numpy()), *held])
        session.advance(held, after, every)
        out.append(said)
    return np.stack(out, 1)


def test_the_step_says_what_the_training_form_says_when_bands_are_full():
    from flowsense.nn import export

    export.streaming(net(), stretch(60))  # raises where they differ


def test_encoders_that_step_seldom_say_the_same():
    from flowsense.nn import export
    from flowsense.nn.seldom import seldom

    x, graph = stretch(40), export.streaming(net(), stretch(8))
    np.testing.assert_array_equal(stepped(seldom(graph), x), stepped(graph, x))


def test_in_8_bits_it_is_near_and_no_row_changes_another():
    from flowsense.nn import export
    from flowsense.nn.quantise import quantised
    from flowsense.nn.seldom import seldom

    x, graph = stretch(30), export.streaming(net(units=64), stretch(8))
    small = quantised(graph)
    near, exact = stepped(small, x), stepped(graph, x)
    assert np.abs(near - exact).max() < 0.05 * np.abs(exact).max()
    assert not np.array_equal(near, exact) and len(small) < 0.6 * len(graph)
    seldom_first = stepped(quantised(seldom(graph)), x)
    np.testing.assert_array_equal(seldom_first, near)
    x[1] *= 100
    np.testing.assert_array_equal(stepped(small, x)[0], near[0])


@pytest.fixture(scope="module")
def pool():
    whole = rows(400, absent=0.3)
    whole.ts[:] = whole.ts + (whole.ts > 20 * SECOND) * 50 * SECOND  # a pause
    told = labels(whole)
    reader = Tapes((tape(whole),))
    inputs, index = measured(reader, told, False, timed=True)
    scale = scaled(told, index.who, 2)
    return collect(reader, told, inputs, index.who, scale, length=20, seed=0), whole


def test_a_row_on_the_second_still_belongs_to_it(pool):
    whole = pool[1]
    found, mine = clock(whole, nothing_seen(2)), whole.instrument == 0
    second = (whole.ts[mine] - 1) // SECOND
    np.testing.assert_array_equal(found[mine][1:, 1], np.diff(second) > 0)
    assert found[mine][0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(found[mine][1:, 0], np.diff(whole.ts[mine]) / SECOND)
    assert found[mine][:, 2].sum() == 1


def test_tokens_are_the_last_rows_and_means_of_what_has_ended(pool):
    kept, whole = pool
    segments = Segments(kept, HISTORY, 8)
    frames = Frames(segments, BANDS)
    ends = segments.learn.ends[[40, 200, 300]]
    x, done = frames.batch(segments.learn, ends, 1).inputs
    for j, end in enumerate(ends):
        mine = np.arange(kept.begin[end], end + 1)
        second = (whole.ts[kept.row[mine]] - 1) // SECOND
        ended = np.unique(second[:-1])[:-1]  # whole when the row before was due
        tokens = [mine[second == s] for s in ended][-BANDS[0] :]
        for k, token in enumerate(reversed(tokens)):
            last, mean = x[j, BANDS[0] - 1 - k], x[j, 2 * BANDS[0] - 1 - k]
            np.testing.assert_array_equal(last[:-CLOCK], kept.x[token[-1], :-CLOCK])
            np.testing.assert_allclose(mean[:-CLOCK], kept.x[token, :-CLOCK].mean(0), atol=1e-5)
            ago = (whole.ts[kept.row[end]] - whole.ts[kept.row[token[-1]]]) / SECOND
            np.testing.assert_allclose(last[-CLOCK : 2 - CLOCK], [ago, 1], rtol=1e-5)
        before = [len(np.unique(second[:i])) - 1 for i in range(len(mine) - 8, len(mine))]
        np.testing.assert_array_equal(done[j, -8:, 0], np.array(before) - len(ended) + BANDS[0])


def test_packed_with_tokens_it_says_what_it_says_of_all_rows(pool):
    kept, _ = pool
    segments = Segments(kept, HISTORY, 8)
    frames = Frames(segments, (60, 4))
    end = segments.learn.ends[90]
    x, done = (torch.from_numpy(i) for i in frames.batch(segments.learn, np.array([end]), 1).inputs)
    from flowsense.nn.architectures.transformer import Size, TransformerNet

    torch.manual_seed(0)
    width = x.shape[-1]
    made = TransformerNet(width, HISTORY, 2, Size(2, 16, 4, 2, (60, 4), 0.0)).eval()
    every = torch.from_numpy(kept.x[kept.begin[end] : end + 1][None])
    with torch.no_grad():
        packed, whole = made(x, done), made(every)
    np.testing.assert_allclose(packed.numpy(), whole[:, -8:].numpy(), atol=2e-5)


@pytest.fixture(scope="module")
def fitted():
    whole = rows(400)
    few = Transformer(history=6, asked=8, batch=8, epochs=1, epoch=3, layers=3, units=8, heads=2)
    return few.fit(Tapes((tape(whole),)), labels(whole), seed=0, budget=Budget())


def test_shares_of_attention_sum_to_one_and_know_their_times(fitted):
    whole = tape(rows(60))
    asked = np.array([3, 50, 51, 90])
    found = fitted.attention(fitted.init(whole.instruments), whole, asked)
    np.testing.assert_allclose(found.rows.share.sum(-1), 1, rtol=1e-5)
    both = found.seconds.share[:, 0].sum(-1) + found.minutes.share[:, 0].sum(-1) + found.alone
    np.testing.assert_allclose(both, 1, rtol=1e-5)
    of = whole.rows[0]
    for j, row in enumerate(asked):
        mine = np.flatnonzero(of.instrument[: row + 1] == of.instrument[row])[-6:]
        ago = found.rows.ago[j]
        np.testing.assert_allclose(
            ago[-len(mine) :], (of.ts[row] - of.ts[mine]) / SECOND, atol=1e-3
        )
        assert np.isnan(ago[: 6 - len(mine)]).all()
        assert not found.rows.share[j][..., np.isnan(ago)].any()
        np.testing.assert_array_equal(
            np.isfinite(found.seconds.ago[j]).sum(), seconds_before(of, row)
        )


def seconds_before(of, row):
    """That were whole when the row before was due."""
    mine = of.ts[: row + 1][of.instrument[: row + 1] == of.instrument[row]]
    second = (mine - 1) // SECOND
    return len(np.unique(second[:-1])) - 1 if len(second) > 1 else 0


def test_rows_that_are_not_there_are_refused(fitted):
    whole = tape(rows(10))
    with pytest.raises(InputError, match=r"attention: rows \[99\]: give some of 0 to"):
        fitted.attention(fitted.init(whole.instruments), whole, np.array([99]))
    with pytest.raises(InputError, match="fit or load it before its attention"):
        Transformer().attention(None, whole, np.array([0]))
