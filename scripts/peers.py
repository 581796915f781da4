"""Make the environments of the programs that benchmarks compare with, which cannot share ours.

    python scripts/peers.py          all of them
    python scripts/peers.py NAME...  these

Each lies in .peers/NAME and is made by pip as this machine has it configured. Called again with
nothing changed it does nothing, at once.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

PEERS = {  # why apart
    "hftbacktest": ("hftbacktest==2.4.4", "numpy<2.3"),  # it needs an older numpy
    "tick": ("tick==0.8.0.2", "numpydoc", "six"),  # the latter two it imports but does not name
}
FOLDER = Path(__file__).resolve().parent.parent / ".peers"
STAMP = "requirements.txt"  # in the environment, once it is whole


def python(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def make(name: str) -> str:
    """Install a peer unless it is there; -> what was done, or SystemExit with what was not."""
    folder, wanted = FOLDER / name, "\n".join(PEERS[name])
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return "is there"
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [str(python(folder)), "-m", "pip", "install", "--quiet", *PEERS[name]]
    if subprocess.run(command, check=False).returncode:
        shutil.rmtree(folder)
        sys.exit(f"peers: pip could not install {' '.join(PEERS[name])}; what it says is above.")
    stamp.write_text(wanted)
    return "installed"


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        sys.exit(f"peers: {unknown[0]!r} is none of {', '.join(PEERS)}.")
    for name in names or PEERS:
        print(f"{name} {make(name)} in {FOLDER / name}")


if __name__ == "__main__":
    main(sys.argv[1:])
