"""Weights that follow outcomes are heard where that is better on rows that nobody had seen."""

from itertools import pairwise

import numpy as np
import pytest
from grids import MID, STEP, alike, cut, says, walk

from flowsense.ensemble import Heard
from flowsense.ensemble.adapt import Adaptive
from flowsense.ensemble.blend import Blend
from flowsense.ensemble.combiners import anew
from flowsense.ensemble.fallback import AT_ONCE, Fallback, whole
from flowsense.ensemble.held import spans
from flowsense.ensemble.super import Super
from flowsense.labels import Labels
from flowsense.schema import SECOND
from flowsense.testing.voters import heard as voters
from flowsense.testing.voters import labels, loss, normal

START = 1_700_000_100 * SECOND
FAST = (Blend(learn=False, table=False), Adaptive(), Super(every_ns=10 * SECOND))


def turns(seconds, each, start=START, seed=0, members=5):
    """Members take turns, so many seconds each, in telling 70 % of the sides; others guess."""
    rng, n = np.random.default_rng(seed), 10 * seconds
    moves = rng.choice((-1, 1), n - 1)
    right = np.where(rng.random(n - 1) < 0.7, moves, -moves)
    turn, side = np.arange(n) // (10 * each) % members, np.append(right, 1)
    guess = rng.choice((-1, 1), (members, n))
    up = 0.5 + 0.2 * np.where(turn == np.arange(members)[:, None], side, guess)
    tape = walk(moves, start)
    rows = tape.rows[0]
    names, none = tuple(f"v{k}" for k in range(members)), np.zeros((n, 0), np.float32)
    said = tuple(says(p) for p in up)
    return (
        tape,
        Heard(names, said, rows.ts, rows.instrument, none, rows.quote),
        labelled(moves, rows),
    )


def labelled(moves, rows):
    """What came of each row but the last, known a step later."""
    move = np.append(moves, 0).astype(np.float32)[:, None]
    known, ones = (rows.ts + STEP)[:, None], np.ones_like(move)
    valid = (np.arange(len(move)) < len(moves))[:, None]
    return Labels((MID,), np.sign(move) + 1, move, known, valid, ones)


def test_where_members_take_turns_the_weights_that_follow_are_heard():
    _, heard, known = turns(600, 60)
    found = Fallback(tried=FAST).fit(heard, known)
    verdict = found.verdicts[str(MID)]
    assert verdict.heard == "adaptive" and verdict.combined
    later = turns(600, 60, START + 700 * SECOND, seed=1)
    y = np.sign(np.diff(later[1].quote["mid2"], append=0))
    alone = [loss(one, y) for one in (*later[1].said, whole(found.tried[0], later[1]))]
    assert loss(whole(found, later[1]), y) < min(alone) - 0.03


def test_a_run_tries_them():
    assert {Adaptive, Super} < {type(one) for one in Fallback().tried}


def test_where_one_is_always_right_it_is_heard_alone_though_weights_find_it():
    verdict = Fallback(tried=FAST).fit(*turns(600, 10_000)[1:]).verdicts[str(MID)]
    assert (verdict.heard, verdict.combined) == ("v0", False)


@pytest.mark.parametrize("seed", range(10))
def test_of_guesses_nothing_is_learned(seed):
    """Five guess; a sixth says that it cannot know. Whoever is followed was right by luck."""
    _, heard, known = turns(300, 60, seed=seed)
    dealt = np.random.default_rng(seed).permutation(len(known.y) - 1)
    known.y[:-1] = known.y[dealt]
    heard = heard._replace(names=(*heard.names, "v5"), said=(*heard.said, says([0.5] * 3_000)))
    assert Fallback(tried=FAST).fit(heard, known).verdicts[str(MID)].heard == "v5"


def test_voters_whose_strength_stays_are_not_followed():
    odds, y = normal(5, 6_000, 0.5, 0.2)
    verdict = Fallback(tried=FAST).fit(voters(odds), labels(y)).verdicts["mid@500ms"]
    assert verdict.heard == "mean"


@pytest.mark.parametrize("of", FAST[1:])
def test_a_half_is_judged_by_what_was_known_there(of):
    """What is said of rows is the same whatever comes after them, and whatever came before."""
    _, heard, known = turns(60, 20)
    fitted = anew(
        of.fit(heard, known._replace(valid=known.valid & (heard.ts < heard.ts[200])[:, None]))
    )
    some = whole(fitted, heard, 300, 600)
    spoiled = heard._replace(quote=heard.quote.copy())
    spoiled.quote["mid2"][400:] = 1_000
    spoiled.quote["mid2"][:300] = 1_000
    alike([cut(whole(fitted, spoiled, 300, 600), 0, 100)], cut(some, 0, 100))
    assert whole(fitted, spoiled, 300, 600).proba.tobytes() != some.proba.tobytes()


@pytest.mark.parametrize("of", FAST[1:])
def test_rows_that_taught_the_weights_do_not_move_them_again(of):
    """Begun before them, among them or after them, it says the same of the rows after them."""
    _, heard, known = turns(120, 20)
    early = known._replace(valid=known.valid & (known.known_at <= heard.ts[600]))
    fitted = of.fit(heard, early)
    found = [whole(fitted, heard, k) for k in (0, 300, 601)]
    alike([cut(found[0], 601, 1_200)], cut(found[1], 301, 900))
    alike([cut(found[0], 601, 1_200)], found[2])
    first = found[0].proba[:, 0]
    assert whole(anew(fitted), heard).proba[601:, 0].tobytes() != first[601:].tobytes()
    again = of.load(fitted.params())
    alike([whole(again, heard)], found[0])


def test_rows_are_parted_between_instants():
    _, heard, _ = turns(10, 5)
    twice = heard._replace(ts=np.repeat(heard.ts[:50], 2))
    parts = list(spans(twice, 3, 98, 10))
    assert [len(p.ts) for p in parts][:2] == [11, 10] and sum(len(p.ts) for p in parts) == 95
    assert all(a.ts[-1] < b.ts[0] for a, b in pairwise(parts))
    assert [len(p.ts) for p in spans(twice, 7, 7, 10)] == [0] and AT_ONCE > 10
