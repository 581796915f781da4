"""The page itself: files that the package brings, read once, under the paths that they ask for."""

from functools import cache
from gzip import compress
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
POLICY = (  # of what the page may load: nothing from elsewhere
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; frame-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class File(NamedTuple):
    kind: str
    content: bytes
    packed: bytes  # gzip
    tag: str  # of this content


@cache
def pages() -> dict[str, File]:
    """By path; nothing where the page was not built (`make dashboard`)."""
    found = dict(walked(files("flowsense.serve.board") / "page", "/"))
    if "/index.html" in found:
        found["/"] = found["/index.html"]
    return found


def walked(folder: Traversable, path: str) -> list[tuple[str, File]]:
    if not folder.is_dir():
        return []
    found = list[tuple[str, File]]()
    for entry in folder.iterdir():
        ending = entry.name[entry.name.rfind(".") :]
        if entry.is_dir():
            found += walked(entry, f"{path}{entry.name}/")
        elif ending in KINDS:
            content = entry.read_bytes()
            tag = f'"{blake2b(content, digest_size=8).hexdigest()}"'
            found.append((path + entry.name, File(KINDS[ending], content, compress(content), tag)))
    return found


async def answer(request: Request) -> Response:
    """One of `pages`; 304 where the browser has it."""
    file = pages()[request.url.path]
    headers = {"content-security-policy": POLICY, "etag": file.tag, "vary": "accept-encoding"}
    headers |= {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            file.packed, headers=headers | {"content-encoding": "gzip"}, media_type=file.kind
        )
    return Response(file.content, headers=headers, media_type=file.kind)
