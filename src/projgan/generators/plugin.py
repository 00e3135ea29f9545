"""Generators from outside the package, known as `module:Name`: found, checked, blamed by name.

Importing a module runs it. So the name of one in a config, a snapshot or a checkpoint is not
enough: `admit` imports only where its caller says that the user allows it. A module that this
process has imported already needs no leave.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterator
from types import ModuleType

import torch

from projgan.errors import ProjganError, RefusedError, UsageError, choose_from, first_line
from projgan.generators.base import Builder, Generator, known_generators, register
from projgan.rng import torch_stream

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_GIVEN = ("z_dim", "resolution", "width")
_FURTHER = ("num_classes", "size", "channels")
"""Given where a run asks for more than a plain generator has."""


def is_outside(name: str) -> bool:
    """Whether a generator's name stands for code outside the package."""
    return ":" in name


def admit(name: str, *, allow_code: bool = False, where: str = "") -> None:
    """Make sure that `build_generator` knows a name, importing the module in it if need be.

    Args:
        name: of a registered generator, or `module:Name`: a class or function that keeps to
            `Builder`, in a module of the current folder or of Python's path.
        allow_code: import the module. Otherwise it must have been imported already.
        where: what names it: a snapshot, a run.

    Raises:
        UsageError: nothing has that name, it is no builder, or its module fails.
        RefusedError: its module would have to be imported.
    """
    where = where or "setting generator.name"
    if not is_outside(name):
        if name not in known_generators():
            raise choose_from("generator", name, (*known_generators(), "MODULE:NAME"))
        return
    if not _NAME.fullmatch(name) or name.partition(":")[0].endswith(".py"):
        raise UsageError(
            f"{name!r} names no generator: it must be module:Name, as in `from module import Name`",
            where=where,
            next_command="--generator my_module:MyGenerator, in the folder that has my_module.py",
        )
    module_name, _, attribute = name.partition(":")
    module = sys.modules.get(module_name)
    if module is None:
        if not allow_code:
            raise RefusedError(
                f"its generator is code from outside projgan, which would be run: {name}",
                where=where,
                safe="nothing was imported",
                next_command="if you trust that code, add --allow-code (Python: allow_code=True)",
            )
        module = _import(module_name, name)
    register(name, replace=True)(_builder_in(module, attribute, name))


def try_out(
    generator: object,
    name: str,
    *,
    z_dim: int,
    resolution: int,
    num_classes: int,
    size: tuple[int, int],
    channels: int,
) -> None:
    """Try what the outside builder `name` gave, with two latents, before a run relies on it.

    Raises: UsageError: it is no `Generator`, it fails, or its pictures are none.
    """
    if not isinstance(generator, Generator):
        raise _no_contract(name, f"gave a {type(generator).__name__}, no projgan.Generator")
    asked = {
        "z_dim": z_dim,
        "resolution": resolution,
        "num_classes": num_classes,
        "size": size,
        "channels": channels,
    }
    for key, value in asked.items():
        if getattr(generator, key, None) != value:
            raise _no_contract(name, f"was asked for {key}={value} and has another")
    was_training = generator.training
    z = torch.randn(2, z_dim, generator=torch_stream(0, "trial latents"))
    with blamed(name):
        generator.eval()
        images = generator(z, torch.zeros(2, dtype=torch.long)) if num_classes else generator(z)
    generator.train(was_training)
    expected = (2, channels, *size)
    if not isinstance(images, torch.Tensor) or tuple(images.shape) != expected:
        got = tuple(images.shape) if isinstance(images, torch.Tensor) else type(images).__name__
        raise _no_contract(name, f"makes {got} of two latents instead of {expected}")
    if not images.requires_grad:
        raise _no_contract(name, "makes pictures that no parameter has a gradient from")
    if not bool(torch.isfinite(images).all()):
        raise _no_contract(name, "makes pictures with numbers that are not finite")


@contextlib.contextmanager
def blamed(name: str) -> Iterator[None]:
    """What an outside generator raises becomes a UsageError that says whose code it was."""
    try:
        yield
    except BaseException as error:  # a script without a main guard may want to leave Python
        others = (ProjganError, KeyboardInterrupt, MemoryError, torch.OutOfMemoryError)
        if isinstance(error, others) or not is_outside(name):
            raise
        raise _fault(name, error) from error


def blame(error: Exception) -> UsageError | None:
    """The fault of an admitted outside generator in whose code an error arose; None: in none."""
    called = {
        str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)
    }
    for name in known_generators():
        if is_outside(name) and name.partition(":")[0] in called:
            return _fault(name, error)
    return None


def _import(module_name: str, name: str) -> ModuleType:
    """Import a module of the current folder, or of Python's path."""
    folder = os.getcwd()
    is_added = folder not in sys.path and "" not in sys.path
    if is_added:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()  # the file may be younger than Python's list of the folder
    try:
        with blamed(name):
            return importlib.import_module(module_name)
    except UsageError as error:
        cause = error.__cause__
        missing = str(cause.name) if isinstance(cause, ModuleNotFoundError) else ""
        if missing and f"{module_name}.".startswith(f"{missing}."):
            raise UsageError(
                f"the generator {name} needs the module {missing}, which is not there",
                where=f"{folder}, and Python's path",
                next_command=f"run this in the folder that has {missing.split('.')[0]}.py, "
                "or put that folder in front: PYTHONPATH=FOLDER projgan ...",
            ) from error
        raise
    finally:
        if is_added:
            sys.path.remove(folder)


def _builder_in(module: ModuleType, attribute: str, name: str) -> Builder:
    """The builder of that name in a module, if it can be called as one."""
    where = str(getattr(module, "__file__", None) or module.__name__)
    found = getattr(module, attribute, None)
    if found is None:
        offered = [key for key, value in vars(module).items() if _is_generator(value)]
        raise UsageError(
            f"the module {module.__name__} has no {attribute}",
            where=where,
            next_command=f"--generator {module.__name__}:{offered[0]}" if offered else "",
        )
    if isinstance(found, type) and not _is_generator(found):
        raise _no_contract(name, "is a class that does not derive from projgan.Generator")
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError) as error:
        raise _no_contract(name, "is neither a class nor a function") from error
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    taken = {key: one for key, one in parameters.items() if one.kind in by_name}
    lacking = [key for key in _GIVEN if key not in taken]
    if lacking:
        raise _no_contract(name, f"does not take {' or '.join(lacking)}")
    needed = [key for key, one in taken.items() if one.default is one.empty]
    more = [key for key in needed if key not in (*_GIVEN, *_FURTHER)]
    if more:
        raise _no_contract(name, f"needs {' and '.join(more)}, which it is not given")
    builder: Builder = found
    return builder


def _is_generator(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Generator) and value is not Generator


def _no_contract(name: str, problem: str) -> UsageError:
    return UsageError(
        f"{name} is no generator for projgan: it {problem}",
        where="setting generator.name",
        next_command="python -m pydoc projgan.generators.base    (shows one that is)",
    )


def _fault(name: str, error: BaseException) -> UsageError:
    """An error of the outside code, with the last line of it that was run."""
    module_name = name.partition(":")[0]
    where = f"module {module_name}"
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}, line {error.lineno}"
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == module_name:
            where = f"{frame.f_code.co_filename}, line {line}"
    return UsageError(
        f"the generator's own code failed ({name}): {type(error).__name__}: {first_line(error)}",
        where=where,
        next_command="repair it there; --debug shows the whole traceback",
    )
