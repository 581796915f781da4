"""An end that somebody asks for: saved, and with code 0."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Leave(SystemExit):
    """At once: what is written by then is all that matters."""


class Left:
    """Whether somebody wants this to end."""

    def __init__(self) -> None:
        self.gently = self.asked = False

    def __call__(self, number: int, frame: object) -> None:
        if self.asked or not self.gently:
            raise Leave(0)
        self.asked = True


@contextmanager
def leaving(said: str = "ended: the same command goes on") -> Iterator[Left]:
    """The first SIGINT or SIGTERM asks for an end, once there is something to save; any other is
    obeyed at once, as safely as kill -9 is. When all is done, what still comes is ignored.
    """
    left = Left()
    before = {number: signal.signal(number, left) for number in SIGNALS}
    try:
        yield left
    except Leave:
        left.asked = True
        typer.echo(said, err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if left.asked else handler)
