"""A paper account is a backtest, however its stream is cut and whenever its process ends."""

import os
from dataclasses import dataclass, replace
from shutil import copytree
from typing import NamedTuple

import numpy as np
import orjson
import pytest
from papers import MAKER, OFTEN, PLAN, SELDOM, TWO, chunk, found, market, opened, pieces, traded

from flowsense.backtest.arms import Arm, Arms
from flowsense.backtest.consumed import ahead, encoded
from flowsense.backtest.paper import Care
from flowsense.backtest.strategies import asked
from flowsense.errors import InputError
from flowsense.exchange.matching import MARKET
from flowsense.schema import SECOND

pytestmark = pytest.mark.compiled


@pytest.fixture(scope="module")
def made():
    return market()


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """The files of a session that nobody has interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "paper"
    return traded(opened(folder, made, TWO), pieces(made.events, [300]))


@pytest.mark.slow
def test_it_earns_what_a_backtest_does(made, tmp_path):
    arms = Arms(TWO, made.instruments)
    arms.push(chunk(made.events))
    paper = opened(tmp_path / "paper", made, TWO, OFTEN)
    for part in pieces(made.events, range(150, len(made.events), 150)):
        paper.push(part)
    for name, result in paper.results().items():
        expected = arms.results()[name]
        assert len(result.fills) > 5
        assert result.fills.tobytes() == expected.fills.tobytes()
        assert result.marks.tobytes() == expected.marks.tobytes()
        assert (result.orders, result.config) == (expected.orders, expected.config)
    paper.close()


@pytest.mark.parametrize(
    ("seed", "care"), [pytest.param(0, SELDOM, marks=pytest.mark.slow), (1, OFTEN)]
)
def test_left_at_any_moment_it_goes_on_as_if_it_had_not_been(made, whole, tmp_path, seed, care):
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.choice(len(made.events), 12, replace=False))
    for n in rng.integers(0, 6, 3):
        paper = opened(tmp_path / "paper", made, TWO, care)
        for _, part in zip(
            range(n), ahead(pieces(made.events, cuts), paper.position), strict=False
        ):
            paper.push(part)
        paper.let_go()
    paper = opened(tmp_path / "paper", made, TWO, care)
    assert paper.recovery.notes == paper.recovery.differences == ()
    assert traded(paper, pieces(made.events, cuts[::2])) == whole


def test_a_session_that_was_finished_goes_on_with_a_longer_recording(made, whole, tmp_path):
    half = len(made.events) // 2
    traded(opened(tmp_path / "paper", made, TWO), pieces(made.events[:half], [99]))
    paper = opened(tmp_path / "paper", made, TWO)
    assert paper.finished and not paper.recovery.fresh
    assert traded(paper, pieces(made.events, [half + 5])) == whole


@pytest.fixture(scope="module")
def left(made, tmp_path_factory):
    """A folder with two states, records after them, and lines beyond them."""
    folder = tmp_path_factory.mktemp("left") / "paper"
    paper = opened(folder, made, TWO)
    for k, part in enumerate(pieces(made.events, range(60, 800, 60))[:9]):
        paper.push(part)
        if k in (3, 6):
            paper.save()
    paper.let_go()
    return folder


@pytest.fixture
def crashed(left, tmp_path):
    """A copy of it, to be harmed."""
    return copytree(left, tmp_path / "crashed")


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2, 3))])
def test_a_journal_that_is_cut_anywhere_loses_nothing_of_a_recording(made, whole, crashed, seed):
    path = crashed / "journal/00000002.records"
    os.truncate(path, np.random.default_rng(seed).integers(0, path.stat().st_size))
    paper = opened(crashed, made, TWO)
    assert any("not written to its end" in note for note in paper.recovery.notes)
    assert traded(paper, pieces(made.events, [77])) == whole


@pytest.mark.slow
def test_a_state_that_is_cut_anywhere_is_passed_over(made, whole, crashed, tmp_path):
    path = crashed / "journal/00000002.state"
    for size in (0, 5, *np.random.default_rng(1).integers(0, path.stat().st_size, 2)):
        place = copytree(crashed, tmp_path / f"cut{size}")
        os.truncate(place / "journal/00000002.state", size)
        paper = opened(place, made, TWO)
        assert paper.recovery.notes == ("00000002.state is damaged, an older state was taken",)
        assert traded(paper, pieces(made.events, [77])) == whole


def test_lines_that_a_crash_left_behind_are_cut_off(made, whole, crashed):
    with (crashed / "a-coin/fills.jsonl").open("ab") as file:
        file.write(b'{"ts":17042')
    paper = opened(crashed, made, TWO)
    (note,) = paper.recovery.notes
    assert note.endswith("a-coin/fills.jsonl came out otherwise than it was")
    assert traded(paper, pieces(made.events, [77])) == whole


def test_the_loss_of_power_before_the_journal_was_synced_is_told(made, whole, crashed):
    os.truncate(crashed / "journal/00000002.records", 0)
    paper = opened(crashed, made, TWO)
    assert any("a-coin/fills.jsonl came out otherwise" in note for note in paper.recovery.notes)
    assert traded(paper, pieces(made.events, [77])) == whole


@pytest.mark.parametrize("change", ["cut", "changed"])
def test_lines_that_were_changed_are_refused(made, crashed, change):
    path = crashed / "a-coin/fills.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:20] if change == "cut" else data.replace(b"1", b"2", 1))
    with pytest.raises(InputError, match=r"fills.jsonl: is not as it was left: begin in another"):
        opened(crashed, made, TWO)


def test_executions_without_a_journal_are_refused(made, crashed):
    for path in (crashed / "journal").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="journal: is empty: begin in another folder"):
        opened(crashed, made, TWO)


def test_bad_records_are_as_if_they_had_not_been_pushed(made, whole, tmp_path):
    parts = pieces(made.events, [250, 450])
    paper = opened(tmp_path / "paper", made, TWO)
    paper.push(parts[0])
    late = parts[1].events.copy()
    late["ts_recv"] -= 100 * SECOND
    with pytest.raises(InputError, match="give them in order"):
        paper.push(chunk(late))
    paper.push(parts[1])
    with pytest.raises(InputError, match="instrument 7, the table holds 3"):
        paper.push(chunk(alien(parts[2].events)))
    assert traded(paper, parts) == whole


@dataclass(frozen=True)
class Fails:
    """Asks for no lots once it is late."""

    ts: int

    def init(self, instruments):
        return Nothing()

    def decide(self, state, view):
        return state, asked([(view.ts, 1, 0, 0, 0, MARKET, 1)] if view.ts > self.ts else [])


class Nothing(NamedTuple):
    pass


def test_what_the_fold_refuses_is_taken_back(made, tmp_path):
    parts = pieces(made.events, [250, 450])
    plan = replace(PLAN, strategy=Fails(int(made.events["ts_recv"][250])))
    arms = {"fails": TWO["maker"]._replace(plan=plan)}
    for _ in range(2):
        paper = opened(tmp_path / "paper", made, arms)
        with pytest.raises(InputError, match="request 0 of the strategy"):
            for part in ahead(parts, paper.position):
                paper.push(part)
        paper = opened(tmp_path / "paper", made, arms)
        assert paper.position.counts == (250, 0, 0)
        paper.let_go()


def test_what_the_fold_refuses_is_taken_back_after_a_kill_too(made, tmp_path):
    plan = replace(PLAN, strategy=Fails(0))
    arms = {"fails": TWO["maker"]._replace(plan=plan)}
    paper = opened(tmp_path / "paper", made, arms)
    paper.journal.append(encoded(chunk(made.events[:600])))
    paper.let_go()
    with pytest.raises(InputError, match="request 0 of the strategy"):
        opened(tmp_path / "paper", made, arms)
    again = opened(tmp_path / "paper", made, arms)
    assert again.recovery.fresh
    again.let_go()


def alien(events):
    """The same of an instrument that nobody knows."""
    events = events.copy()
    events["instrument"] = 7
    return events


def test_another_recording_is_refused(made, crashed):
    paper = opened(crashed, made, TWO)
    other = made.events.copy()
    other["lots"][3] += 1
    with pytest.raises(InputError, match="its first 540 events are not those that were traded"):
        traded(paper, pieces(other, []))
    with pytest.raises(InputError, match="ends after 300 events, 540 of it were traded"):
        traded(paper, pieces(made.events[:300], []))
    paper.close()


@pytest.mark.parametrize(
    ("arms", "told"),
    [
        ({"maker": TWO["maker"]}, "arms a coin capital 1000000.0, not nothing"),
        (
            TWO | {"maker": TWO["maker"]._replace(plan=replace(PLAN, capital=5.0))},
            r"arms maker capital 1000000.0, not 5.0: give the same, or another folder",
        ),
    ],
)
def test_other_settings_are_refused(made, crashed, arms, told):
    before = found(crashed)
    with pytest.raises(InputError, match=told):
        opened(crashed, made, arms)
    assert found(crashed) == before


def test_other_instruments_are_refused(made, crashed):
    first, *rest = made.instruments
    other = made._replace(instruments=(first._replace(depth=5), *rest))
    with pytest.raises(InputError, match="instruments 0 depth 10, not 5"):
        opened(crashed, other, TWO)


def test_one_process_trades_in_a_folder(made, tmp_path):
    paper = opened(tmp_path / "paper", made)
    with pytest.raises(InputError, match=f"process {os.getpid()} trades in it: end that one first"):
        opened(tmp_path / "paper", made)
    paper.close()
    opened(tmp_path / "paper", made).close()


def test_a_folder_of_something_else_is_left_alone(made, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InputError, match="holds something that is not a paper account"):
        opened(tmp_path, made)
    with pytest.raises(InputError, match="mine: is a file: name a folder"):
        opened(tmp_path / "mine", made)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_whose_settings_are_damaged_is_refused(made, crashed):
    (crashed / "paper.json").write_bytes(b"{")
    with pytest.raises(InputError, match=r"paper.json: is damaged: begin in another folder"):
        opened(crashed, made, TWO)


@pytest.mark.parametrize("name", ["../up", "", "journal", "a/b"])
def test_an_arm_is_named_like_a_folder(made, tmp_path, name):
    arms = TWO | {name: Arm(*TWO["maker"])}
    with pytest.raises(InputError, match="give a name of letters"):
        opened(tmp_path / "paper", made, arms)
    assert not (tmp_path / "paper").exists()


@pytest.mark.slow
def test_what_is_kept_does_not_grow(made, tmp_path):
    paper = opened(
        tmp_path / "paper", made, MAKER, Care(folded_ns=0, share=np.inf, status_ns=2**62)
    )
    sizes = []
    for part in pieces(made.events, range(80, len(made.events), 80)):
        paper.push(part)
        run = paper.arms.runs["maker"]
        assert len(run.fills) == len(run.marks) == 1
        sizes.append(sum(p.stat().st_size for p in (tmp_path / "paper/journal").iterdir()))
    assert len(list((tmp_path / "paper/journal").iterdir())) == 4
    assert max(sizes) < 1.1 * sizes[2]
    paper.close()


def test_the_status_is_told_once_a_second_and_says_all(made, tmp_path):
    paper = opened(tmp_path / "paper", made, MAKER, replace(SELDOM, status_ns=SECOND))
    path, seen = tmp_path / "paper/status.json", set()
    for part in pieces(made.events, range(50, 600, 50)):
        paper.push(part)
        seen.add(path.read_bytes())
        paper.clock.sleep(SECOND // 5)
    assert len(seen) == 3
    paper.close()
    status = orjson.loads(path.read_bytes())
    assert status["position"] == {"events": len(made.events), "bars": 0, "observations": 0} | {
        "ts": int(made.events["ts_recv"][-1])
    }
    maker = status["arms"]["maker"]
    assert set(maker["positions"]) == {"SIMA", "SIMB", "SIMC"} and len(maker["signals"]) == 3
    assert maker["vetoes"] and maker["differences"] == []


@pytest.mark.slow
def test_all_end_at_the_same_record_wherever_they_were_interrupted(made, tmp_path):
    ts, parts = made.events["ts_recv"], pieces(made.events, range(100, len(made.events), 100))
    arms = {"early": TWO["a coin"]._replace(plan=replace(TWO["a coin"].plan, end=int(ts[450])))}
    ends = []
    for left in (0, 2, 4.5, 5):
        folder = tmp_path / f"left{left}"
        paper = opened(folder, made, arms)
        for part in pieces(made.events[: int(100 * left)], [33, 222]):
            paper.push(part)
        paper.let_go()
        for _ in range(2):
            paper = opened(folder, made, arms)
            for part in ahead(parts, paper.position, lambda paper=paper: paper.over):
                paper.push(part)
            paper.finish()
        ends.append((paper.position, found(folder)))
    assert ends[0][0].counts == (500, 0, 0) and all(end == ends[0] for end in ends)


@pytest.mark.parametrize(
    "writes", [5, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 8, 11))]
)
def test_a_disk_that_is_full_ends_it_in_a_sentence_and_loses_nothing(
    made, whole, tmp_path, monkeypatch, writes
):
    parts, write, left = pieces(made.events, range(50, len(made.events), 50)), os.write, [writes]

    def fill(file, data):
        left[0] -= 1
        if left[0] > 0:
            return write(file, data)
        if left[0] == 0:
            return write(file, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    paper = opened(tmp_path / "paper", made, TWO)
    for part in parts[:6]:
        paper.push(part)
    monkeypatch.setattr("os.write", fill)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        for part in parts[6:]:
            paper.push(part)
    monkeypatch.undo()
    paper.let_go()
    assert traded(opened(tmp_path / "paper", made, TWO), parts) == whole
