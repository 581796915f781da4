"""`flowsense doctor`: whether flowsense works on this machine."""

import typer


def doctor() -> None:
    """Print versions and test flowsense on a small market.

    The exit code is 1 if something is broken.
    """
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
