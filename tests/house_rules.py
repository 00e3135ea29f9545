"""The house rules that a machine can read: imports, sizes, docstrings, forbidden calls.

Reads a source tree with `ast` and complains in sentences. `test_architecture.py` holds src/projgan
to it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# The printed order, top to bottom. Units in one row stand beside each other and do not import each
# other, but for the foundation, which is one unit.
FOUNDATION = ("errors", "images", "processes", "rng", "rundir", "storage", "tensors")
ORDER = (
    FOUNDATION,
    ("config",),
    ("layers",),
    ("data", "features", "generators", "augment", "losses"),
    ("discriminators",),
    ("build",),
    ("snapshot",),
    ("sampling", "evaluation", "training", "export", "importers"),
    ("workflows",),
    ("studio",),
    ("cli",),
)
RANKS = {unit: rank for rank, row in enumerate(ORDER) for unit in row}
FACES = ("", "__main__")  # projgan/__init__.py and __main__.py stand in front of the house
NETWORKS = ("layers", "features", "generators", "augment", "losses", "discriminators")
LIGHT = ("errors", "rundir", "storage", "config", "cli", *FACES)  # what `projgan --help` may import
HEAVY = ("torch", "torchvision", "timm", "matplotlib", "safetensors.torch")
NO_HOME = ("utils", "util", "helpers", "misc")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_POSITIONAL = 6
UNPICKLERS = ("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")

Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """One file: `name` is "discriminators.heads", without the package; "" is the package itself."""

    path: str
    name: str
    is_package: bool
    text: str
    tree: ast.Module

    @property
    def unit(self) -> str:
        return self.name.split(".")[0]

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Names that imports bind, with what they stand for: th -> torch, load -> torch.load."""
        aliases: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                aliases |= {alias.asname: alias.name for alias in node.names if alias.asname}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                aliases |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        return aliases


@dataclass(frozen=True)
class Import:
    """`target` is a dotted name; inside the package it starts with "projgan"."""

    target: str
    line: int
    when_loaded: bool
    """Runs as soon as the module is imported: not inside a function, not for type checkers only."""


Tree = dict[str, Module]


def read_tree(root: Path) -> Tree:
    tree = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        text = path.read_text(encoding="utf-8")
        relative = path.relative_to(root).as_posix()
        tree[name] = Module(relative, name, is_package, text, ast.parse(text, relative))
    return tree


def imports_of(module: Module, tree: Tree) -> list[Import]:
    """All imports of a file, inside functions too, with relative ones made absolute."""
    found = []
    for node, when_loaded in _walk_with_time(module.tree, True):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, when_loaded) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                is_module = full.removeprefix("projgan.") in tree or full in HEAVY
                # What is taken from the package itself counts by name: only the version lies there.
                target = full if is_module or base == "projgan" else base
                found.append(Import(target, node.lineno, when_loaded))
    return found


def _walk_with_time(node: ast.AST, when_loaded: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        later = isinstance(child, (*Function, ast.Lambda)) or _is_for_type_checkers(child)
        yield child, when_loaded and not later
        yield from _walk_with_time(child, when_loaded and not later)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _absolute(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    package = ["projgan", *module.name.split(".")] if module.name else ["projgan"]
    up = node.level - (1 if module.is_package else 0)
    return ".".join(package[: len(package) - up] + ([node.module] if node.module else []))


def _own(target: str) -> str | None:
    """The name inside the package, "" for the package itself, None for other packages."""
    if target == "projgan":
        return ""
    return target.removeprefix("projgan.") if target.startswith("projgan.") else None


def check_order(tree: Tree) -> Iterator[str]:
    for module in tree.values():
        if module.unit in FACES:
            continue
        if module.unit not in RANKS:
            yield f"{module.path} has no place in the printed order; give {module.unit} a row"
            continue
        for item in imports_of(module, tree):
            target = _own(item.target)
            if target in (None, "__version__") or _may_import(module.unit, target):
                continue
            where = _where(module.unit, target)
            yield f"{module.path} imports {target or 'projgan'}, which stands {where}"


def _may_import(unit: str, target: str) -> bool:
    other = target.split(".", maxsplit=1)[0]
    if other == unit or (other in FOUNDATION and unit in FOUNDATION):
        return True
    return other in RANKS and RANKS[other] < RANKS[unit]


def _where(unit: str, target: str) -> str:
    other = target.split(".", maxsplit=1)[0]
    if other not in RANKS:
        return "outside the printed order"
    return "beside it" if RANKS[other] == RANKS[unit] else "below it"


def check_plain_networks(tree: Tree) -> Iterator[str]:
    for module in tree.values():
        for item in imports_of(module, tree) if module.unit in NETWORKS else ():
            if (_own(item.target) or "").split(".")[0] == "config":
                yield f"{module.path} imports config: networks take plain arguments"


def check_light(tree: Tree) -> Iterator[str]:
    for module in tree.values():
        chain = _way_to_heavy(module, tree) if module.unit in LIGHT else []
        if chain:
            way = f", by way of {', '.join(chain[1:-1])}" if chain[1:-1] else ""
            yield f"{module.path} imports {chain[-1]} as soon as it is loaded{way}"


def _way_to_heavy(start: Module, tree: Tree) -> list[str]:
    """The shortest chain of files, and the heavy package at its end, that loading `start` loads."""
    ways = {start.name: [start.path]}
    waiting = [start]
    for module in waiting:
        targets = [item.target for item in imports_of(module, tree) if item.when_loaded]
        for heavy in HEAVY:
            if any(target == heavy or target.startswith(f"{heavy}.") for target in targets):
                return [*ways[module.name], heavy]
        inside = [own for target in targets if (own := _own(target)) is not None]
        for name in (around for own in [module.name, *inside] for around in _packages_around(own)):
            if name in tree and name not in ways:
                ways[name] = [*ways[module.name], tree[name].path]
                waiting.append(tree[name])
    return []


def _packages_around(name: str) -> list[str]:
    """For a.b: the root, a, and a.b; loading the last loads the others first."""
    parts = name.split(".") if name else []
    return [".".join(parts[:count]) for count in range(len(parts) + 1)]


def check_sizes(tree: Tree) -> Iterator[str]:
    for module in tree.values():
        lines = len(module.text.splitlines())
        if lines > MAX_FILE_LINES:
            yield f"{module.path} has {lines} lines; the limit is {MAX_FILE_LINES}"
        for node in ast.walk(module.tree):
            if not isinstance(node, Function):
                continue
            where = f"{module.path}:{node.lineno} {node.name}"
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{where} has {length} lines; the limit is {MAX_FUNCTION_LINES}"
            names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
            if len([name for name in names if name not in ("self", "cls")]) > MAX_POSITIONAL:
                yield f"{where} takes more than {MAX_POSITIONAL} positional arguments"
            if node.args.kwarg:
                yield f"{where} takes **{node.args.kwarg.arg}; name the arguments"


def check_docstrings(tree: Tree) -> Iterator[str]:
    for module in tree.values():
        if not ast.get_docstring(module.tree):
            yield f"{module.path} does not say what lives here"
        for node in module.tree.body:
            if not isinstance(node, (*Function, ast.ClassDef)) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                yield f"{module.path}:{node.lineno} {node.name} has no docstring"


def check_names(tree: Tree) -> Iterator[str]:
    for module in tree.values():
        for part in module.name.split("."):
            if part in NO_HOME:
                yield f"{module.path}: {part} names nothing; say what the file holds"


def check_streams(tree: Tree) -> Iterator[str]:
    """Printing, arguments and leaving belong to the command line."""
    for module in tree.values():
        if module.unit in ("cli", "__main__"):
            continue
        for line, name in _uses(module):
            if name in ("print", "exit", "quit", "SystemExit", "sys.exit", "sys.argv"):
                yield f"{module.path}:{line} uses {name}, which belongs to cli"


def check_execution(tree: Tree) -> Iterator[str]:
    """Nothing that can run code from a file, and no handler that swallows everything."""
    for module in tree.values():
        for item in imports_of(module, tree):
            if item.target.split(".")[0] in UNPICKLERS:
                yield f"{module.path}:{item.line} imports {item.target}: files are never unpickled"
        for line, name in _uses(module):
            if name in ("eval", "exec"):
                yield f"{module.path}:{line} uses {name}: text is never executed"
            if name == "torch.save":
                yield f"{module.path}:{line} uses torch.save, which pickles; write safetensors"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                yield f"{module.path}:{node.lineno} has a bare except; name what it expects"
            if isinstance(node, ast.Call):
                yield from _loads_unsafely(module, node)


def _loads_unsafely(module: Module, call: ast.Call) -> Iterator[str]:
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if _name_of(call.func, module) == "torch.load" and options.get("weights_only") != "True":
        yield f"{module.path}:{call.lineno} calls torch.load without weights_only=True"
    if options.get("allow_pickle", "False") != "False":
        yield f"{module.path}:{call.lineno} sets allow_pickle: files are never unpickled"


def _uses(module: Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            yield node.lineno, _name_of(node, module)


def _name_of(node: ast.expr, module: Module) -> str:
    """The dotted name of an expression with aliases resolved; "" if it is none."""
    if isinstance(node, ast.Name):
        return module.aliases.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (owner := _name_of(node.value, module)):
        return f"{owner}.{node.attr}"
    return ""


CHECKS: tuple[Callable[[Tree], Iterator[str]], ...] = (
    check_order,
    check_plain_networks,
    check_light,
    check_sizes,
    check_docstrings,
    check_names,
    check_streams,
    check_execution,
)
