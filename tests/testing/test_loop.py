"""Time that jumps, sockets that work."""

import asyncio

import pytest

from flowsense.testing.loop import BEGIN, run
from flowsense.wall import elapsed, now_utc, pause, within


def test_an_hour_passes_at_once_and_exactly():
    async def main():
        await asyncio.gather(pause(3600), pause(1800.5))
        return elapsed(), now_utc() - BEGIN

    assert run(main()) == (3600.0, 3600 * 10**9)


def test_who_waits_shorter_is_done_first_and_a_deadline_is_kept():
    async def main():
        done = []

        async def wait(seconds):
            await pause(seconds)
            done.append(seconds)

        with pytest.raises(TimeoutError):
            async with within(3.5):
                await asyncio.gather(*(wait(s) for s in (9, 3, 2, 1)))
        return done, elapsed()

    assert run(main()) == ([1, 2, 3], 3.5)


def test_a_socket_of_this_machine_takes_no_time():
    async def answer(reader, writer):
        while line := await reader.readline():
            await pause(0.01)
            writer.write(line.upper())
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        for k in range(100):
            writer.write(b"line %d\n" % k)
            assert await reader.readline() == b"LINE %d\n" % k
        writer.close()
        await writer.wait_closed()
        server.close()
        await pause(0.01)  # the other end closes too
        return round(elapsed(), 9)

    assert run(main()) == 1.01


def test_work_in_a_thread_takes_no_time():
    async def main():
        loop = asyncio.get_running_loop()
        late = loop.create_task(pause(60))
        value = await loop.run_in_executor(None, sum, range(100_000))
        return value, late.done()

    assert run(main()) == (4_999_950_000, False)


def test_a_clock_may_be_set_without_a_timer_noticing():
    async def main():
        loop, before = asyncio.get_running_loop(), now_utc()
        loop.step(-2)
        await pause(5)
        return now_utc() - before, elapsed()

    assert run(main()) == (3 * 10**9, 5.0)


def test_what_would_wait_for_ever_is_told(monkeypatch):
    monkeypatch.setattr("flowsense.testing.loop.DEAF", 0.01)

    async def main():
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="wait for ever"):
        run(main())


def test_on_a_plain_loop_the_date_is_that_of_the_wall():
    async def main():
        return now_utc()

    assert abs(asyncio.run(main()) - now_utc()) < 60 * 10**9
