"""From names to sources: folders, globs, formats by name and by content, and what is refused."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.registry import load
from flowsense.schema import Decimal
from flowsense.sources.lobster import Lobster
from flowsense.sources.merge import Merged
from flowsense.sources.open import FORMATS, open_source

MESSAGE = "34200.1,1,7,50,100000,1\n"
BOOK = "100100,100,100000,50\n"
PLUGIN = """
from flowsense.sources.lobster import Lobster

def claims(path, head):
    return head.startswith(b"#quux")

def open(paths, *, message):
    return [Lobster(message) for path in paths]
"""


def day(folder, symbol="ABC", date="2012-06-21"):
    """A recording of one line; its message file."""
    stem = f"{symbol}_{date}_34200000_57600000_{{}}_1.csv"
    folder.mkdir(exist_ok=True)
    (folder / stem.format("orderbook")).write_text(BOOK)
    (folder / stem.format("message")).write_text(MESSAGE)
    return folder / stem.format("message")


def test_one_recording_is_its_own_source(tmp_path):
    message = day(tmp_path)
    source = open_source(message, tick=Decimal(1, -4))
    assert isinstance(source, Lobster)
    assert source.pair == Lobster(message, tick=Decimal(1, -4)).pair
    assert open_source([str(message), tmp_path, message]).name == str(message)


def test_a_folder_opens_each_recording_once_and_passes_strangers_over(tmp_path):
    day(tmp_path), day(tmp_path, "DEF"), day(tmp_path / "sub", "GHI")
    (tmp_path / "ReadMe.txt").write_text("what this is")
    day(tmp_path / ".hidden", "JKL")
    source = open_source(tmp_path)
    assert isinstance(source, Merged)
    assert [i.symbol for i in source.instruments] == ["ABC", "DEF", "GHI"]


def test_a_glob_takes_what_matches(tmp_path):
    day(tmp_path), day(tmp_path, "ABD"), day(tmp_path, "DEF")
    source = open_source(str(tmp_path / "AB*message*"))
    assert [i.symbol for i in source.instruments] == ["ABC", "ABD"]


def test_days_of_one_symbol_follow_one_another(tmp_path):
    day(tmp_path, date="2012-06-22"), day(tmp_path, date="2012-06-21")
    source = open_source(tmp_path)
    ts = np.concatenate(list(source))["ts_recv"]
    assert len(source.instruments) == 1 and (np.diff(ts) >= 0).all()
    assert ts[-1] - ts[0] == 24 * 3600 * 10**9


def test_a_message_file_without_its_book_is_refused_among_others(tmp_path):
    day(tmp_path)
    lonely = day(tmp_path, "DEF")
    (tmp_path / lonely.name.replace("message", "orderbook")).unlink()
    with pytest.raises(InputError, match=r"DEF_.*_message_1.csv: .*orderbook_1.csv is not beside"):
        open_source(tmp_path)


def test_the_shared_recordings_open_by_glob(data):
    source = open_source(str(data / "lobster" / "*34200000_52200000_message*"))
    assert [i.symbol for i in source.instruments] == ["AAPL", "AMZN", "GOOG"]
    assert [i.depth for i in source.instruments] == [1, 5, 10]


def test_names_that_mean_no_file_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, why in (
        ("none.csv", "none.csv: no such file or folder: check the name"),
        ("*.csv", r"\*.csv: no file matches: check the name"),
        ("empty", "empty: the folder holds no files: name another"),
    ):
        with pytest.raises(InputError, match=why):
            open_source([tmp_path / name])
    with pytest.raises(InputError, match="no file is named"):
        open_source([])


@pytest.mark.parametrize("name", ["", "candles:", "?tick=1", "observations:?lag=1h"])
def test_an_empty_name_is_no_folder(name, tmp_path, monkeypatch):
    """An unset variable of a shell must not read whatever lies where one stands."""
    (tmp_path / "t.csv").write_text("ts,price,size\n1,2,3\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no file is named"):
        open_source(name)


def test_a_stranger_is_refused_by_name_with_the_known_formats(tmp_path):
    path = tmp_path / "ReadMe.txt"
    path.write_text("what this is")
    with pytest.raises(InputError, match=r"ReadMe.txt: is in none of the formats lobster, binance"):
        open_source(path)
    with pytest.raises(InputError, match=r"holds no file in a known format \(lobster, binance"):
        open_source(tmp_path)
    with pytest.raises(InputError, match=r"holds no file in a known format \(lobster\)"):
        open_source(tmp_path, format="lobster")
    with pytest.raises(InputError, match="source 'lobstr' is unknown: did you mean lobster"):
        open_source(path, format="lobstr")


def test_an_option_that_the_format_does_not_know_is_refused(tmp_path):
    message = day(tmp_path)
    why = r"format lobster has no option lot: leave it out, its options are tick$"
    with pytest.raises(InputError, match=rf"_message_1.csv: {why}"):
        open_source(message, lot=Decimal(1, -2))


def test_a_path_says_what_is_true_of_its_own_files_alone(tmp_path):
    message, vix = day(tmp_path), tmp_path / "vix.csv"
    vix.write_text("date,close\n2012-06-20,20.1\n2012-06-21,19.2\n")
    source = open_source([f"lobster:{message}?tick=0.0001", f"observations:{vix}?lag=16h"])
    assert source.kinds == ("close",) and source.instruments[0].tick == Decimal(1, -4)
    told = np.concatenate([chunk.observations for chunk in source.chunks()])
    assert (told["ts_recv"] - told["ts_event"] == 16 * 3600 * 10**9).all()


def test_each_format_takes_of_the_options_what_it_knows(tmp_path):
    message, vix = day(tmp_path), tmp_path / "vix.csv"
    vix.write_text("date,close\n2012-06-20,20.1\n")
    source = open_source([message, f"observations:{vix}"], lag="16h", tick=Decimal(1, -3))
    assert source.instruments[0].tick == Decimal(1, -3)


@pytest.mark.parametrize(
    ("behind", "why"),
    [
        ("?lag=16h&", "format lobster has no option lag"),
        ("?tick=0", "--tick '0': write a number above 0"),
        ("?tick=1&unit", "option 'unit': write name=value, like"),
    ],
)
def test_what_is_wrong_behind_a_path_is_told(behind, why, tmp_path):
    with pytest.raises(InputError, match=why):
        open_source(f"{day(tmp_path)}{behind}")


def test_a_file_that_is_really_called_so_goes_first(tmp_path):
    odd = tmp_path / "lobster:x?tick=1"
    odd.write_text("nothing")
    with pytest.raises(InputError, match="is in none of the formats"):
        open_source(odd)


def test_a_format_can_be_named_for_a_file_that_no_one_claims(tmp_path):
    path = tmp_path / "abc.csv"
    path.write_text(MESSAGE)
    with pytest.raises(InputError, match="name it as LOBSTER does"):
        open_source(path, format="lobster")


def test_a_format_of_another_package_is_asked_too(tmp_path, monkeypatch):
    package, file = tmp_path / "quux-1.dist-info", tmp_path / "a.quux"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: quux\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[flowsense.sources]\nquux = quux_format\n")
    (tmp_path / "quux_format.py").write_text(PLUGIN)
    file.write_text("#quux 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    message = day(tmp_path / "data")
    assert open_source(file, message=message).instruments[0].symbol == "ABC"
    with pytest.raises(InputError, match="format quux needs the option message: give it"):
        open_source(file)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_ours_has_both_functions_and_a_line(name):
    module = load("source", name, FORMATS)
    assert callable(module.claims) and callable(module.open)
    assert FORMATS[name].line and "\n" not in FORMATS[name].line
