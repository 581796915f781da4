"""Sessions of a lake, again from its folder alone."""

from dataclasses import replace
from shutil import copytree, rmtree

import pytest
from serve.parity import Rows
from serve.test_resuming import session
from serve.test_swapping import TABLE

from flowsense.errors import InputError
from flowsense.serve.sessions import again
from flowsense.serve.speaking import predictions
from flowsense.testing.fitted import save
from flowsense.wall import pause

pytestmark = pytest.mark.slow


def told(lake):
    """All predictions and rows that its recordings give."""
    out, rows = [], Rows()
    for one, decided in again(lake):
        rows.decided([decided])
        out += predictions(decided, TABLE, one.decisions.risk, 1, one.about.version)
    return [replace(p, sequence=0) for p in out], rows.found


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The folder of two models and a lake: one session in which one followed the other, a warm one
    after it, and a cold one; with all that was told."""
    folder, said, rows = tmp_path_factory.mktemp("sessions"), [], []
    for seed in (1, 2):
        save(folder / str(seed), seed)

    async def reloaded(pipeline):
        swap = await pipeline.reload(folder / "2")
        assert swap.accepted
        await pause(1.0)

    plan = (
        ("1", 0, reloaded, []),
        ("2", 20, None, ["warm start"]),
        ("1", 40, None, ["cold start"]),
    )
    for model, begin, work, start in plan:
        _, heard, seen, log = session(folder / model, folder / "lake", 2.0, begin, work=work)
        assert [one["event"] for one in log] == start
        said, rows = said + [replace(p, sequence=0) for p in heard], rows + seen
    return folder, said, rows


def test_the_folder_of_a_lake_tells_all_that_was_served(served):
    folder, said, rows = served
    found = told(folder / "lake")
    assert found == (said, rows) and len({p.model_version for p in said}) == 2


def test_a_model_that_is_gone_or_another_is_one_sentence(served, tmp_path):
    folder, _, _ = served
    copytree(folder / "2", tmp_path / "kept")
    rmtree(folder / "2")
    with pytest.raises(InputError, match="is gone"):
        told(folder / "lake")
    copytree(folder / "1", folder / "2")
    with pytest.raises(InputError, match="is there now: bring it back"):
        told(folder / "lake")
    rmtree(folder / "2")
    copytree(tmp_path / "kept", folder / "2")


def test_a_folder_of_which_nothing_was_served_is_refused(tmp_path):
    with pytest.raises(InputError):
        told(tmp_path)
