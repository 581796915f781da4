"""Options that several commands have, declared once and added to the signature of each."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any, TypeAlias, TypeVar, cast

Shared: TypeAlias = dict[str, tuple[Any, Any]]  # by name: what typer reads, and the default
F = TypeVar("F", bound=Callable[..., None])


def takes(*groups: Shared) -> Callable[[F], F]:
    """A command with these options too; it finds their values in its context."""
    more = {name: option for group in groups for name, option in group.items()}

    def add(command: F) -> F:
        own = signature(command)
        kind = Parameter.KEYWORD_ONLY
        shared = [
            Parameter(name, kind, default=default, annotation=what)
            for name, (what, default) in more.items()
        ]

        @wraps(command)
        def called(**given: Any) -> None:
            command(**{name: given[name] for name in own.parameters})

        called.__annotations__ = command.__annotations__ | {n: w for n, (w, _) in more.items()}
        every = [p.replace(kind=kind) for p in own.parameters.values()] + shared
        vars(called)["__signature__"] = own.replace(parameters=every)
        return cast(F, called)

    return add
