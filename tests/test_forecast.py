import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.forecast import SIGNAL, Signal, Target, Veto, Width

TEXTS = ["mid@500ms", "barrier@30s", "barrier:2x@30s", "barrier:4t@1m", "smoothed:1.5bp@1s"]


@pytest.mark.parametrize("text", [*TEXTS, "barrier:0.000001x@1ns", "smoothed:999999.5t@5s"])
def test_a_target_is_read_back_from_what_it_says(text):
    assert str(Target.parse(text)) == text
    assert Target.parse(str(Target.parse(text))) == Target.parse(text)


def test_a_width_is_a_part_of_the_target():
    assert Target("barrier", 10**9) == Target.parse("barrier@1s")
    assert Target.parse("barrier:2x@1s") == Target("barrier", 10**9, Width(2.0, "x"))
    assert Target.parse("barrier:2.50x@1s").name == "barrier:2.5x"
    assert len({Target.parse(f"barrier{w}@1s") for w in ("", ":1x", ":1t", ":2t")}) == 4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("barrier", "write kind@horizon"),
        ("size@1s", "write kind@horizon"),
        ("mdi@1s", "did you mean mid?"),
        ("Barier:2x@1s", "did you mean barrier?"),
        ("barrier:2@1s", "width '2'"),
        ("barrier:@1s", "width ''"),
        ("barrier:-2x@1s", "width '-2x'"),
        ("barrier:0x@1s", "width '0x'"),
        ("barrier:nant@1s", "width 'nant'"),
        ("barrier:1e9t@1s", "width '1e9t'"),
        ("mid:2t@1s", "2t is no width of mid"),
        ("smoothed:2x@1s", "2x is no width of smoothed"),
        ("barrier:2x@0s", "duration '0s'"),
    ],
)
def test_what_is_no_target_is_refused(text, why):
    with pytest.raises(InputError, match=why):
        Target.parse(text)


def test_a_signal_names_what_forbids_it():
    record = np.zeros(1, SIGNAL)
    record["ts"], record["side"], record["size"], record["stop2"] = 5, 1, 0.1, 2001
    good = Signal.of(record[0])
    record["vetoes"] = Veto.DRAWDOWN | Veto.TOO_FEW
    bad = Signal.of(record[0])
    assert good.should_trade
    assert good.stop == 1000.5
    assert bad.vetoes == ("too_few", "drawdown")
    assert not bad.should_trade
