import numpy as np
import pytest

from flowsense.forecast import DOWN, FLAT, UP, Target
from flowsense.labels import Labels
from flowsense.model.hmm.sides import PRIOR, Voice, count

MID, SIZE = Target.parse("mid@1s"), Target.parse("magnitude@1s")


def labelled(y, move, targets=(MID,)):
    shape = (len(y), len(targets))
    y, move = (np.array(x, np.float32).reshape(shape) for x in (y, move))
    known, one = np.zeros(shape, np.int64), np.ones(shape, np.float32)
    return Labels(targets, y, move, known, np.ones(shape, bool), one)


def summed(belief, labels, instruments=1, instrument=None):
    k = belief.shape[1]
    sums = np.zeros((instruments, k, len(labels.targets), 4))
    who = np.zeros(len(belief), np.int64) if instrument is None else instrument
    count(sums, belief, who, labels, labels.valid)
    return sums


def test_sums_by_hand():
    belief = np.array([[1.0, 0.0], [0.25, 0.75]])
    sums = summed(belief, labelled([UP, DOWN], [3, -2]))
    assert sums[0, 0, 0].tolist() == [1.25, 1.25, 0.75, 3.5]
    assert sums[0, 1, 0].tolist() == [0.75, 0.75, -0.75, 1.5]


def test_a_magnitude_has_no_side_and_all_its_rows_count():
    sums = summed(np.ones((2, 1)), labelled([0, 4], [0, -4], (SIZE,)))
    assert sums[0, 0, 0].tolist() == [2, 2, 0, 4]


CALM, STIRRED = (np.eye(2)[[k]] for k in range(2))
HERE = np.zeros(1, np.int64)


def voices(calm, stirred):
    """Two states; up, down, flat of each."""
    y = [np.repeat([UP, DOWN, FLAT], n) for n in (calm, stirred)]
    belief = np.repeat(np.eye(2), [len(part) for part in y], axis=0)
    both = np.concatenate(y)
    return Voice.of(summed(belief, labelled(both, both - 1)))


def test_a_drift_within_its_error_takes_no_side():
    said = voices((105, 95, 300), (95, 105, 300)).says((MID,), CALM, HERE)
    p = said.proba[0, 0]
    assert p[DOWN] == p[UP] and said.value[0, 0] == 0
    assert p[DOWN] + p[UP] == pytest.approx(0.4, abs=1e-6)


def test_a_drift_beyond_its_error_takes_the_side_it_had():
    voice = voices((200, 40, 260), (40, 200, 260))
    rise, fall = (voice.says((MID,), which, HERE).proba[0, 0] for which in (CALM, STIRRED))
    assert rise[UP] - rise[DOWN] == pytest.approx(160 / (500 + PRIOR), abs=1e-6)
    assert rise.tolist() == pytest.approx(fall[::-1].tolist(), abs=1e-6)


def test_a_drift_that_all_states_share_is_of_the_day_and_not_of_a_regime():
    voice = voices((200, 100, 200), (20, 10, 470))
    for which in (CALM, STIRRED):
        p = voice.says((MID,), which, HERE).proba[0, 0]
        assert p[UP] == p[DOWN]


def test_rates_are_weighted_by_what_is_believed():
    voice, place = voices((200, 40, 260), (0, 0, 500)), np.zeros(3, np.int64)
    each = voice.says((MID,), np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]), place).proba[:, 0]
    assert each[2, FLAT] == pytest.approx((each[0, FLAT] + each[1, FLAT]) / 2, abs=1e-6)


def test_an_instrument_without_labels_moves_as_the_others_do():
    labels = labelled([UP] * 300 + [FLAT] * 100, [2] * 300 + [0] * 100)
    voice = Voice.of(summed(np.ones((400, 1)), labels, instruments=2))
    said = voice.says((MID,), np.ones((3, 1)), np.arange(3))  # its own, none, none in training
    assert said.proba[1, 0, FLAT] == pytest.approx(0.25, abs=1e-6)
    assert said.proba[0].tolist() == said.proba[1].tolist() == said.proba[2].tolist()


def test_before_any_label_nothing_moves_and_all_is_finite():
    said = Voice.of(np.zeros((1, 2, 1, 4))).says((MID,), np.full((1, 2), 0.5), np.zeros(1, int))
    assert said.proba[0, 0].tolist() == pytest.approx([0, 1, 0], abs=2e-6)
    assert said.value.tolist() == [[0]]
