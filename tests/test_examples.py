"""The examples do what they say, and plug in as the package that their pyproject.toml describes."""

import os
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from flowsense.errors import InputError

EXAMPLES = Path(__file__).parents[1] / "examples"
LAWS = """
from flowsense.features.catalogue import spec
from flowsense.simulate.market import Market, simulate
from flowsense.testing import check_alone_together, check_plain_python, check_stream
from flowsense.testing.mirror import check_mirror
made, turns, bulk = simulate(Market.tiny(), 20, 0), spec(("turns",)), spec(("bulk",))
few = made.events[:1_200]
for check in (check_stream, check_alone_together, check_mirror):
    check(turns, made.instruments, few)
    check(bulk, made.instruments, few)
check_plain_python(turns, made.instruments, few[:400])
"""


def run(folder, *command, path=EXAMPLES):
    """Of a Python process in `folder`, what it says."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, (path, EXAMPLES)), *sys.path])}
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def module(name):
    """An example, imported."""
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    made = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that says of the examples what an installer would."""
    project = tomllib.loads((EXAMPLES / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = tmp_path_factory.mktemp("site")
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {where}" for name, where in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
def test_families_of_another_package_keep_the_laws(installed, tmp_path):
    run(tmp_path, "-c", LAWS, path=installed)


@pytest.mark.slow
def test_a_model_of_ones_own_keeps_the_laws(tmp_path):
    assert "The laws hold." in run(tmp_path, EXAMPLES / "own_model.py")


@pytest.mark.slow
def test_a_source_of_ones_own_keeps_the_laws(tmp_path):
    assert "The laws hold over" in run(tmp_path, EXAMPLES / "own_source.py")


BOOK = '{"t": 1000000000, "bids": {"1.01": 5}, "asks": {"1.04": 2}}'


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        BOOK.replace('"1.01"', '"1.011"'),
        BOOK.replace('"1.01"', '"nan"'),
        BOOK.replace("5}", "NaN}"),
        BOOK.replace("5}", "-5}"),
        BOOK.replace("1000000000", "1e9"),
        BOOK.replace("1000000000", "9" * 30),
        BOOK[:-1],
    ],
)
def test_a_damaged_line_is_named(line, tmp_path):
    path = tmp_path / "book.jsonl"
    path.write_text(f"{BOOK}\n{line}\n")
    with pytest.raises(InputError, match=r"line 2: .* is no book in cents: cut it out"):
        list(module("own_source").Books(path))


def test_time_that_goes_back_is_refused(tmp_path):
    path = tmp_path / "book.jsonl"
    path.write_text(f"{BOOK}\n{BOOK.replace('1000000000', '999')}\n")
    with pytest.raises(InputError, match="time goes back"):
        list(module("own_source").Books(path))


@pytest.mark.slow
def test_a_format_of_another_package_is_recognised(installed, tmp_path):
    (tmp_path / "book.jsonl").write_text(f"{BOOK}\n{BOOK.replace('1000000000', '2000000000')}\n")
    main = "from flowsense.cli import main; main()"
    said = run(tmp_path, "-c", main, "doctor", "data", "book.jsonl", path=installed)
    assert "book mine" in said


@pytest.mark.slow
def test_an_estimator_stands_beside_our_model(tmp_path):
    said = run(tmp_path, EXAMPLES / "own_estimator.py").splitlines()
    assert [line.split(":")[0] for line in said] == [
        "logistic",
        "RandomForestClassifier",
        "ensemble",
    ]


@pytest.mark.slow
def test_the_steps_of_a_study_follow_each_other(tmp_path):
    said = run(tmp_path, EXAMPLES / "lake_and_steps.py", tmp_path)
    assert (tmp_path / "fits/report.html").exists() and "lines in common" in said
    assert {path.name for path in (tmp_path / "rows").iterdir()} == {"monday", "tuesday"}


@pytest.mark.slow
def test_a_late_value_is_not_seen_and_a_correction_from_when_it_is_known(tmp_path):
    said = run(tmp_path, EXAMPLES / "alternative_data.py").splitlines()
    times, values = [line.split()[1] for line in said], [line.split()[3] for line in said]
    assert [time[-2:] for time in times] == ["13", "23", "51"]
    assert values == ["+0.5,", "+0.7,", "+0.1,"]


@pytest.mark.slow
def test_nothing_is_found_in_candles_of_a_random_walk(tmp_path):
    said = run(tmp_path, EXAMPLES / "candles.py").splitlines()
    spans = [line.split("majority ")[1].split(" to ") for line in said if "majority" in line]
    assert len(spans) == 2 and all(float(low) < 0 < float(high) for low, high in spans)


@pytest.mark.slow
def test_a_run_takes_them(installed, tmp_path):
    main = "from flowsense.cli import main; main()"
    run(tmp_path, "-c", main, "simulate", "--out", "market", "--minutes", "4", path=installed)
    options = ("--models", "bins", "--families", "depth,turns,bulk", "--targets", "mid@1s")
    said = run(tmp_path, "-c", main, "run", "market", *options, "--out", "out", path=installed)
    assert "bins" in said and (tmp_path / "out/checkpoints/bins/manifest.json").exists()


@pytest.mark.slow
def test_a_picture_is_drawn(tmp_path):
    run(tmp_path, EXAMPLES / "read_and_plot.py", "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
