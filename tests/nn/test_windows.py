"""Stretches against a slow search; weights that make every row count alike; what is kept."""

import numpy as np
import pytest
from lagged import LAG, SIDE, Tapes, labels, lagged, rows, tape

from flowsense.errors import InputError
from flowsense.model.gather import LEARN, STOP
from flowsense.nn import windows
from flowsense.nn.heads import scaled
from flowsense.nn.inputs import measured, nothing_seen, read
from flowsense.nn.instants import Instants
from flowsense.nn.windows import Segments, begins, collect, kept, windowed

pytestmark = pytest.mark.compiled
H, ASKED = 5, 4


@pytest.fixture(scope="module")
def whole():
    return rows(600)


@pytest.fixture(scope="module")
def told(whole):
    return labels(whole)


def made(whole, told, length=H + ASKED - 1):
    reader = Tapes((tape(whole),))
    inputs, index = measured(reader, told, False)
    scale = scaled(told, index.who, 2)
    pool = collect(reader, told, inputs, index.who, scale, length=length, seed=0)
    _, x = read(inputs, whole, whole.instrument, nothing_seen(2))
    return pool, index, x


@pytest.fixture(scope="module")
def found(whole, told):
    return made(whole, told)


def test_a_stretch_holds_the_last_rows_of_one_instrument(found, whole, told):
    pool, _, x = found
    batch = Segments(pool, H, ASKED).draw(20, np.random.default_rng(0))
    for stretch, moved in zip(batch.inputs[0], batch.answers.moved[:, -1], strict=True):
        (end,) = np.flatnonzero((x == stretch[-1]).all(axis=1))
        mine = np.flatnonzero(whole.instrument[: end + 1] == whole.instrument[end])
        np.testing.assert_array_equal(stretch, x[mine[-(H + ASKED - 1) :]])
        np.testing.assert_array_equal(moved, [told.y[end, 0] != 1, True])
        assert not told.stop[end, 0]


@pytest.mark.parametrize("role", [LEARN, STOP])
def test_over_all_draws_every_row_that_is_used_counts_alike(found, role):
    pool, _, _ = found
    of = Segments(pool, H, ASKED)
    draws = of.learn if role == LEARN else of.stop
    often = np.diff(np.r_[0, draws.often])
    total = np.zeros(len(pool.row))
    for end, p in zip(draws.ends, often, strict=True):
        at = np.arange(end - ASKED + 1, end + 1)
        total[at] += p * draws.share[at] * (pool.role[at, 0] == role)
    used = (pool.role == role).any(axis=1)
    reached = used & (total > 0)
    np.testing.assert_allclose(total[reached], 1 / used.sum(), rtol=1e-4)
    assert reached.sum() > 0.95 * used.sum()


def test_busy_rows_are_drawn_more_often(found):
    pool, _, _ = found
    of = Segments(pool, H, 1).learn
    often = np.diff(np.r_[0, of.often])
    busy = pool.answers.moved[of.ends, 0] == 1
    assert often[busy].mean() > 1.2 * often[~busy].mean()


def test_questions_weigh_one_on_average(found):
    pool, _, _ = found
    learn = (pool.role == LEARN).any(axis=1)
    answers = pool.answers
    np.testing.assert_allclose(answers.move_weight[learn, 0].mean(), 1, rtol=1e-4)
    np.testing.assert_allclose(answers.side_weight[learn, 0].mean(), 1, rtol=1e-4)
    np.testing.assert_allclose(answers.size_weight[learn].mean(axis=0), 1, rtol=1e-4)
    assert not answers.side_weight[:, 1].any()  # a magnitude has no side
    assert not answers.side_weight[answers.moved[:, 0] == 0, 0].any()


def test_rows_to_stop_on_are_the_same_at_every_call(found):
    pool, _, _ = found
    of = Segments(pool, H, ASKED)
    first, again = (list(of.held(8, 100)) for _ in range(2))
    assert sum(len(b.inputs[0]) for b in first) == 100 // ASKED
    for a, b in zip(first, again, strict=True):
        assert a.inputs[0].tobytes() == b.inputs[0].tobytes()
        assert a.answers.move_weight.any()


def test_without_rows_to_stop_on_there_are_none(whole, told):
    pool, _, _ = made(whole, told._replace(stop=None))
    assert list(Segments(pool, H, 1).held(8, 100)) == []


def test_what_is_not_valid_has_no_weight(whole, told):
    some = np.arange(len(told.y)) % 3 == 0
    pool, _, _ = made(whole, told._replace(valid=told.valid & some[:, None]))
    out = ~some[pool.row]
    assert out.any() and not any(w[out].any() for w in pool.answers[-3:])


def test_runs_begin_where_an_instrument_or_a_gap_does():
    who = np.array([0, 1, 0, 1, 0, 0])
    np.testing.assert_array_equal(begins(np.array([0, 2, 5, 1, 3]), who), [0, 0, 2, 3, 3])


def test_of_too_many_rows_whole_blocks_are_kept_with_what_lies_before(monkeypatch, whole, told):
    monkeypatch.setattr(windows, "BLOCK", 64)
    who = whole.instrument
    keep = kept(told.valid.any(axis=1), who, H, 300, np.random.default_rng(1))
    assert 100 < keep.sum() <= 300
    for k in (0, 1):
        mine = keep[who == k]
        starts = np.flatnonzero(np.diff(np.r_[0, mine.astype(int)]) == 1)
        assert all(mine[s : s + H].all() for s in starts)
        assert all((s + H) % 64 == 0 or s == 0 for s in starts)


def test_memory_is_bounded(monkeypatch, whole, told):
    monkeypatch.setattr(windows, "BLOCK", 64)
    monkeypatch.setattr(windows, "LARGEST", 100_000)
    pool, _, x = made(whole, told)
    assert pool.x.nbytes <= 100_000 < x.nbytes
    np.testing.assert_array_equal(pool.x, x[pool.row])


def test_too_few_rows_are_refused(whole, told):
    few = told._replace(valid=told.valid & (np.arange(len(told.y)) < 20)[:, None])
    with pytest.raises(InputError, match="20 rows to learn from: a net needs 50"):
        made(whole, few)


def test_a_history_longer_than_the_recording_is_refused(found):
    with pytest.raises(InputError, match="no instrument has 5000 rows behind each other"):
        Segments(found[0], 5_000, 1)
    with pytest.raises(InputError, match="no instrument has 5000 rows behind each other"):
        Instants(found[0], found[1], 2, 5_000)


def test_an_instant_holds_the_last_rows_of_every_instrument(found, whole):
    pool, index, x = found
    instants = Instants(pool, index, 2, H)
    batch = instants.draw(30, np.random.default_rng(0))
    for windows_of, there in zip(*batch.inputs, strict=True):
        assert there[0] == 1
        (end,) = np.flatnonzero((x == windows_of[0, -1]).all(axis=1))
        for k in (0, 1):
            mine = np.flatnonzero((whole.instrument == k) & (whole.ts <= whole.ts[end]))
            np.testing.assert_array_equal(windows_of[k, -len(mine) :][-H:], x[mine[-H:]])
            assert there[k] == (whole.ts[mine[-1]] == whole.ts[end])


def test_an_absent_instrument_has_no_answer(found):
    pool, index, _ = found
    batch = Instants(pool, index, 2, H).draw(200, np.random.default_rng(0))
    absent = batch.inputs[1] == 0
    assert absent.any() and not any(w[absent].any() for w in batch.answers[-3:])
    held = list(Instants(pool, index, 2, H).held(16, 80))
    assert sum(len(b.inputs[0]) for b in held) == 40


def test_instants_count_alike(found):
    pool, index, _ = found
    of = Instants(pool, index, 2, H).learn
    often = np.diff(np.r_[0, of.often])
    np.testing.assert_allclose(often * of.share[of.ends], (often * of.share[of.ends])[0])


def test_sums_over_a_window_are_those_of_a_loop():
    x = np.random.default_rng(0).random(30)
    slow = [x[max(i - 3, 0) : i + 1].sum() for i in range(30)]
    np.testing.assert_allclose(windowed(x, 4), slow)


def test_the_planted_lag_is_in_the_labels():
    reader, told = lagged(500)
    of = np.concatenate([t.rows[0].X[t.rows[0].instrument == 0, SIDE] for t in reader])
    who = np.concatenate([t.rows[0].instrument for t in reader])
    y = told.y[who == 0, 0]
    moved = y[LAG:] != 1
    assert (np.sign(of[:-LAG]) == y[LAG:] - 1)[moved].mean() > 0.85
    assert abs((np.sign(of) == y - 1)[y != 1].mean() - 0.5) < 0.1
