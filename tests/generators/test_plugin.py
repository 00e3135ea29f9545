"""Generators from outside the package: found, refused, checked, and blamed for their own faults."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from projgan.build import make_generator
from projgan.errors import ProjganError, RefusedError, UsageError
from projgan.generators import base
from projgan.generators.plugin import admit, blame
from tiny import tiny_config

GOOD = """
import torch
from torch import nn
from projgan import Generator

class Tiny(Generator):
    def __init__(self, *, z_dim, resolution, width):
        super().__init__(z_dim=z_dim, resolution=resolution)
        self.start = nn.Linear(z_dim, 3 * width)

    def forward(self, z):
        x = self.start(z).view(len(z), 3, -1).mean(2)
        return x[:, :, None, None].expand(-1, -1, self.resolution, self.resolution)
"""


@pytest.fixture
def write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], str]]:
    """Writes a module into the current folder, which is not on the path; gives its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(base, "_BUILDERS", dict(base._BUILDERS))
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    name = f"outside_{abs(hash(request.node.nodeid))}"

    def write(text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    sys.modules.pop(name, None)


def refused(name: str, *, kind: type[ProjganError] = UsageError, allow: bool = True) -> str:
    with pytest.raises(kind) as caught:
        admit(name, allow_code=allow)
        make_generator(tiny_config(generator__name=name))
    assert len(caught.value.lines()) <= 6
    return str(caught.value)


def test_one_from_the_current_folder_is_built_like_a_built_in_one(
    write: Callable[[str], str],
) -> None:
    module = write(GOOD)
    name = f"{module}:Tiny"
    path = list(sys.path)
    admit(name, allow_code=True)
    assert sys.path == path
    config = tiny_config(generator__name=name)
    torch.manual_seed(1)
    one = make_generator(config)
    torch.manual_seed(2)
    other = make_generator(config)
    assert type(one).__module__ == module and one.training
    assert torch.equal(one.start.weight, other.start.weight)  # the seed of the run alone decides
    torch.manual_seed(2)
    expected = torch.rand(2)
    torch.manual_seed(2)
    make_generator(config)
    assert torch.equal(torch.rand(2), expected)


def test_a_function_will_do(write: Callable[[str], str]) -> None:
    module = write(
        GOOD + "\ndef build(z_dim, resolution, width, depth=2):\n"
        "    return Tiny(z_dim=z_dim, resolution=resolution, width=width * depth)\n"
    )
    admit(f"{module}:build", allow_code=True)
    generator = make_generator(tiny_config(generator__name=f"{module}:build"))
    assert generator.start.out_features == 3 * 8 * 2


def test_nothing_is_imported_without_leave(write: Callable[[str], str], tmp_path: Path) -> None:
    module = write("from pathlib import Path\nPath('was-run').touch()\n" + GOOD)
    for act in (
        lambda: admit(f"{module}:Tiny", where="runs/theirs"),
        lambda: make_generator(tiny_config(generator__name=f"{module}:Tiny")),
    ):
        with pytest.raises(RefusedError, match="code from outside") as caught:
            act()
        assert caught.value.exit_code == 9
        assert "--allow-code" in caught.value.next_command
    assert not (tmp_path / "was-run").exists()
    assert module not in sys.modules
    admit(f"{module}:Tiny", allow_code=True)
    assert (tmp_path / "was-run").exists()


def test_an_imported_module_needs_no_leave(
    write: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = write(GOOD)
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__(module)
    assert make_generator(tiny_config(generator__name=f"{module}:Tiny")).resolution == 32


def test_a_changed_class_takes_the_place_of_the_old_one(write: Callable[[str], str]) -> None:
    """As in a notebook, where a module is imported again."""
    module = write(GOOD)
    admit(f"{module}:Tiny", allow_code=True)
    write(GOOD.replace("3 * width", "6 * width"))
    del sys.modules[module]
    admit(f"{module}:Tiny", allow_code=True)
    config = tiny_config(generator__name=f"{module}:Tiny")
    assert make_generator(config).start.out_features == 48


@pytest.mark.parametrize(
    "name", ["a.py:Tiny", "folder/a:Tiny", "a:", ":Tiny", "a:b:c", "a:b.c", "../a:Tiny", "a b:C"]
)
def test_names_that_are_none(name: str) -> None:
    assert "module:Name" in refused(name)


def test_unknown_names_list_the_known_ones_and_the_form() -> None:
    message = refused("biggan")
    assert "fastgan-lite" in message and "MODULE:NAME" in message


def test_a_module_that_is_not_there(write: Callable[[str], str], tmp_path: Path) -> None:
    message = refused("no_such_module:Tiny")
    assert "needs the module no_such_module" in message and str(tmp_path) in message
    assert "no_such_module.py" in message and "PYTHONPATH" in message
    module = write(GOOD)
    assert f"needs the module {module}.inner" in refused(f"{module}.inner:Tiny")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import not_installed_anywhere\n" + GOOD, ("ModuleNotFoundError", "line 1")),
        ("\n\nx = 1 / 0\n", ("ZeroDivisionError: division by zero", "line 3")),
        ("def broken(:\n", ("SyntaxError", "line 1")),
        ("import sys\nsys.exit(3)\n", ("SystemExit: 3", "line 2")),
        (GOOD.replace("3 * width)", "3 * widht)"), ("NameError", "line 9")),
        (GOOD.replace("self.start(z)", "self.strat(z)"), ("AttributeError", "line 12")),
        (GOOD.replace("def forward", "def froward"), ("TypeError", "abstract")),
    ],
)
def test_its_own_faults_are_called_its_own(
    write: Callable[[str], str], text: str, words: tuple[str, ...]
) -> None:
    module = write(text)
    message = refused(f"{module}:Tiny")
    assert f"the generator's own code failed ({module}:Tiny)" in message
    assert f"{module}" in message.split("where:")[1]
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD.replace("(Generator)", "(nn.Module)"), "does not derive from projgan.Generator"),
        ("Tiny = 3\n", "neither a class nor a function"),
        ("def Tiny(z_dim, resolution): ...\n", "does not take width"),
        ("def Tiny(**sizes): ...\n", "does not take z_dim or resolution or width"),
        ("def Tiny(z_dim, resolution, width, depth): ...\n", "needs depth"),
        ("def Tiny(z_dim, resolution, width): return 3\n", "gave a int"),
        (GOOD.replace("z_dim=z_dim, resolution=r", "z_dim=z_dim + 1, resolution=r"), "asked for"),
        (GOOD.replace("self.resolution, self.resolution", "16, 16"), r"\(2, 3, 16, 16\)"),
        (GOOD.replace("return x[", "return 3; x["), "makes int of two latents"),
        (GOOD.replace("self.start(z)", "self.start(z).detach()"), "no parameter has a gradient"),
        (GOOD.replace("mean(2)", "mean(2) / 0"), "not finite"),
    ],
)
def test_what_does_not_keep_to_the_contract(
    write: Callable[[str], str], text: str, problem: str
) -> None:
    module = write(text)
    message = refused(f"{module}:Tiny")
    assert f"{module}:Tiny is no generator for projgan" in message
    with pytest.raises(UsageError, match=problem):
        admit(f"{module}:Tiny", allow_code=True)
        make_generator(tiny_config(generator__name=f"{module}:Tiny"))


def test_a_missing_attribute_names_what_there_is(write: Callable[[str], str]) -> None:
    module = write(GOOD)
    message = refused(f"{module}:Teeny")
    assert f"has no Teeny\nwhere: {Path(f'{module}.py').resolve()}" in message
    assert f"--generator {module}:Tiny" in message


def test_full_memory_is_not_the_generator_s_fault(write: Callable[[str], str]) -> None:
    module = write(GOOD.replace("self.start = ", "raise MemoryError\n        self.start = "))
    admit(f"{module}:Tiny", allow_code=True)
    with pytest.raises(MemoryError):
        make_generator(tiny_config(generator__name=f"{module}:Tiny"))


def test_a_fault_while_training_is_blamed_too(write: Callable[[str], str]) -> None:
    """One that only shows in training mode gets past the trial."""
    module = write(GOOD.replace("x = self", "assert not self.training, 'mine'\n        x = self"))
    admit(f"{module}:Tiny", allow_code=True)
    generator = make_generator(tiny_config(generator__name=f"{module}:Tiny"))
    with pytest.raises(AssertionError) as caught:
        generator(torch.zeros(1, 16))
    fault = blame(caught.value)
    assert fault is not None and "AssertionError: mine" in fault.what
    assert fault.where.endswith(f"{module}.py, line 12")
    with pytest.raises(ZeroDivisionError) as caught_own:
        1 / 0  # noqa: B018 - an error that no generator has a part in
    assert blame(caught_own.value) is None


def test_with_classes(write: Callable[[str], str]) -> None:
    plain = f"{write(GOOD)}:Tiny"
    admit(plain, allow_code=True)
    options = {"data__conditional": "true", "data__classes": "cat,dog"}
    with pytest.raises(UsageError, match="cannot be trained with classes"):
        make_generator(tiny_config(generator__name=plain, **options))
    sys.modules.pop(plain.partition(":")[0])
    text = GOOD.replace("resolution, width)", "resolution, width, num_classes)")
    text = text.replace("resolution=resolution)", "resolution=resolution, num_classes=num_classes)")
    admit(f"{write(text)}:Tiny", allow_code=True)
    with pytest.raises(UsageError, match="forward"):  # it does not take them there
        make_generator(tiny_config(generator__name=plain, **options))
    sys.modules.pop(plain.partition(":")[0])
    write(text.replace("forward(self, z)", "forward(self, z, c)"))
    admit(plain, allow_code=True)
    generator = make_generator(tiny_config(generator__name=plain, **options))
    assert generator.num_classes == 2
