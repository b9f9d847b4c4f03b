# SPDX-License-Identifier: Apache-2.0
"""The sizes that keep the code readable; whoever raises one does it on purpose, here.

1. A module has at most 400 lines, a test file 600.
2. A function has at most 40 lines, from `def` to its end; a handler 15, its signature and docstring aside.
3. A function has at most 6 parameters, `self` and `cls` aside.
4. Blocks (if, for, while, with, try, match) stand at most 3 deep in a function; `elif` is no deeper than its `if`.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
MODULE_LINES = 400
TEST_LINES = 600
FUNCTION_LINES = 40
HANDLER_LINES = 15
PARAMETERS = 6
NESTING = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)

MODULES = sorted(path for folder in ("src", "bench", "deploy") for path in (PROJECT / folder).rglob("*.py"))
TESTS = sorted((PROJECT / "tests").rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in MODULES + TESTS}
HANDLERS = PROJECT / "src/estiva/web"


def functions() -> Iterator[tuple[str, Function]]:
    """Yield every function of the project with the place where it stands."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{path.relative_to(PROJECT)}:{node.lineno} {node.name}", node


def handlers() -> Iterator[tuple[str, Function]]:
    """Yield the public coroutines of every endpoint class."""
    for path, owner in _endpoints():
        for node in owner.body:
            if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_"):
                yield f"{path.relative_to(PROJECT)}:{node.lineno} {owner.name}.{node.name}", node


def _endpoints() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in HANDLERS.rglob("*.py"):
        classes = (node for node in ast.walk(TREES[path]) if isinstance(node, ast.ClassDef))
        yield from ((path, owner) for owner in classes if owner.name.endswith("Endpoint"))


def length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def body_length(node: Function) -> int:
    """Count the lines of a function's body, its docstring aside."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1


def parameters(node: Function) -> int:
    named = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    starred = [argument for argument in (node.args.vararg, node.args.kwarg) if argument]
    return len([name for name in named if name not in ("self", "cls")]) + len(starred)


def depth(node: ast.AST) -> int:
    """Tell how many blocks stand inside one another below a node, within its own scope."""
    return max(
        (_deeper(node, child) for child in ast.iter_child_nodes(node) if not isinstance(child, SCOPES)), default=0
    )


def _deeper(parent: ast.AST, child: ast.AST) -> int:
    continues = isinstance(parent, ast.If) and isinstance(child, ast.If) and parent.orelse == [child]
    return depth(child) + (isinstance(child, BLOCKS) and not continues)


@pytest.mark.parametrize(("files", "most"), [(MODULES, MODULE_LINES), (TESTS, TEST_LINES)], ids=["module", "test file"])
def test_a_file_is_short_enough_to_be_read_in_one_sitting(files: list[Path], most: int) -> None:
    lengths = {str(path.relative_to(PROJECT)): len(path.read_text().splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > most} == {}


@pytest.mark.parametrize(
    ("measured", "most"),
    [(length, FUNCTION_LINES), (parameters, PARAMETERS), (depth, NESTING)],
    ids=["lines", "parameters", "nesting"],
)
def test_a_function_fits_the_eye(measured: Callable[[Function], int], most: int) -> None:
    assert {where: measured(node) for where, node in functions() if measured(node) > most} == {}


def test_a_handler_parses_guards_calls_and_renders() -> None:
    assert {where: body_length(node) for where, node in handlers() if body_length(node) > HANDLER_LINES} == {}


def test_the_handlers_are_found() -> None:
    assert len(list(handlers())) > len(("get", "head", "put", "patch", "post", "delete"))
