import numpy as np
import pytest
from touches import MS, held, label, path, walk

from flowsense.forecast import DOWN, FLAT, UP, Target
from flowsense.schema import BROKEN, ONE_SIDED, WHOLE

T = Target.parse


def one(target, quotes, row=100, now=None):
    """y, move, known_at in ms and whether it is valid, of one row."""
    found = label([T(target)], quotes, [row * MS], None if now is None else now * MS)
    y, move, known_at, valid = (c[0, 0] for c in found[1:5])
    return y, move, (known_at - 1) / MS if y != FLAT else known_at / MS, valid


def test_by_hand():
    rises = path((10, 100), (150, 101), (180, 102.5), (220, 90), (900, 90))
    assert one("barrier:2t@500ms", rises) == (UP, 2.5, 180, True)
    assert one("barrier:3t@500ms", rises) == (DOWN, -10, 220, True)
    assert one("barrier:2.5t@500ms", rises) == (UP, 2.5, 180, True)  # at it is beyond it
    assert one("barrier:11t@500ms", rises) == (FLAT, -10, 600, True)  # wherever it stands then
    assert one("barrier:200bp@500ms", rises) == (UP, 2.5, 180, True)  # 2 ticks of 100


def test_a_move_at_the_end_of_the_horizon_comes_too_late():
    assert one("barrier:2t@500ms", path((10, 100), (600, 105), (601, 105))) == (FLAT, 0, 600, True)
    assert one("barrier:2t@500ms", path((10, 100), (599, 105), (601, 105)))[0] == UP


def test_known_when_a_record_after_the_hit_has_been_seen():
    quotes = path((10, 100), (150, 105))
    assert not one("barrier:2t@500ms", quotes)[3]
    assert label([T("barrier:2t@500ms")], quotes, [100 * MS], 150 * MS + 1).valid.all()
    assert not one("barrier:9t@500ms", quotes, now=599)[3]
    assert one("barrier:9t@500ms", quotes, now=600)[3]


def test_of_quotes_at_one_time_the_last_counts():
    there_and_back = path((10, 100), (150, 105), (150, 100), (900, 100))
    assert one("barrier:2t@500ms", there_and_back) == (FLAT, 0, 600, True)


@pytest.mark.parametrize("state", [ONE_SIDED, BROKEN])
def test_a_loss_before_the_hit_is_no_label_and_one_behind_it_is_nothing(state):
    before = path((10, 100), (120, 100, state), (130, 100), (150, 105), (900, 105))
    behind = path((10, 100), (150, 105), (160, 105, state), (900, 105))
    assert not one("barrier:2t@500ms", before)[3]
    assert one("barrier:2t@500ms", behind) == (UP, 5, 150, True)


def test_a_book_made_anew_in_one_event_is_a_loss():
    anew = path((10, 100), (120, 100, WHOLE, 1), (150, 105, WHOLE, 1), (900, 105, WHOLE, 1))
    assert not one("barrier:2t@500ms", anew)[3]


def test_the_usual_distance_is_a_deviation_over_one_horizon():
    """A tick up or down every 10 ms: ten of them are the root of ten ticks apart, 3.16."""

    def then(mid):
        return path(*((10 * k + 1, 100 + k % 2) for k in range(11)), (110, mid), (900, mid))

    assert one("barrier@100ms", then(103), row=105) == (FLAT, 3, 205, True)
    assert one("barrier@100ms", then(103.5), row=105)[:2] == (UP, 3.5)
    assert one("barrier:2x@100ms", then(106), row=105)[0] == FLAT
    assert one("barrier:2x@100ms", then(106.5), row=105)[0] == UP


def test_no_label_before_a_deviation_is_known_and_half_a_tick_where_nothing_moved():
    still = path((1, 100), (500, 100.5), (900, 100.5))
    assert not one("barrier@100ms", still, row=100)[3]
    assert one("barrier@100ms", still, row=450) == (UP, 0.5, 500, True)


def deviation(quotes, row, horizon):
    step, squares = horizon // 10, []
    for k in range(50):
        later, earlier = (held(quotes, row - j * step - 1) for j in (k, k + 1))
        if earlier is None or earlier["state"] != WHOLE or later["state"] != WHOLE:
            continue
        if earlier["breaks"] == later["breaks"]:
            squares.append(int(later["mid2"] - earlier["mid2"]) ** 2)
    return np.sqrt(np.mean(squares) * 10) if len(squares) >= 10 else None


def expected(quotes, row, horizon, far):
    """y and known_at, or None; `far` in halves of a tick."""
    base = held(quotes, row - 1)
    if base is None or base["state"] != WHOLE or far is None:
        return None
    times = sorted({int(t) for t in quotes["ts"] if row <= t < row + horizon})
    for t in times:
        q = held(quotes, t)
        if q["state"] != WHOLE or q["breaks"] != base["breaks"]:
            return None
        if abs(int(q["mid2"] - base["mid2"])) >= max(far, 1):
            return (UP if q["mid2"] > base["mid2"] else DOWN), t + 1
    return (FLAT, row + horizon) if row + horizon <= quotes["ts"][-1] else None


@pytest.mark.parametrize("seed", range(3))
def test_labels_are_what_a_search_through_every_quote_finds(seed):
    quotes, horizon = walk(400, seed), 300 * MS
    rows = np.arange(50 * MS, int(quotes["ts"][-1]), 110 * MS)
    got = label(map(T, ("barrier:3t@300ms", "barrier:1.5x@300ms")), quotes, rows)
    assert 0.3 < got.valid.mean() < 0.9 and set(got.y[got.valid].tolist()) == {0, 1, 2}
    for i, row in enumerate(rows.tolist()):
        sigma = deviation(quotes, row, horizon)
        for j, far in enumerate((6, sigma and 1.5 * sigma)):
            told = expected(quotes, row, horizon, far)
            assert got.valid[i, j] == (told is not None)
            if told:
                assert (got.y[i, j], got.known_at[i, j]) == told
