"""Every trial is written down once, and the next is judged among all."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate.tried import NAME, Trial, Trials


def trial(config, data="d", seed=0, n=40, edge=0.0, **changes):
    returns = np.random.default_rng(seed).normal(edge, 1, n).tolist()
    made = {"name": f"run {config}", "unit": "day", "start": 0, "returns": tuple(returns)}
    return Trial(data, config, **made | changes)


def test_trials_of_the_same_data_are_kept_once_each(tmp_path):
    book = Trials(tmp_path)
    assert book.path == tmp_path / NAME and book.of("d") == ()
    for one in (trial("a"), trial("b", seed=1), trial("a"), trial("c", data="other")):
        book.add(one)
    assert [t.config for t in book.of("d")] == ["a", "b"]
    assert book.of("d")[1] == trial("b", seed=1)
    assert len(book.path.read_bytes().splitlines()) == 4


def test_the_best_is_judged_among_all_that_were_tried(tmp_path):
    book, good = Trials(tmp_path / "deeper" / NAME), trial("good", edge=0.6)
    book.add(good)
    alone = book.of("d").judge(good)
    for k in range(60):
        book.add(trial(str(k), seed=k + 1, start=0 if k < 20 else 5))
    among = book.of("d").judge(good)
    assert alone.found and alone.trials == 1
    assert among.trials == 61 and among.deflated < alone.deflated
    assert among.name == "run good" and 15 < among.effective <= 61
    worse = book.of("d").judge(trial("3", seed=4))
    assert worse.name == "run 3" and not worse.found and worse.trials == 61
    assert Trials(tmp_path / "none").of("d").judge(good).trials == 1


def test_too_few_periods_say_nothing(tmp_path):
    book, short = Trials(tmp_path), trial("a", n=9)
    book.add(short)
    assert book.of("d").judge(short) is None


def test_a_line_that_was_cut_off_hides_no_other(tmp_path):
    book = Trials(tmp_path)
    book.add(trial("a"))
    with book.path.open("ab") as file:
        file.write(b'{"data":"d","con')
    book.add(trial("b"))
    assert [t.config for t in book.of("d")] == ["a", "b"]


@pytest.mark.slow
def test_many_writers_lose_nothing(tmp_path):
    book = Trials(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: Trials(tmp_path).add(trial(str(k), seed=k)), range(40)))
    assert {t.config for t in book.of("d")} == {str(k) for k in range(40)}


@pytest.mark.parametrize("line", ['{"data":"d"}', "[1]", '{"data":1,"config":"a","name":"a",'
                                  '"unit":"day","start":0,"returns":[]}'])  # fmt: skip
def test_a_line_that_is_no_trial_is_named(tmp_path, line):
    book = Trials(tmp_path)
    book.add(trial("a"))
    with book.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 2 is no trial"):
        book.of("d")


def test_nothing_is_written_of_what_is_no_number_or_where_nobody_may(tmp_path):
    with pytest.raises(InputError, match="return nan of period 1"):
        Trials(tmp_path).add(trial("a", returns=(0.0, np.nan)))
    assert not (tmp_path / NAME).exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Trials(tmp_path / "file" / "x").add(trial("a"))
    (tmp_path / "folder" / NAME).mkdir(parents=True)
    with pytest.raises(InputError, match="Is a directory"):
        Trials(tmp_path / "folder").of("d")
