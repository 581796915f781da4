"""Which models may be loaded by name, and where one may not reach."""

import os
from dataclasses import dataclass, field

import pytest
from serving import ask

from flowsense.serve.settings import Settings
from flowsense.served import Swap
from flowsense.testing.service import Simulated

RELOAD = "/api/v1/models/reload"


@dataclass
class Noting(Simulated):
    """It takes whatever it is given, and remembers what that was."""

    given: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    async def reload(self, path):
        self.given.append(path)
        return Swap(True, "b", "a")


@pytest.fixture
def models(tmp_path):
    (tmp_path / "models" / "btc").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    return tmp_path / "models"


def reload(body, models=None, **more):
    service = Noting()
    found = ask(
        "POST", RELOAD, service=service, settings=Settings(models=models), json=body, **more
    )
    return found, service.given


def test_a_model_in_the_folder_is_loaded(models):
    found, given = reload({"path": "btc"}, models)
    assert found.json()["accepted"] and given == [models / "btc"]


@pytest.mark.parametrize("body", [{}, {"path": None}])
def test_without_a_name_it_is_the_same_again(models, body):
    assert reload(body, models)[1] == [None]


@pytest.mark.parametrize(
    "path", ["../secret", "btc/../../secret", "/etc", "eth", "link", "a\0b", "~", "x" * 400, "file"]
)
def test_nothing_outside_of_the_folder_is_reached(models, path):
    (models / "file").write_text("")
    os.symlink(models.parent / "secret", models / "link")
    found, given = reload({"path": path}, models)
    assert found.status_code == 404 and given == [] and found.json()["code"] == "unknown_model"
    assert found.json()["hint"] == "there are btc"


def test_without_a_folder_no_other_may_be_loaded():
    found, given = reload({"path": "btc"})
    assert found.status_code == 403 and given == []
    assert "Only what is served may be loaded again" in found.json()["message"]


@pytest.mark.parametrize("body", [{"x": 1}, {"path": ""}, {"path": 3}, [], "btc"])
def test_what_is_no_name_is_not_looked_for(models, body):
    found, given = reload(body, models)
    assert found.status_code == 422 and given == []


def test_a_body_of_another_kind_is_not_read(models):
    told = {"content-type": "text/plain"}
    found = ask("POST", RELOAD, content='{"path": "btc"}', headers=told)
    assert found.status_code == 415
