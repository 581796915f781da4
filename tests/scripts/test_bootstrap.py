import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bootstrap.py"


@pytest.fixture(scope="module")
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(bootstrap, tmp_path, monkeypatch):
    """A repository with one extra, and the folder of its environment."""
    extras = '[project]\nname = "x"\n[project.optional-dependencies]\nfast = []\n'
    (tmp_path / "pyproject.toml").write_text(extras)
    (tmp_path / "constraints.txt").write_text("numpy==2.4.6\n")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setenv("FLOWSENSE_VENV", "env")
    return tmp_path / "env"


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)


def finished(bootstrap, folder, *asked):
    """An environment as a finished installation leaves it."""
    python = bootstrap.interpreter(folder)
    python.parent.mkdir(parents=True)
    program(python, "#!/bin/sh\nexit 0\n")
    (folder / bootstrap.STAMP).write_text(json.dumps(bootstrap.wanted(list(asked))._asdict()))


def test_nothing_asked_means_the_tools_and_core_means_nothing_more(bootstrap):
    assert bootstrap.wanted([]).names == ("dev",)
    assert bootstrap.wanted(["core"]).names == ()


def test_arguments_of_the_installer(bootstrap, project):
    pinned = ["-c", "constraints.txt", "-e"]
    assert bootstrap.wanted(["core"]).arguments() == [*pinned, "."]
    both = bootstrap.wanted(["dev", "fast"]).arguments()
    assert both == [*pinned, ".[fast]", "--group", "dev"]


def test_an_unknown_name_is_refused_with_those_that_are_known(bootstrap, project):
    with pytest.raises(bootstrap.SetupError, match=r"^'fats' .* known are core, dev, fast\.$"):
        bootstrap.bootstrap(["fats"])
    assert not project.exists()


@pytest.mark.parametrize("asked", ["dev", "core"])
def test_a_finished_environment_is_left_alone(bootstrap, project, asked, capsys):
    finished(bootstrap, project, "dev")
    bootstrap.bootstrap([asked])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_changed_versions_are_noticed(bootstrap, project, changed):
    before = bootstrap.wanted([])
    with (project.parent / changed).open("a") as file:
        file.write("# other\n")
    assert not before.covers(bootstrap.wanted([]))


@pytest.fixture
def uv(tmp_path, monkeypatch):
    """An installer that only writes down how it was called, and fails where `broken` exists."""
    folder = tmp_path / "tools"
    folder.mkdir()
    script = f'#!/bin/sh\necho "$@" >> {folder}/calls\ntest ! -e {folder}/broken\n'
    program(folder / "uv", script)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_more_names_are_noticed_and_earlier_ones_kept(bootstrap, project, uv):
    finished(bootstrap, project, "dev")
    bootstrap.bootstrap(["fast"])
    assert (uv / "calls").read_text().endswith(" -e .[fast] --group dev\n")
    assert bootstrap.installed(project) == bootstrap.wanted(["dev", "fast"])


def test_an_interrupted_installation_counts_as_none(bootstrap, project, uv):
    finished(bootstrap, project, "core")
    (uv / "broken").touch()
    with pytest.raises(bootstrap.SetupError, match="ended with code 1: see above"):
        bootstrap.bootstrap(["dev"])
    assert bootstrap.installed(project) == bootstrap.Setup((), "")


def test_a_folder_that_is_no_environment_is_never_cleared(bootstrap, project):
    project.mkdir()
    (project / "results.csv").touch()
    with pytest.raises(bootstrap.SetupError, match="is no environment"):
        bootstrap.bootstrap(["core"])
    assert (project / "results.csv").exists()


def test_a_python_without_venv_says_what_to_install(bootstrap, project, monkeypatch):
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(bootstrap.SetupError, match="apt-get install python3-venv"):
        bootstrap.bootstrap(["core"])
    assert not project.exists()


@pytest.mark.slow
def test_uv_looks_where_pip_was_told_to(bootstrap, tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text("[global]\nfind-links = /a /b\n[install]\nfind-links = /b\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert bootstrap.find_links(Path(sys.executable)).split(",") == ["/a", "/b"]


def test_the_command_ends_with_one_sentence():
    command = [sys.executable, str(SCRIPT), "torhc"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("bootstrap: 'torhc' is nothing to install")
    assert done.stderr.count("\n") == 1
