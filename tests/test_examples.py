"""The examples do what they say, and plug in as the package that their pyproject.toml describes."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
LAWS = """
from flowsense.features.catalogue import spec
from flowsense.simulate.market import Market, simulate
from flowsense.testing import check_alone_together, check_plain_python, check_stream
from flowsense.testing.mirror import check_mirror
made, turns = simulate(Market.tiny(), 20, 0), spec(("turns",))
few = made.events[:1_200]
for check in (check_stream, check_alone_together, check_mirror):
    check(turns, made.instruments, few)
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
def test_a_family_of_another_package_keeps_the_laws(installed, tmp_path):
    run(tmp_path, "-c", LAWS, path=installed)


@pytest.mark.slow
def test_a_model_of_ones_own_keeps_the_laws(tmp_path):
    assert "The laws hold." in run(tmp_path, EXAMPLES / "own_model.py")


@pytest.mark.slow
def test_a_run_takes_both(installed, tmp_path):
    main = "from flowsense.cli import main; main()"
    run(tmp_path, "-c", main, "simulate", "--out", "market", "--minutes", "4", path=installed)
    options = ("--models", "bins", "--families", "depth,turns", "--targets", "mid@1s")
    said = run(tmp_path, "-c", main, "run", "market", *options, "--out", "out", path=installed)
    assert "bins" in said and (tmp_path / "out/checkpoints/bins/manifest.json").exists()


@pytest.mark.slow
def test_a_picture_is_drawn(tmp_path):
    run(tmp_path, EXAMPLES / "read_and_plot.py", "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
