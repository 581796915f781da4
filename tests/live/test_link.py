"""Tries beside one another: the first that is answered is kept, and no other stays open."""

import asyncio

import pytest

from flowsense.live.link import soonest
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause


class Door:
    """A socket that knows whether it was closed."""

    shut = False

    async def close(self):
        self.shut = True


async def tried(*waits, every=1.5):
    """What comes of tries that take so long; below 0 they fail then. -> result, its time, doors."""
    doors, coming = [], iter(waits)

    async def make():
        wait = next(coming)
        await pause(abs(wait))
        if wait < 0:
            raise ConnectionRefusedError
        doors.append(Door())
        return (doors[-1],)

    try:
        (found,) = await soonest(make, every)
    except OSError as error:
        found = error
    at = elapsed()
    await pause(100.0)
    assert len(asyncio.all_tasks()) == 1
    return found, at, doors


@pytest.mark.parametrize(
    ("waits", "at", "opened"),
    [
        ((0.2,), 0.2, 1),
        ((50.0, 0.1), 1.6, 1),
        ((50.0, 50.0, 50.0, 0.1), 4.6, 1),
        ((2.0, 0.5), 2.0, 2),  # both at once
        ((-2.0, 0.5), 2.0, 1),  # one fails as the other is answered
        ((2.0, -0.5), 2.0, 1),
    ],
)
def test_the_first_that_is_answered_is_kept_and_the_others_are_closed(waits, at, opened):
    found, when, doors = run(tried(*waits))
    assert when == pytest.approx(at, abs=0.01) and len(doors) == opened
    assert not found.shut and all(door.shut for door in doors if door is not found)


def test_a_try_that_fails_ends_all():
    found, when, doors = run(tried(50.0, -0.1))
    assert isinstance(found, ConnectionRefusedError) and when == pytest.approx(1.6) and not doors


def test_who_gives_up_leaves_nothing_open():
    async def main():
        task = asyncio.create_task(tried(50.0, 50.0))
        await pause(2.0)
        task.cancel()
        await asyncio.wait([task])
        return len(asyncio.all_tasks())

    assert run(main()) == 1
