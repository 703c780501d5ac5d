"""What import-linter cannot say: plugins use public names only, and importing costs nothing."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGINS = ["otpserver", "scripthandler", "tokenhandler", "usernotification"]
PUBLIC_MODULES = {"whenthen", "whenthen.errors", "whenthen.hosts", "whenthen.identity"}
HEAVY = {"sqlalchemy", "alembic", "flask", "smtplib", "ruamel", "cattrs", "re2", "cryptography"}


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield str(node.module), alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_imports_only_public_names(plugin: str) -> None:
    files = list((ROOT / "plugins" / plugin / "src").rglob("*.py"))
    assert files
    for file in files:
        for module, name in _imports(ast.parse(file.read_text(encoding="utf-8"))):
            if module.split(".")[0] != "whenthen":
                continue
            assert module in PUBLIC_MODULES, f"{file.name} imports {module}"
            if name:
                public = importlib.import_module(module).__all__
                assert name in public, f"{file.name} imports {name} from {module}"


@pytest.mark.parametrize("package", ["whenthen", *(f"whenthen_{name}" for name in PLUGINS)])
def test_importing_a_plugin_loads_nothing_heavy(package: str) -> None:
    code = f"import {package}, sys, json; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {module.split(".")[0] for module in json.loads(done.stdout)}
    assert not loaded & HEAVY


def test_every_public_name_is_there_and_explained() -> None:
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing):
                assert thing.__doc__, f"{module_name}.{name} has no docstring"


@pytest.mark.parametrize("package", ["core", *(f"plugins/{name}" for name in PLUGINS)])
def test_modules_are_of_a_readable_size(package: str) -> None:
    for file in (ROOT / package / "src").rglob("*.py"):
        lines = len(file.read_text(encoding="utf-8").splitlines())
        assert lines <= 300, f"{file.name} has {lines} lines: is there a second room in it?"
