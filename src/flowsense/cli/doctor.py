"""`flowsense doctor`: whether flowsense works on this machine; its commands look at other things.

A command is a function in a file of its own, named in the last lines.
"""

import typer

from flowsense.cli import data, leaks
from flowsense.cli.spread import Spread

app = typer.Typer(help="Test flowsense itself, a recording, or for leaks.")


@app.callback(invoke_without_command=True)
def doctor(ctx: typer.Context) -> None:
    """Print versions and test flowsense on a small market; or see the commands below.

    The exit code is 1 if something is broken.
    """
    if ctx.invoked_subcommand is None:
        environment()


def environment() -> None:
    """Every check of `flowsense.doctor`, a line each."""
    from flowsense.cli.terminal import console
    from flowsense.doctor import checks, run

    to, broken = console(), list[str]()
    for name, check in checks().items():
        found = run(name, check)
        mark, style = ("ok", "green") if found.works else ("BROKEN", "red")
        to.print(f"{mark:<7}", style=style, end="")
        to.print(f"{name:<11} {found.said}", soft_wrap=True)
        broken += [] if found.works else [name]
    if broken:
        to.print(f"Broken: {', '.join(broken)}.")
        raise typer.Exit(1)
    to.print("Everything works.")


app.command(name="leaks", cls=Spread)(leaks.leaks)
app.command(name="data")(data.data)
