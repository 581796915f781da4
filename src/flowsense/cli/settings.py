"""What a run is asked to do: a TOML file, the environment, flags; each goes over those before."""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from flowsense.errors import InputError
from flowsense.features.catalogue import DEFAULT, GROUPS, MORE
from flowsense.features.clock import clocks
from flowsense.features.observed import PREFIX
from flowsense.forecast import Target, spell
from flowsense.registry import names, unknown
from flowsense.schema import NEVER, SECOND
from flowsense.sources.periods import period
from flowsense.train.config import RunConfig
from flowsense.train.schemes import parse

USUAL, TABLE, VARIABLE = Path("flowsense.toml"), "run", "FLOWSENSE_RUN_"
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Given(NamedTuple):
    where: str  # as the user knows it
    value: Any


def listed(value: Any) -> tuple[str, ...]:
    """``a,b`` or a list of texts."""
    parts = apart(value) if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(p, str) for p in parts):
        raise InputError(f"{value!r}: write a list of names")
    return tuple(p.strip() for p in parts if p.strip())


def apart(text: str) -> list[str]:
    """At the commas outside of brackets: ``a,b.C(x=1,y=2)`` is two."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def families(value: Any) -> tuple[str, ...]:
    """Names, with ``default`` and ``full`` spelled out, each once; `observed:NAME` among them."""
    known = (*DEFAULT, *MORE, *names("feature", {}))
    groups = {"default": DEFAULT, "full": known, **GROUPS}
    found = [name for given in listed(value) for name in groups.get(given, (given,))]
    for name in found:
        if name not in known and not name.startswith(PREFIX):
            raise InputError(unknown("family", name, (*known, *groups, f"{PREFIX}NAME")))
    return tuple(dict.fromkeys(found))


def clocks_of(value: Any) -> tuple[str, ...]:
    found = listed(value)
    clocks(found)
    return found


def targets(value: Any) -> tuple[Target, ...]:
    found = tuple(dict.fromkeys(Target.parse(text) for text in listed(value)))
    if not found:
        raise InputError("no target is named: write one like mid@500ms")
    return found


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{value!r}: write a text")
    return value


def scheme(value: Any) -> str:
    parse(text(value))
    return str(value)


def whole(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)):
        raise InputError(f"{value!r}: write a whole number")
    return int(value)


def span(value: Any) -> int:
    """ns of ``0s`` and of what `duration` reads."""
    return period(text(value))


def moment(value: Any) -> int:
    """ns UTC of ``2024-08-08``, ``2024-08-08T09:30`` and the like, UTC unless they say more."""
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        raise InputError(f"{str(value)!r}: write a time like 2024-08-08T09:30:00") from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (when - EPOCH) // MICROSECOND * 1000


def told(ns: int) -> str:
    """The inverse of `moment`; nothing where there is no bound."""
    if ns in (0, NEVER):
        return ""
    return (EPOCH + ns // 1000 * MICROSECOND).isoformat().replace("+00:00", "Z")


class Key(NamedTuple):
    """One key of the table, of the environment, and the flag of that name."""

    field: str  # of RunConfig
    read: Callable[[Any], Any]
    show: Callable[[Any], Any]


KEYS = {
    "models": Key("models", listed, list),
    "families": Key("families", families, list),
    "clock": Key("clocks", clocks_of, list),
    "targets": Key("targets", targets, lambda ts: [str(t) for t in ts]),
    "validation": Key("validation", scheme, str),
    "split": Key("split", text, str),
    "epochs": Key("epochs", whole, int),
    "budget": Key("budget_s", lambda v: span(v) / SECOND, lambda s: spell(round(s * SECOND))),
    "seed": Key("seed", whole, int),
    "start": Key("start", moment, told),
    "end": Key("end", moment, told),
    "train_window": Key("train_ns", span, spell),
    "test_window": Key("test_ns", span, spell),
    "embargo": Key("embargo_ns", span, spell),
    "unscored": Key("unscored_ns", span, spell),
}


def settings(flags: Mapping[str, object], file: Path | None) -> RunConfig:
    """Flags that are None were not given. Raises InputError naming the place, key and fix."""
    return decided(given(flags, file))


def given(flags: Mapping[str, object], file: Path | None) -> dict[str, Given]:
    """Of each key that somebody set, the value that is in force; what it covers is read as well."""
    found = dict(from_file(file))
    found |= from_environment(os.environ)
    return found | {k: taken(k, f"--{k}", v) for k, v in flags.items() if v is not None}


def taken(name: str, where: str, value: object) -> Given:
    try:
        return Given(where, KEYS[name].read(value))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def from_file(file: Path | None) -> Iterator[tuple[str, Given]]:
    path = file or USUAL
    if file is None and not path.exists():
        return
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}: check the name") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not TOML: {error}") from None
    for name in content:
        check(name, (TABLE,), f"{path}: {name}")
    table = content.get(TABLE, {})
    if not isinstance(table, dict):
        raise InputError(f"{path}: {TABLE}: write a table, [{TABLE}]")
    for name, value in table.items():
        check(name, KEYS, f"{path}: {TABLE}.{name}")
        yield name, taken(name, f"{path}: {TABLE}.{name}", value)


def from_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    found = {}
    for variable, value in sorted(environment.items()):
        if variable.startswith(VARIABLE):
            name = variable.removeprefix(VARIABLE).lower()
            check(name, KEYS, variable)
            found[name] = taken(name, variable, value)
    return found


def check(name: str, keys: Iterable[str], where: str) -> None:
    """Raises InputError that names the keys there are and the closest."""
    keys = tuple(keys)
    if name not in keys:
        close = get_close_matches(name, keys, 1, cutoff=0.5)
        hint = f", did you mean {close[0]}?" if close else ";"
        raise InputError(f"{where}: there is no such key{hint} the keys are {', '.join(keys)}")


def decided(found: Mapping[str, Given]) -> RunConfig:
    fields = {KEYS[name].field: value for name, (_, value) in found.items()}
    start, end = fields.get("start", 0), fields.get("end", NEVER)
    if start >= end:
        where = found["start" if "start" in found else "end"].where
        raise InputError(f"{where}: start {told(start)} is not before end {told(end)}: swap them")
    return RunConfig(**fields)


def shown(found: Mapping[str, Given]) -> Iterator[str]:
    """The table in force as lines of TOML, each with the place that it comes from."""
    config = decided(found)
    yield f"[{TABLE}]"
    for name, key in KEYS.items():
        value = key.show(getattr(config, key.field))
        where = found[name].where.split(": ")[0] if name in found else "default"
        line = f"{name} = {json.dumps(value)}"
        yield f"# {name} is not bounded" if value == "" else f"{line}  # {where}"
