from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "catalogue.py"


def test_the_page_of_features_is_that_of_the_code():
    found = spec_from_file_location("catalogue", SCRIPT)
    module = module_from_spec(found)
    found.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "run python scripts/catalogue.py"
