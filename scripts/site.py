"""Makes the documentation a site: README.md, docs/, the examples, each a page, linked as on disk.

    python scripts/site.py [FOLDER]

The pages are gathered in dist/pages with their links led from where files lie in the repository to
where pages lie in the site; a link that leads out of both is an error. Then zensical builds them as
mkdocs.yml says, strictly, into dist/site or the FOLDER. Nothing is fetched.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES, SITE = ROOT / "dist/pages", ROOT / "dist/site"
FRONT = {"README.md": "index.md", "LICENSE": "license.md"}
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]+)?\))")


def places() -> dict[Path, Path]:
    """Of every file that the site holds, its page; a folder is where it is told of."""
    front = [*ROOT.glob("*.md"), ROOT / "LICENSE"]
    found = {path: Path(FRONT.get(path.name, path.name.lower())) for path in front}
    found |= {path: path.relative_to(ROOT / "docs") for path in ROOT.glob("docs/**/*.*")}
    examples = [*ROOT.glob("examples/*.py"), ROOT / "examples/pyproject.toml"]
    found |= {path: Path("examples", path.stem + ".md") for path in examples}
    return found | {ROOT / "examples": Path("own.md")}


def led(text: str, source: Path, where: dict[Path, Path]) -> str:
    """The text of `source` with links to pages. Raises SystemExit for one that leads nowhere."""

    def page(found: re.Match[str]) -> str:
        before, link, after = found.groups()
        if "://" in link:
            return found[0]
        target = Path(os.path.normpath(source.parent / link))
        if target not in where:
            sys.exit(
                f"{source.relative_to(ROOT)}: {link} is no page of the site: name a file of it"
            )
        return before + os.path.relpath(where[target], where[source].parent) + after

    return LINK.sub(page, text)


def page_of(source: Path, where: dict[Path, Path]) -> bytes:
    """Markdown with its links led, code and licence as they are, in a frame."""
    if source.suffix == ".png":
        return source.read_bytes()
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".md":
        return led(text, source, where).encode()
    language = {".py": "python", ".toml": "toml"}.get(source.suffix, "text")
    return f"# {source.name}\n\n```{language}\n{text}```\n".encode()


def gather(folder: Path) -> None:
    """The pages in place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    where = places()
    for source, place in where.items():
        if source.is_file():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(page_of(source, where))


def build(folder: Path) -> None:
    """Raises SystemExit where zensical finds anything to warn of."""
    gather(PAGES)
    tool = str(Path(sys.executable).parent / "zensical")
    if code := subprocess.run([tool, "build", "--strict", "--clean"], cwd=ROOT).returncode:
        sys.exit(code)
    if folder != SITE:
        shutil.copytree(SITE, folder, dirs_exist_ok=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else SITE)
