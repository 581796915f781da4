"""The page says in the server's own words why not to act."""

import re
from pathlib import Path

from flowsense.served import VETOES

PAGE = Path(__file__).parents[3] / "dashboard" / "src" / "vetoes.ts"


def test_the_page_knows_every_veto_by_the_servers_words() -> None:
    said = re.findall(r'^ +(\w+):\s+"([^"]*)",$', PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(said) == VETOES
