"""The board and the rules of deploy/ ask for what there is, and for all of it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from flowsense.serve.alerts import RULES
from flowsense.serve.measured import FAMILIES

ROOT = Path(__file__).parents[2]
BOARD = json.loads((ROOT / "deploy/grafana/flowsense.json").read_text())
RULE_FILE = ROOT / "deploy/prometheus/flowsense.rules.yml"
LABELS = {name: {*f.labels, "job", "le"} for f in FAMILIES for name in f.exposed}
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
NAME = r"\b(?:flowsense|process|python)_\w+"


def rest():
    """Of the process and the interpreter."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry), GCCollector(registry=registry)
    return {s.name for metric in registry.collect() for s in metric.samples}


def expressions():
    yield from (target["expr"] for panel in PANELS for target in panel["targets"])
    yield from (v["query"]["query"] for v in BOARD["templating"]["list"] if v["type"] == "query")
    yield from (a["expr"] for a in BOARD["annotations"]["list"])
    yield from re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):", RULE_FILE.read_text())


@pytest.mark.parametrize("expression", sorted(set(expressions()) - {'up{job="flowsense"} == 0'}))
def test_every_expression_asks_for_series_and_labels_that_there_are(expression):
    names = re.findall(NAME, expression)

    assert names and set(names) <= LABELS.keys() | rest() and "job" not in names
    for name, matchers in re.findall(rf"({NAME}){{([^}}]*)}}", expression):
        found = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", matchers))
        assert found <= LABELS.get(name, {"job"}), expression
    by = {
        label.strip()
        for list_ in re.findall(r"by \(([^)]*)\)", expression)
        for label in list_.split(",")
    }
    assert by <= set.union(*(LABELS.get(name, set()) for name in names))


def test_every_family_is_on_the_board():
    shown = set(re.findall(NAME, " ".join(expressions())))

    missing = [f.name for f in FAMILIES if not shown & {*f.exposed}]
    assert missing == []


def test_legends_name_labels_that_the_series_have():
    for panel in PANELS:
        for target in panel["targets"]:
            asked = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            names = re.findall(NAME, target["expr"])
            assert asked <= set.union(*(LABELS.get(n, {"generation"}) for n in names)), panel[
                "title"
            ]


def test_panels_have_names_of_their_own_and_do_not_overlap():
    taken = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    for key in ("id", "title"):
        assert len({panel[key] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    assert all(p["datasource"]["uid"] == "${source}" and p["type"] for p in PANELS)


def test_the_page_lists_every_metric_and_every_alert_and_no_other():
    rows = re.findall(r"^\| `\w+` \|.*$", (ROOT / "docs/monitoring.md").read_text(), re.MULTILINE)
    lines = [f"| `{f.name}` | {f.kind} | {', '.join(f.labels)} | {f.says} |" for f in FAMILIES]

    assert [row for row in rows if "flowsense_" in row.split("|")[1]] == lines
    said = dict(re.findall(r"\| `(\w+)` \| (critical|warning) \|", "\n".join(rows)))
    assert said == {name: severity for name, (severity, _) in RULES.items()}


def test_prometheus_has_the_rules_of_the_service_with_their_severity():
    found = dict(re.findall(r"alert: (\w+)\n(?:.|\n)*?severity: (\w+)", RULE_FILE.read_text()))

    assert found.pop("silent") == "critical"
    assert found == {name: severity for name, (severity, _) in RULES.items()}


@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", ROOT / "deploy/prometheus/prometheus.yml"),
        ("check", "rules", RULE_FILE),
        ("test", "rules", Path(__file__).parent / "rules_test.yml"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_promtool_finds_nothing_wrong(command):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")

    done = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
