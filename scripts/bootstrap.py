"""Make the environment, on a machine that has nothing but Python 3.11 and a network.

    python scripts/bootstrap.py          what `make test` needs: the package and its tools
    python scripts/bootstrap.py core     what `make demo` needs: the package alone
    python scripts/bootstrap.py NAME...  the package with these extras

The folder is .venv, or FLOWSENSE_VENV where that is set. Every version comes from
constraints.txt. Called again with nothing changed it does nothing, at once. What an earlier call
asked for is kept. uv is used where it is on PATH, else pip.
"""

import ast
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

if sys.version_info < (3, 11):  # noqa: UP036  whoever runs this may have any
    sys.exit(f"bootstrap: Python {sys.version.split()[0]} is too old: use 3.11 or newer.")

import tomllib

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ("pyproject.toml", "constraints.txt")
STAMP = "flowsense-setup.json"  # in the environment: what it was made from


class SetupError(Exception):
    """One sentence that says what is in the way and how to clear it."""


class Setup(NamedTuple):
    """What an environment holds."""

    names: tuple[str, ...]  # extras and "dev", sorted; none at all is the core
    inputs: str  # digest of everything that decides what these names mean

    def covers(self, other: "Setup") -> bool:
        return self.inputs == other.inputs and set(self.names) >= set(other.names)

    def arguments(self) -> list[str]:
        """Of an installer that runs in ROOT."""
        extras = ",".join(name for name in self.names if name != "dev")
        group = ["--group", "dev"] if "dev" in self.names else []
        return ["-c", "constraints.txt", "-e", f".[{extras}]" if extras else ".", *group]


def wanted(asked: list[str]) -> Setup:
    """What the command line asks for. Raises SetupError for a name that pyproject.toml lacks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = ("core", "dev", *project.get("optional-dependencies", {}))
    for name in asked:
        if name not in known:
            raise SetupError(f"{name!r} is nothing to install: known are {', '.join(known)}.")
    content = b"".join((ROOT / name).read_bytes() for name in INPUTS)
    inputs = hashlib.sha256(content + f"{ROOT}{sys.version}".encode()).hexdigest()
    return Setup(tuple(sorted(set(asked or ["dev"]) - {"core"})), inputs)


def installed(folder: Path) -> Setup:
    """What the environment was made from; nothing where it was never finished."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        return Setup(tuple(stamp["names"]), stamp["inputs"])
    except (OSError, ValueError, KeyError):
        return Setup((), "")


def interpreter(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def create(folder: Path) -> None:
    """An environment with pip, unless a working one is there. Deletes nothing else."""
    works = [str(interpreter(folder)), "-m", "pip", "--version"]
    if interpreter(folder).exists() and not subprocess.run(works, capture_output=True).returncode:
        return
    if folder.exists() and not (folder / "pyvenv.cfg").exists():
        raise SetupError(f"{folder} is no environment: remove it, or set FLOWSENSE_VENV.")
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError(
            f"{sys.executable} cannot make environments: install its venv module "
            "(on Debian and Ubuntu: apt-get install python3-venv)."
        )
    venv.create(folder, clear=True, with_pip=True)


def find_links(python: Path) -> str:
    """Where pip was told to look for wheels, as uv wants to read it."""
    command = [str(python), "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    settings = (line.partition("=") for line in listed.splitlines())
    values = (ast.literal_eval(value) for key, _, value in settings if key.endswith(".find-links"))
    return ",".join(dict.fromkeys(" ".join(values).split()))


def install(python: Path, setup: Setup) -> None:
    """Raises SetupError when the installer fails; it has printed why by then."""
    environment, uv = dict(os.environ), shutil.which("uv")
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    if uv is not None:
        if links := find_links(python):  # uv does not read pip's configuration
            environment.setdefault("UV_FIND_LINKS", links)
        tool = [uv, "pip", "install", "--python", str(python), *quiet]
    else:
        tool = [str(python), "-m", "pip", "install", *quiet]
        call([*tool, "pip>=25.1"], environment)  # the first that knows --group
    call([*tool, *setup.arguments()], environment)


def call(command: list[str], environment: dict[str, str]) -> None:
    if code := subprocess.run(command, env=environment, cwd=ROOT).returncode:
        raise SetupError(f"`{' '.join(command)}` ended with code {code}: see above.")


def bootstrap(asked: list[str]) -> None:
    """Bring the environment up to what is asked for, or leave it alone when it is."""
    folder = ROOT / os.environ.get("FLOWSENSE_VENV", ".venv")
    there, goal = installed(folder), wanted(asked)
    if there.covers(goal) and interpreter(folder).exists():
        return
    goal = goal._replace(names=tuple(sorted({*goal.names, *there.names})))
    print(f"Setting up {folder.name}: {', '.join(goal.names) or 'core'}.", flush=True)
    create(folder)
    (folder / STAMP).unlink(missing_ok=True)  # an interrupted installation counts as none
    install(interpreter(folder), goal)
    (folder / STAMP).write_text(json.dumps(goal._asdict()), encoding="utf-8")


if __name__ == "__main__":
    try:
        bootstrap(sys.argv[1:])
    except SetupError as error:
        sys.exit(f"bootstrap: {error}")
