"""JSON files that commands read and write."""

from pathlib import Path
from typing import Any

import orjson

from flowsense.errors import InputError
from flowsense.evaluate.results import SCHEMA
from flowsense.store.atomic import replacing


def load_json(path: Path) -> dict[str, Any]:
    """What a run wrote. Raises InputError for a file that is none of it."""
    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: name the folder of a run") from None
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: is damaged ({error}): run again") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise InputError(f"{path}: not of schema {SCHEMA}, which this version reads: run again")
    return found


def save_json(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as draft:
        draft.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
