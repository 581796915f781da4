"""The doctor says what is broken, and is not broken by it."""

import pytest

from flowsense import doctor
from flowsense.errors import InputError


@pytest.mark.slow
def test_everything_works_here(flowsense):
    found = flowsense("doctor")
    assert found.code == 0 and found.out.endswith("Everything works.\n")
    assert "BROKEN" not in found.out and "holds on 1,200 simulated events" in found.out


def test_an_old_python_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST", (4, 0))
    found = doctor.run("python", doctor.python)
    assert not found.works and found.said.endswith(": install 3.11 or newer")


def test_a_cache_that_cannot_be_written_is_named(flowsense, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLOWSENSE_CACHE", str(tmp_path / "file" / "below"))
    some = {name: doctor.checks()[name] for name in ("python", "cache")}
    monkeypatch.setattr(doctor, "checks", lambda: some)
    found = flowsense("doctor")
    assert found.code == 1 and "BROKEN cache" in found.out and "ok     python" in found.out
    assert "file/below: cannot be written" in found.out and found.out.endswith("Broken: cache.\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AssertionError("random pieces: X differs\nmore"), "random pieces: X differs"),
        (ImportError("no numba"), "no numba"),
        (InputError("bad"), "bad"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_what_a_check_raises_is_said_in_a_line(error, said):
    def broken():
        raise error

    assert doctor.run("it", broken) == ("it", False, said)
