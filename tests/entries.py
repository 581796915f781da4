"""Objects at the entry points of a package that is not there."""

from contextlib import contextmanager

import pytest


@contextmanager
def registered(folder, group, objects):
    """While it lasts, each object is found by its name in lower case at an entry point."""
    info = folder / "elsewhere-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1\n")
    points = (f"{o.__name__.lower()} = {o.__module__}:{o.__name__}\n" for o in objects)
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(points))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield
