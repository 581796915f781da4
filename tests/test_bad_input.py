"""What users get wrong: one sentence with the place and the fix, code 2, and nothing written."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

NAME = "XYZ_2012-06-21_34200000_57600000_{}_1.csv"
MESSAGE, BOOK = NAME.format("message"), NAME.format("orderbook")
QUOTES = "ts,bid,ask,bid_size,ask_size"
ROWS = 300


def messages():
    return [
        f"{34200 + k / 2:.9f},1,{k + 1},{10 + k % 7},{1000000 - k % 3 * 100},1" for k in range(ROWS)
    ]


def books():
    return [
        f"{1000100 + k % 2 * 100},{5 + k % 9},{1000000 - k % 3 * 100},{7 + k % 11}"
        for k in range(ROWS)
    ]


def quotes():
    return [
        f"{1_700_000_000 + k / 2:.1f},{99.5 - k % 3 / 2},{100.5 + k % 2 / 2},3,4"
        for k in range(ROWS)
    ]


def changed(lines, row, line):
    return [*lines[: row - 1], line, *lines[row:]]


def text(lines):
    return "\n".join(lines) + "\n"


@pytest.fixture
def pair(tmp_path):
    """Writes a LOBSTER-like recording of one level; -> its message file."""

    def write(message=None, book=None):
        (tmp_path / BOOK).write_text(text(book or books()))
        (tmp_path / MESSAGE).write_text(text(message or messages()))
        return tmp_path / MESSAGE

    return write


@pytest.fixture
def table(tmp_path):
    """Writes a CSV table of quotes, one row of it changed."""

    def write(row=None, line="", header=QUOTES):
        path = tmp_path / "quotes.csv"
        path.write_text(text([header, *(changed(quotes(), row, line) if row else quotes())]))
        return path

    return write


@pytest.fixture
def refused(flowsense, tmp_path):
    """Runs, and gives the one sentence that it was refused with."""

    def run(*sources, options=()):
        out = tmp_path / "out"
        quick = ("--models", "vote", "--targets", "mid@1s", "--families", "depth,ofi,flow")
        found = flowsense("run", *sources, "--out", out, *quick, *options)
        assert found.code == 2 and found.out == "" and not out.exists()
        assert found.err.startswith("flowsense: ") and found.err.count("\n") == 1
        assert not list(tmp_path.glob(".*draft*"))
        return found.err

    return run


@pytest.mark.slow
def test_good_input_is_not_refused(flowsense, pair, table, tmp_path):
    for path in (pair(), table()):
        found = flowsense(
            "run",
            path,
            "--out",
            tmp_path / "out",
            "--models",
            "vote",
            "--targets",
            "mid@1s",
            "--dry-run",
        )
        assert found.code == 0 and found.err == ""


@pytest.mark.parametrize("damage", ["cut off", "changed"])
def test_damaged_compression(refused, pair, tmp_path, damage):
    path = pair()
    data = pa.compress(path.read_bytes(), codec="zstd", asbytes=True)
    half = len(data) // 2
    broken = data[:half] if damage == "cut off" else data[:half] + bytes(99) + data[half + 99 :]
    path.unlink()
    compressed = tmp_path / f"{MESSAGE}.zst"
    compressed.write_bytes(broken)
    assert f"{compressed}: its .zst compression is damaged or cut off: copy" in refused(compressed)


def test_an_empty_file(refused, pair):
    path = pair()
    path.write_text("")
    assert f"{path}: is empty: copy or download it again" in refused(path)


def test_a_missing_partner(refused, pair, tmp_path):
    path = pair()
    (tmp_path / BOOK).unlink()
    said = refused(path)
    assert f"{path}: {BOOK} is not beside it: put it there" in said


def test_a_wrong_number_of_levels(refused, pair):
    said = refused(pair(book=changed(books(), 6, "1000100,5,1000000,7,1000200,4,999900,8")))
    assert f"{BOOK}: row 6 has 8 columns, not 4: download the file again" in said


def test_fewer_rows_than_its_partner(refused, pair):
    assert f"{BOOK}: ends after row 297" in refused(pair(book=books()[:-3]))


def test_wrong_columns(refused, table):
    said = refused(table(header="when,b,a,c,d"))
    assert "quotes.csv: no column for ts" in said and "write --columns ts=when" in said


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("34203.0,1,8,10,nan,1", "'nan' is not a whole number"),
        ("34203.0,1,8,10,-1000000,1", "price -1000000: it cannot be"),
        ("34203.0,4,8,0,1000000,1", "size 0: it cannot be"),
        ("34203.0,1,8,-5,1000000,1", "size -5: it cannot be"),
        ("34190.0,1,8,10,1000000,1", "is before the row above"),
        ("34203.0,1,8,10,1000000", "has 5 columns, not 6"),
    ],
)
def test_a_wrong_message(refused, pair, line, what):
    said = refused(pair(message=changed(messages(), 8, line)))
    assert f"{MESSAGE}: row 8" in said and what in said


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("nan,5,1000000,7", "column 1: 'nan' is not a whole number"),
        ("1000100,5,-1000000,7", "price -1000000: it cannot be"),
        ("1000100,5,0,7", "price 0: it cannot be"),
        ("1000100,-5,1000000,7", "size -5: it cannot be"),
    ],
)
def test_a_wrong_book(refused, pair, line, what):
    said = refused(pair(book=changed(books(), 8, line)))
    assert f"{BOOK}: row 8" in said and what in said


@pytest.mark.parametrize(
    ("line", "column", "what"),
    [
        ("1700000002.5,nan,100.5,3,4", "bid", "'nan' should be above 0"),
        ("1700000002.5,-99.5,100.5,3,4", "bid", "'-99.5' should be above 0"),
        ("1700000002.5,99.5,0,3,4", "ask", "'0' should be above 0"),
        ("1700000002.5,99.5,100.5,-3,4", "bid_size", "'-3' should be above 0"),
        ("1700000002.5,99.5,100.5,3,inf", "ask_size", "'inf' is not a finite number"),
        ("1600000002.5,99.5,100.5,3,4", "ts", "goes back in time: sort the table, or add --sort"),
    ],
)
def test_a_wrong_quote(refused, table, line, column, what):
    said = refused(table(6, line))
    assert f"quotes.csv: row 6, column '{column}':" in said and what in said


def test_a_recording_that_is_too_short(refused, tmp_path):
    path = tmp_path / "short.csv"
    path.write_text(text([QUOTES, *quotes()[:5]]))
    assert f"{path}: the recording is too short for any target: mid@1s" in refused(path)


def test_a_file_in_no_format(refused, tmp_path):
    path = tmp_path / "notes.bin"
    path.write_bytes(b"\0\1\2")
    assert f"{path}: is in none of the formats lobster" in refused(path)


def test_a_file_that_is_not_there(refused, tmp_path):
    assert "no such file or folder: check the name" in refused(tmp_path / "none.csv")
    assert "no file matches: check the name" in refused(tmp_path / "*.none")


def test_the_same_file_for_training_and_testing(refused, table):
    path = table()
    assert f"{path}: is named for training and for testing" in refused(
        path, options=("--test", path)
    )


def test_places_that_cannot_be_written(flowsense, table, tmp_path):
    source, file, folder = table(), tmp_path / "file", tmp_path / "folder"
    file.write_text("mine")
    folder.mkdir()
    (folder / "mine").write_text("mine")
    for place, what in (
        (file, "is a file: name a folder"),
        (file / "below", "cannot be written"),
        (folder, "holds something that is not a run: name another folder"),
    ):
        found = flowsense("run", source, "--out", place)
        assert found.code == 2 and what in found.err and found.err.count("\n") == 1
    assert file.read_text() == "mine" and [p.name for p in folder.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--format", "lobstr"), "source 'lobstr' is unknown: did you mean lobster?"),
        (("--models", "majorty"), "model 'majorty' is unknown: did you mean majority?"),
        (("--models", ""), "no model is named: give names, fast or all"),
        (("--targets", "mid500"), "--targets: target 'mid500': write kind@horizon"),
        (("--targets", "mid@5x"), "--targets: duration '5x': write a whole number and a unit"),
        (("--targets", ","), "--targets: no target is named"),
        (("--clock", "ticks:5"), "--clock: clock 'ticks:5': write interval:100ms"),
        (("--clock", "interval:5"), "--clock: duration '5': write a whole number and a unit"),
        (("--families", "offi"), "--families: family 'offi' is unknown: did you mean ofi?"),
        (("--split", "tst"), "split 'tst': write train, validation, test"),
        (("--epochs", "ten"), "--epochs: 'ten': write a whole number"),
        (("--epochs", "0"), "epochs 0: must be above 0"),
        (("--budget", "3"), "--budget: duration '3': write a whole number and a unit"),
        (("--seed", "-1"), "--seed: '-1': write a whole number"),
        (("--tick", "0"), "--tick '0': write a number above 0, like 0.01"),
        (("--tick", "1e-2"), "--tick '1e-2': write a number above 0, like 0.01"),
        (("--unit", "h"), "unit 'h': write one of s, ms, us, ns, iso"),
        (("--columns", "when=ts"), "--columns 'when=ts': write FIELD=COLUMN with one of ts"),
        (("--start", "yesterday"), "--start: 'yesterday': write a time like 2024-08-08T09:30"),
        (
            ("--start", "2030-01-01"),
            "quotes.csv: no row lies between start and end: the recording is from 20",
        ),
        (
            ("--start", "2024-01-02", "--end", "2024-01-01"),
            "--start: start 2024-01-02T00:00:00Z is not before end 2024-01-01T00:00:00Z: swap",
        ),
    ],
)
def test_options(refused, table, options, what):
    assert what in refused(table(), options=options)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[run]\nepoch = 3", "run.epoch: there is no such key, did you mean epochs? the keys are"),
        ("[runs]\nepochs = 3", "runs: there is no such key, did you mean run? the keys are run"),
        ("run = 3", "run: write a table, [run]"),
        ("[run]\nepochs = 'x'", "run.epochs: 'x': write a whole number"),
        ("[run]\nepochs = true", "run.epochs: True: write a whole number"),
        ("[run]\nmodels = 3", "run.models: 3: write a list of names"),
        ("[run]\nsplit = 3", "run.split: 3: write a text"),
        ("[run", "is not TOML"),
    ],
)
def test_a_config_file(refused, table, tmp_path, content, what):
    file = tmp_path / "mine.toml"
    file.write_text(content)
    said = refused(table(), options=("--config", file))
    assert str(file) in said and what in said


def test_a_config_file_that_is_not_there(refused, table, tmp_path):
    said = refused(table(), options=("--config", tmp_path / "none.toml"))
    assert "none.toml: cannot be read: No such file or directory: check the name" in said


def test_the_environment(refused, table, monkeypatch):
    monkeypatch.setenv("FLOWSENSE_RUN_EPOCH", "3")
    assert "FLOWSENSE_RUN_EPOCH: there is no such key, did you mean epochs?" in refused(table())


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (("rum", "x"), "No such command 'rum'. Did you mean 'run'?"),
        (("run", "x", "--ot", "y"), "No such option: --ot (Possible options: "),
        (("run", "x"), "Missing option '--out'"),
        (("run", "--out", "x"), "Missing argument 'SRC'"),
        (("list", "modls"), "'modls' is not one of 'models'"),
    ],
)
def test_words_that_are_no_command(flowsense, args, what):
    found = flowsense(*args)
    assert found.code == 2 and what in found.err and "--help" in found.err


@pytest.mark.slow
def test_in_a_process_of_its_own(tmp_path):
    program = Path(sys.executable).with_name("flowsense")
    file = tmp_path / "empty.csv"
    file.write_text("")
    found = subprocess.run(
        [program, "run", file, "--out", tmp_path / "out"], capture_output=True, text=True
    )
    assert found.returncode == 2 and found.stdout == ""
    assert found.stderr.startswith(f"flowsense: {file}: ") and found.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["empty.csv"]
