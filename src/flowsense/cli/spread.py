"""Options that take as many values as are given, as a shell's globs make them."""

from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperCommand

MANY = ("--test", "--prices")
JOINT = "\0"  # in no path


class Spread(TyperCommand):
    """Without it ``--test a b`` would train on b, which was named for testing alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(gathered(args)))


def gathered(args: Sequence[str], many: tuple[str, ...] = MANY) -> Iterator[str]:
    """The values behind an option of `many` as one, up to the next option."""
    held: list[str] | None = None
    for arg in args:
        option = arg.startswith("-") and arg != "-"
        if held and option:
            yield JOINT.join(held)
        if not option and held is not None:
            held.append(arg)
            continue
        name, equals, value = arg.partition("=")
        gathers = option and name in many
        yield name if gathers else arg
        held = ([value] if equals else []) if gathers else None
    if held:
        yield JOINT.join(held)


def parts(value: str) -> list[str]:
    """The values that were gathered into one."""
    return value.split(JOINT)
