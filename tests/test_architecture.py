"""Holds src/projgan to the house rules, and plants each fault in a tiny tree to see it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from house_rules import CHECKS, Tree, imports_of, read_tree

SOURCE = Path(__file__).resolve().parents[1] / "src" / "projgan"


@pytest.fixture(scope="module")
def tree() -> Tree:
    return read_tree(SOURCE)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_source_keeps_the_rule(check: Callable[[Tree], Iterator[str]], tree: Tree) -> None:
    complaints = list(check(tree))
    assert not complaints, "\n".join(["", *complaints])


def test_every_row_of_the_order_is_read(tree: Tree) -> None:
    """Guards the checks above against looking at nothing."""
    units = {module.unit for module in tree.values()}
    assert {
        "errors",
        "config",
        "layers",
        "generators",
        "discriminators",
        "training",
        "cli",
    } <= units
    targets = {item.target for module in tree.values() for item in imports_of(module, tree)}
    assert "projgan.errors" in targets


PLANTED = {
    "lower unit": (
        {"discriminators/heads.py": "from projgan.training import ema", "training/ema.py": ""},
        "discriminators/heads.py imports training.ema, which stands below it",
    ),
    "lower unit, whole name": (
        {"losses.py": "import projgan.build", "build.py": ""},
        "losses.py imports build, which stands below it",
    ),
    "relative": (
        {"discriminators/heads.py": "from ..training.ema import blend", "training/ema.py": ""},
        "discriminators/heads.py imports training.ema, which stands below it",
    ),
    "relative, from a package": (
        {"layers/__init__.py": "from ..losses import hinge", "losses.py": ""},
        "layers/__init__.py imports losses, which stands below it",
    ),
    "relative, a whole unit": (
        {"layers/glu.py": "from .. import losses", "losses.py": ""},
        "layers/glu.py imports losses, which stands below it",
    ),
    "inside a function": (
        {
            "snapshot.py": "def load():\n    from projgan.training.loop import run",
            "training/loop.py": "",
        },
        "snapshot.py imports training.loop, which stands below it",
    ),
    "for type checkers": (
        {"losses.py": "if TYPE_CHECKING:\n    from projgan.build import Parts", "build.py": ""},
        "losses.py imports build, which stands below it",
    ),
    "neighbour": (
        {
            "evaluation/fd.py": "from projgan.sampling.latents import latents",
            "sampling/latents.py": "",
        },
        "evaluation/fd.py imports sampling.latents, which stands beside it",
    ),
    "foundation reaches down": (
        {"errors.py": "from projgan.config.schema import X", "config/schema.py": ""},
        "errors.py imports config.schema, which stands below it",
    ),
    "cli": (
        {"studio/page.py": "import projgan.cli.main", "cli/main.py": ""},
        "studio/page.py imports cli.main, which stands below it",
    ),
    "the public face": (
        {"workflows.py": "from projgan import Snapshot", "__init__.py": ""},
        "workflows.py imports Snapshot, which stands outside the printed order",
    ),
    "new unit": ({"extras/a.py": ""}, "extras/a.py has no place in the printed order"),
    "config in a network": (
        {"generators/fastgan.py": "from projgan.config.schema import X", "config/schema.py": ""},
        "generators/fastgan.py imports config: networks take plain arguments",
    ),
    "torch in the command line": (
        {"cli/train.py": "import torch.nn"},
        "cli/train.py imports torch as soon as it is loaded",
    ),
    "torch by way of another": (
        {"config/load.py": "from projgan.images import x", "images.py": "from torch import Tensor"},
        "config/load.py imports torch as soon as it is loaded, by way of images.py",
    ),
    "torch by way of the package around": (
        {
            "cli/main.py": "import projgan.config.load",
            "config/load.py": "",
            "config/__init__.py": "import timm",
        },
        "cli/main.py imports timm as soon as it is loaded, by way of config/__init__.py",
    ),
    "torch under a condition": (
        {"errors.py": "try:\n    import torch\nexcept ImportError:\n    pass"},
        "errors.py imports torch as soon as it is loaded",
    ),
    "long file": ({"losses.py": "x = 1\n" * 401}, "losses.py has 401 lines; the limit is 400"),
    "long function": (
        {"losses.py": "def f():\n" + "    x = 1\n" * 60},
        "losses.py:1 f has 61 lines; the limit is 60",
    ),
    "long method": (
        {"losses.py": "class A:\n    def f(self):\n" + "        x = 1\n" * 60},
        "losses.py:2 f has 61 lines; the limit is 60",
    ),
    "many arguments": (
        {"losses.py": "def f(a, b, c, d, e, f, g): ..."},
        "losses.py:1 f takes more than 6 positional arguments",
    ),
    "kwargs": ({"losses.py": "def f(**options): ..."}, "losses.py:1 f takes **options"),
    "module docstring": ({"losses.py": "x = 1"}, "losses.py does not say what lives here"),
    "docstring": ({"losses.py": "class A:\n    pass"}, "losses.py:1 A has no docstring"),
    "utils": ({"data/utils.py": ""}, "data/utils.py: utils names nothing"),
    "print": (
        {"losses.py": "def f():\n    print(1)"},
        "losses.py:2 uses print, which belongs to cli",
    ),
    "argv": ({"losses.py": "import sys as s\nx = s.argv"}, "losses.py:2 uses sys.argv"),
    "exit": ({"losses.py": "from sys import exit as e\ne(1)"}, "losses.py:2 uses sys.exit"),
    "SystemExit": ({"losses.py": "raise SystemExit(1)"}, "losses.py:1 uses SystemExit"),
    "bare except": (
        {"losses.py": "try:\n    x = 1\nexcept:\n    pass"},
        "losses.py:3 has a bare except",
    ),
    "pickle": (
        {"cli/a.py": "def f():\n    from pickle import loads"},
        "cli/a.py:2 imports pickle: files are never unpickled",
    ),
    "torch.load": (
        {"losses.py": "import torch as t\nt.load('a', weights_only=False)"},
        "losses.py:2 calls torch.load without weights_only=True",
    ),
    "torch.load by its own name": (
        {"losses.py": "from torch import load\nload('a')"},
        "losses.py:2 calls torch.load without weights_only=True",
    ),
    "torch.save": (
        {"losses.py": "import torch\ntorch.save(1, 'a')"},
        "losses.py:2 uses torch.save",
    ),
    "numpy pickles": (
        {"losses.py": "np.load('a', allow_pickle=True)"},
        "losses.py:1 sets allow_pickle",
    ),
    "exec": ({"losses.py": "exec('x = 1')"}, "losses.py:1 uses exec: text is never executed"),
}


def complaints_about(files: dict[str, str], root: Path) -> list[str]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tree = read_tree(root)
    return [complaint for check in CHECKS for complaint in check(tree)]


@pytest.mark.parametrize("files, expected", PLANTED.values(), ids=PLANTED.keys())
def test_planted_fault_is_found(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    complaints = complaints_about(files, tmp_path)
    assert any(complaint.startswith(expected) for complaint in complaints), complaints


FAULTLESS = {
    "__init__.py": "def __getattr__(name):\n    from projgan.snapshot import Snapshot",
    "__main__.py": "import sys\nfrom projgan.cli.main import main\nsys.exit(main())",
    "errors.py": "",
    "images.py": "import torch\nfrom projgan.errors import X",
    "config/__init__.py": "from . import schema",
    "config/schema.py": "from ..errors import X\nif TYPE_CHECKING:\n    import torch",
    "layers/glu.py": "import torch\ndef glu(a, b, c, d, e, f, *, g):\n    'Gate.'",
    "generators/base.py": "class _Hidden:\n    pass",
    "generators/fastgan.py": "from .base import G\nfrom projgan.layers.glu import glu",
    "snapshot.py": "import torch\nfrom projgan import __version__\nmodel.eval()",
    "training/loop.py": "import torch\ntorch.load('a', weights_only=True)",
    "cli/main.py": "def main():\n    'Run.'\n    import torch\n    print(torch)",
}


def test_faultless_tree_has_no_complaints(tmp_path: Path) -> None:
    documented = {name: f'"""What lives here."""\n{text}' for name, text in FAULTLESS.items()}
    assert complaints_about(documented, tmp_path) == []
