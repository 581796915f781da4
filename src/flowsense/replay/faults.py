"""What goes wrong at a replayed venue, and when: a script in JSON, checked before anything begins.

``[{"at": 12.5, "do": "drop", "count": 3, "symbol": "BTCUSDT"}, {"message": 900, "do": "reset"}]``,
or ``{"seed": 7, "seconds": 60, "rates": {"drop": 6}}``, which draws one.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from flowsense.errors import InputError
from flowsense.registry import unknown

NEEDED = None  # a field that must be said


class Fault(NamedTuple):
    """A kind of step, and the fields that say more, with what they usually are."""

    line: str
    usual: Mapping[str, Any]


ALL = {"symbol": ""}  # of every symbol
SOME = ALL | {"count": 1}  # messages
LASTING = {"seconds": 10.0}  # on the clock of the clients, whatever the speed
FAULTS: dict[str, Fault] = {
    "drop": Fault("messages are not sent", SOME),
    "duplicate": Fault("messages are sent twice", SOME),
    "delay": Fault(
        "messages are sent `seconds` late; others overtake them", SOME | {"seconds": 1.0}
    ),
    "swap": Fault("a message is sent after the one that follows it", SOME),
    "garble": Fault(
        "one `digit` is changed, the end `cut` off, or no `utf8`", SOME | {"how": "digit"}
    ),
    "eof": Fault("connections end without a word", {}),
    "reset": Fault("connections are reset (RST)", {}),
    "close": Fault("connections are closed with `code`", {"code": 1001}),
    "half-open": Fault("connections are dead and stay; new ones are not answered", LASTING),
    "silence": Fault("pings are answered, and nothing is told", ALL | LASTING),
    "refuse": Fault("connections are reset, and new ones refused", LASTING),
    "status": Fault(
        "requests `of` rest, stream or both get `code`", LASTING | {"code": 429, "of": "rest"}
    ),
    "slow": Fault(
        "replies come `by` later, with an `older` or `newer` snapshot",
        LASTING | {"by": 1.0, "snapshot": "older"},
    ),
    "stale": Fault("replies are those that were true when it began", LASTING),
    "renumber": Fault("ids of the venue begin again", ALL),
    "say": Fault("everybody is told `text`", {"text": NEEDED}),
}
GARBLED, OF, SNAPSHOTS = ("digit", "cut", "utf8"), ("rest", "stream", "both"), ("older", "newer")


@dataclass(frozen=True, slots=True)
class Step:
    """One fault. It begins at a time of the recording, or before a message of it."""

    do: str
    at: float | None = None  # s since the first message
    message: int | None = None  # from 1, of those of `symbol` where there is one
    symbol: str = ""
    count: int = 1
    seconds: float = 0.0
    by: float = 0.0
    how: str = "digit"
    code: int = 0
    of: str = "rest"
    snapshot: str = "older"
    text: str = ""


class Rule(NamedTuple):
    """What a field may be."""

    holds: Callable[[Any], bool]
    said: str


def seconds(most: float = 1e9) -> Rule:
    return Rule(
        lambda x: type(x) in (int, float) and isfinite(x) and 0 <= x <= most,
        f"a number from 0 to {most:g}",
    )


def whole(low: int, high: int) -> Rule:
    return Rule(lambda x: type(x) is int and low <= x <= high, f"a whole number from {low} on")


def among(names: tuple[str, ...]) -> Rule:
    return Rule(lambda x: x in names, " or ".join(names))


TEXT = Rule(lambda x: isinstance(x, str) and x != "", "a text")
RULES: dict[str, Rule] = {
    **dict.fromkeys(("at", "seconds", "by"), seconds()),
    **dict.fromkeys(("message", "count"), whole(1, 10**9)),
    **dict.fromkeys(("symbol", "text"), TEXT),
    "how": among(GARBLED),
    "of": among(OF),
    "snapshot": among(SNAPSHOTS),
    "status code": whole(400, 599),
    "close code": whole(1000, 4999),
}
DRAWN = ("seed", "seconds", "rates")


def read(path: Path, symbols: Collection[str]) -> tuple[Step, ...]:
    """Raises InputError that names the step and what it should be."""
    try:
        json = orjson.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): check the name") from None
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: is not JSON ({error}): write a list of steps") from None
    return script(json, str(path), symbols)


def script(json: Any, name: str, symbols: Collection[str]) -> tuple[Step, ...]:
    """Of a list of steps, or of what draws one."""
    if isinstance(json, dict):
        return _drawn(json, name)
    if not isinstance(json, list):
        raise InputError(f'{name}: is no list of steps like {{"at": 5, "do": "drop"}}')
    return tuple(_step(one, f"{name}: step {k}", symbols) for k, one in enumerate(json, 1))


def _step(json: Any, name: str, symbols: Collection[str]) -> Step:
    if not isinstance(json, dict):
        raise InputError(f'{name}: is no object like {{"at": 5, "do": "drop"}}')
    do = json.get("do")
    if not isinstance(do, str):
        raise InputError(f"{name}: says not what to `do`: one of {', '.join(FAULTS)}")
    if do not in FAULTS:
        raise InputError(f"{name}: {unknown('fault', do, tuple(FAULTS))}")
    usual = FAULTS[do].usual
    for field, value in json.items():
        if field not in ("do", "at", "message", *usual):
            raise InputError(f"{name}: {unknown('field', field, ('at', 'message', *usual))}")
        rule = RULES.get(f"{do} {field}", RULES.get(field, TEXT))
        if not rule.holds(value):
            raise InputError(f"{name}: {field} {value!r}: give {rule.said}")
    if ("at" in json) == ("message" in json):
        raise InputError(f"{name}: give either `at`, in seconds, or the number of a `message`")
    for field in (field for field, value in usual.items() if value is NEEDED):
        if field not in json:
            raise InputError(f"{name}: {do} needs {field}: give {RULES[field].said}")
    symbol = json.get("symbol")
    if symbol is not None and symbol not in symbols:
        raise InputError(f"{name}: {unknown('symbol', symbol, tuple(symbols))}")
    return Step(**{field: value for field, value in usual.items() if value} | json)


def _drawn(json: dict[str, Any], name: str) -> tuple[Step, ...]:
    for field in json:
        if field not in DRAWN:
            raise InputError(f"{name}: {unknown('field', field, DRAWN)}")
    rates, seed, length = json.get("rates"), json.get("seed", 0), json.get("seconds", 60)
    if not isinstance(rates, dict):
        raise InputError(f'{name}: rates: give an object like {{"drop": 6}}, times a minute')
    if not whole(0, 2**63).holds(seed) or not seconds(1e6).holds(length):
        raise InputError(f"{name}: seed and seconds: give numbers from 0")
    for do, rate in rates.items():
        if do not in FAULTS or do == "say":
            raise InputError(f"{name}: rates: {unknown('fault', do, tuple(FAULTS))}")
        if not seconds(1e3).holds(rate):
            raise InputError(f"{name}: rates: {do} {rate!r}: give times a minute, up to 1000")
    return random(seed, rates, length)


def random(seed: int, rates: Mapping[str, float], length: float) -> tuple[Step, ...]:
    """Faults at times without memory, the same for the same seed, in order of time.

    Args:
        rates: by name of the fault, times a minute.
        length: s of the recording.
    """
    rng, steps = np.random.default_rng(seed), list[Step]()
    for do in sorted(rates):
        for at in np.sort(rng.uniform(0, length, rng.poisson(rates[do] * length / 60))):
            usual = {field: value for field, value in FAULTS[do].usual.items() if value}
            drawn: dict[str, Any] = {
                "count": int(rng.integers(1, 6)),
                "seconds": round(float(rng.uniform(0.1, 5)), 3),
                "by": round(float(rng.uniform(0, 5)), 3),
                "how": GARBLED[rng.integers(len(GARBLED))],
                "snapshot": SNAPSHOTS[rng.integers(len(SNAPSHOTS))],
            }
            more = {field: value for field, value in drawn.items() if field in FAULTS[do].usual}
            steps.append(Step(**usual | more, do=do, at=round(float(at), 3)))
    return tuple(sorted(steps, key=lambda step: step.at or 0.0))


def listed(steps: tuple[Step, ...]) -> list[dict[str, Any]]:
    """As `script` reads it: to keep what a seed has drawn."""
    return [
        {"do": step.do}
        | ({"at": step.at} if step.message is None else {"message": step.message})
        | {field: getattr(step, field) for field in FAULTS[step.do].usual if getattr(step, field)}
        for step in steps
    ]
