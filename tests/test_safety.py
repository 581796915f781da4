"""No module of ours can run code that it found in data."""

import ast
from pathlib import Path

import pytest

import flowsense

ROOT = Path(flowsense.__file__).parent
MODULES = ("pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve")
CALLS = ("eval", "exec", "compile", "__import__")
ATTRIBUTES = {
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("torch", "load"),
    ("os", "system"),
    ("os", "popen"),
}


def faults(source):
    """(line, what) of everything forbidden."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            runs = any(not a.name.endswith("Error") for a in node.names)  # an exception does not
            names = [node.module or ""] if runs else []
        else:
            names = []
        for name in names:
            if name.split(".")[0] in MODULES:
                yield node.lineno, f"import {name}"
        if isinstance(node, ast.Call):
            yield from called(node)


def called(node):
    function = node.func
    if isinstance(function, ast.Name) and function.id in CALLS:
        yield node.lineno, function.id
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        name = (function.value.id, function.attr)
        weights = any(k.arg == "weights_only" and is_true(k.value) for k in node.keywords)
        if name in ATTRIBUTES and not (name == ("torch", "load") and weights):
            yield node.lineno, ".".join(name)
    for keyword in node.keywords:
        if keyword.arg in ("allow_pickle", "shell") and is_true(keyword.value):
            yield node.lineno, f"{keyword.arg}=True"


def is_true(value):
    return isinstance(value, ast.Constant) and value.value is True


@pytest.mark.slow
def test_no_module_runs_what_it_reads():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in sorted(ROOT.rglob("*.py"))
        for line, what in faults(path.read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "from pickle import PickleError, loads",
        "import dill as d",
        "eval('1')",
        "exec(x)",
        "yaml.load(f)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f, allow_pickle=True)",
        "subprocess.run(x, shell=True)",
    ],
)
def test_each_of_them_would_be_found(source):
    assert list(faults(source))


@pytest.mark.parametrize(
    "source",
    [
        "from pickle import UnpicklingError",
        "ast.literal_eval(x)",
        "model.eval()",
        "re.compile('a')",
        "torch.load(f, weights_only=True)",
    ],
)
def test_what_is_harmless_passes(source):
    assert not list(faults(source))
