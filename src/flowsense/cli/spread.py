"""Options that take as many values as are given, as a shell's globs make them."""

from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperCommand

MANY = ("--test", "--prices")


class Spread(TyperCommand):
    """Without it ``--test a b`` would train on b, which was named for testing alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(spread(args)))


def spread(args: Sequence[str], many: tuple[str, ...] = MANY) -> Iterator[str]:
    """``--test a b --out c`` as ``--test a --test b --out c``."""
    option, given = "", 0
    for arg in args:
        if arg.startswith("-") and arg != "-":
            option, given = (arg, 0) if arg in many else ("", 0)
            yield arg
            continue
        if option and given:
            yield option
        given += 1
        yield arg
