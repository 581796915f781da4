"""Finished runs over HTTP: what lies in a folder of them, their pages, and two side by side.

Only files of fixed names are read, through no link, on threads beside the loop.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response

from flowsense.errors import InputError
from flowsense.serve.finished import Comparison, Finished, Runs, comparison, finished
from flowsense.serve.folders import (
    FILE,
    NAME,
    PAGES,
    PART,
    Parts,
    Place,
    Stamp,
    Walk,
    opened,
    stamp_of,
)
from flowsense.serve.problems import Refused, shown
from flowsense.serve.wire import plain
from flowsense.train.read import RESULTS
from flowsense.wall import aside

T = TypeVar("T")

LIST, PAIR = "/api/v1/runs", "/api/v1/runs/compare"
FORECASTS = "forecasts"  # a folder of a run
MOST = 500  # runs that are listed
AT_ONCE, KEPT = 8, 8  # files that are being read; comparisons that need not be made again
POLICY = (  # a page brings its style and its pictures, and does nothing
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)


class Shelf:
    """A folder of runs, and what was found in it as long as it stays as it is."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._told = dict[Parts, tuple[Stamp, Finished]]()
        self._compared = dict[tuple[str, str, Stamp, Stamp], Comparison]()
        self._comparing = Lock()  # it keeps a processor busy: one at a time

    def listed(self) -> Runs:
        found, walk = dict[Parts, tuple[Stamp, Finished]](), Walk(self.root)
        for place in walk.places():
            with suppress(OSError):  # it went away meanwhile
                found[place.parts] = self._one(place)
        self._told = found
        runs = sorted((one for _, one in found.values()), key=lambda one: (-one.when, one.name))
        return Runs(self.root.name, tuple(runs[:MOST]), walk.odd + len(runs[MOST:]))

    def _one(self, place: Place) -> tuple[Stamp, Finished]:
        with opened(self.root, place.results) as file:
            stamp = stamp_of(file)
            known = self._told.get(place.parts)
            if known is not None and known[0] == stamp and known[1].pages == place.pages:
                return known
            text = file.read()
        name = "/".join(place.parts)
        return stamp, finished(name, place.kind, stamp[0], place.pages, text)

    def page(self, name: str, file: str) -> bytes:
        """Raises Refused."""
        if re.fullmatch(NAME, name) and file in PAGES:
            with suppress(OSError), opened(self.root, (*name.split("/"), file)) as found:
                return found.read()
        if file in PAGES:
            message, hint = f"There is no {file} of {shown(name)}.", f"{LIST} names all"
        else:
            message, hint = f"No file {shown(file)} is told.", f"there are {', '.join(PAGES)}"
        raise Refused(404, "unknown_page", message, field="file", hint=hint)

    def compared(self, a: str, b: str) -> Comparison:
        """Raises Refused for what is no run, InputError for runs that cannot be compared."""
        key = (a, b, self._run("a", a), self._run("b", b))
        with self._comparing:
            if key not in self._compared:
                while len(self._compared) >= KEPT:
                    del self._compared[next(iter(self._compared))]
                self._compared[key] = comparison((a, b), self._pair(a, b))
            return self._compared[key]

    def _run(self, field: str, name: str) -> Stamp:
        """Of its results, which name a model whose forecasts lie there. Raises Refused."""
        parts = tuple(name.split("/")) if re.fullmatch(NAME, name) else ()
        try:
            with opened(self.root, (*parts, RESULTS)) as file:
                stamp, text = stamp_of(file), file.read()
        except OSError:
            hint = f"{LIST} names all; backtests are compared by `flowsense backtest --against`"
            raise Refused(
                404, "unknown_run", f"There is no run {shown(name)}.", field=field, hint=hint
            ) from None
        with suppress(OSError, ValueError, LookupError, TypeError):
            chosen = str(msgspec.json.decode(text)["chosen"])
            if re.fullmatch(PART, chosen):
                opened(self.root, (*parts, FORECASTS, f"{chosen}.parquet")).close()
                return stamp
        message = f"Run {shown(name)} has no forecasts of the model that it chose."
        raise Refused(409, "refused", message, field=field, hint="run again")

    def _pair(self, a: str, b: str) -> dict[str, Any]:
        from flowsense.train.pairs import pair  # loads what reads Parquet

        try:
            return pair(self.root / a, self.root / b)
        except InputError as error:  # where the folder lies is nobody's business
            raise InputError(str(error).replace(f"{self.root}/", "")) from None
        except (OSError, ValueError, LookupError, TypeError):
            raise InputError("the forecasts of one of them are damaged: run again") from None


class Asked:
    """Requests for the same are answered once, on a thread, though those who asked be gone."""

    def __init__(self, root: Path | None) -> None:
        self._shelf = None if root is None else Shelf(root)
        self._running = dict[Parts, asyncio.Future[Any]]()

    @property
    def shelf(self) -> Shelf:
        """Raises Refused."""
        if self._shelf is None:
            hint = "start the server with --runs DIR"
            raise Refused(404, "no_runs", "There is no folder of runs.", hint=hint)
        return self._shelf

    async def answer(self, work: Callable[..., T], *about: str) -> T:
        """Raises Refused."""
        key = (work.__name__, *about)
        task = self._running.get(key)
        if task is None:
            if len(self._running) >= AT_ONCE:
                raise Refused(503, "overloaded", "Too much is read of runs at once.", after=1.0)
            task = self._running[key] = asyncio.ensure_future(aside(partial(work, *about)))
            task.add_done_callback(partial(self._done, key))
        try:
            found: T = await asyncio.shield(task)
        except InputError as error:
            raise Refused(409, "refused", f"{str(error).rstrip('.')}.") from None
        return found

    def _done(self, key: Parts, task: asyncio.Future[Any]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # is known, should nobody have waited


def routes(made: FastAPI, root: Path | None) -> None:
    """Of finished runs, on an API. root: the folder of all; None: there is none."""
    of = Asked(root)

    async def listed(request: Request) -> Response:
        asked(request)
        return said(await of.answer(of.shelf.listed))

    async def compared(request: Request) -> Response:
        pair = asked(request, "a", "b")
        return said(await of.answer(of.shelf.compared, *pair))

    async def page(request: Request) -> Response:
        asked(request)
        told = request.path_params
        body = await of.answer(of.shelf.page, told["name"], told["file"])
        headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff"}
        return Response(body, headers=headers, media_type="text/html")

    made.add_api_route(LIST, listed, methods=["GET"], response_model=None)
    made.add_api_route(PAIR, compared, methods=["GET"], response_model=None)
    path = FILE.replace("{name}", "{name:path}")
    made.add_api_route(path, page, methods=["GET"], response_model=None)


def said(what: Runs | Comparison) -> Response:
    return Response(msgspec.json.encode(plain(what)), media_type="application/json")


def asked(request: Request, *names: str) -> Parts:
    """Each parameter that there is, once, and no other. Raises Refused."""
    found = request.query_params.multi_items()
    for name, _ in found:
        if name not in names:
            raise Refused(422, "invalid", f"There is no parameter {shown(name)}.", field="query")
    for name in names:
        if sum(key == name for key, _ in found) != 1:
            hint = f"name a run as {LIST} has it"
            raise Refused(422, "invalid", f"Give {name} once.", field=name, hint=hint)
    return tuple(dict(found)[name] for name in names)


def beside(model: Path) -> Path | None:
    """The folder of the run that is served, where it holds others besides."""
    place = model.resolve()
    run = next((one for one in (place, *place.parents) if (one / RESULTS).is_file()), None)
    if run is None:
        return None
    others = (one.parts for one in Walk(run.parent).places())
    return run.parent if any(parts[0] != run.name for parts in others) else None
