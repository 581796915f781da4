"""The command: what it refuses before it reads, and what it prints of files of FI-2010's form."""

import json

import pytest


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--models", "lstm"], "model 'lstm': known are mlplob"),
        (["--protocol", "both"], "--protocol 'both': write split or anchored"),
        (["--against", "then"], "--against 'then': write now or past"),
        (["--horizons", "0"], "--horizons '0': write numbers of events"),
        (["--horizons", "ten"], "'ten': write a whole number"),
        (["--threshold", "2t"], "--threshold '2t': write basis points"),
        (["--budget", "soon"], "soon"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(flowsense, flags, why):
    found = flowsense("fi2010", "nowhere", *flags)
    assert found.code == 2 and why in found.err and found.err.count("\n") == 1


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    for what, days, columns in (("Train", (7,), 600), ("Test", (7, 8, 9), 80)):
        for day in days:
            lines = [" ".join(str((i * k) % 7) for i in range(columns)) for k in range(144)]
            classes = " ".join(str(i % 3 + 1) for i in range(columns))
            path = folder / f"{what}_Dst_NoAuction_ZScore_CF_{day}.txt"
            path.write_text("\n".join([*lines, *[classes] * 5]))
    return folder


@pytest.mark.slow
@pytest.mark.compiled
def test_files_of_the_benchmark_are_scored_beside_what_others_published(flowsense, files):
    pytest.importorskip("torch")
    flags = ["--models", "binctabl", "--epochs", 1, "--horizons", "10,50", "--out", "all.json"]
    found = flowsense("fi2010", files, *flags)
    assert found.code == 0 and found.err == "" and "published: by others" in found.out
    with open("all.json") as file:
        first, second = json.load(file)["scores"]
    assert (first["horizon"], first["rows"], first["published"]) == (10, 231, 0.811)
    assert first["nulls"].keys() == {"majority", "persistence", "past mean"}
    assert second["walk"] is None and 0 <= second["macro_f1"] <= 1
