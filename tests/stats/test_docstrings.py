"""Every public function says what it raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import abflow.stats

MODULES = sorted(Path(abflow.stats.__path__[0]).glob("*.py"))


def functions(module: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def raised(name: str, among: dict[str, ast.FunctionDef]) -> set[str]:
    """What a function raises on purpose, by itself or by private helpers of its module.

    A TypeError says that abflow is wrong, never the caller.
    """
    found: set[str] = set()
    seen, open_ = set(), [name]
    while open_:
        one = open_.pop()
        if one in seen:
            continue
        seen.add(one)
        found |= set(_raises(among[one]))
        open_ += [called for called in _calls(among[one]) if called.startswith("_") and called in among]
        # Every confidence goes through it.
        found |= {"SpecError"} if "tail_of" in _calls(among[one]) else set()
    return found - {"TypeError"}


def _raises(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            yield node.exc.func.id


def _calls(function: ast.FunctionDef) -> set[str]:
    return {n.func.id for n in ast.walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_docstring_names_what_its_function_raises(module: Path) -> None:
    there = functions(module)
    silent = {}
    for name, function in there.items():
        said = ast.get_docstring(function) or ""
        if not name.startswith("_") and (kept_back := {e for e in raised(name, there) if f"{e}: " not in said}):
            silent[name] = kept_back
    assert silent == {}


PUBLIC = {
    name: function for module in MODULES for name, function in functions(module).items() if not name.startswith("_")
}


def references(name: str) -> str:
    return (ast.get_docstring(PUBLIC[name]) or "").partition("References:")[2]


@pytest.mark.parametrize("name", sorted(name for name in PUBLIC if "Those of `" in references(name)))
def test_whose_references_are_those_of_another_names_one_that_has_some(name: str) -> None:
    for other in re.findall(r"`(\w+)`", references(name)):
        assert other in PUBLIC, f"{name} names {other}, which is none"
        assert "Those of `" not in references(other)
        assert re.search(r"\(\d{4}\)|arXiv", references(other))
