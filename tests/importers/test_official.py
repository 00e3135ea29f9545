"""Official checkpoints become snapshots with the same tensors and the same pictures."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest
import torch

from importers.official_files import (
    FASTGAN_TABLES,
    fastgan_file,
    fastgan_state,
    stylegan2_file,
    stylegan2_state,
)
from parity.reference import TOLERANCE, load_by_rule, read_parity, relative_error, rs
from projgan.errors import CheckpointError, UsageError
from projgan.generators import FastGAN, StyleGAN2, build_generator
from projgan.layers.noise import NoiseInjection, set_noise_mode
from projgan.snapshot import Snapshot
from projgan.workflows.official import Imported, import_official


def imported(tmp_path: Path, content: bytes, name: str = "network-snapshot.pkl") -> Imported:
    file = tmp_path / name
    file.write_bytes(content)
    return import_official(file, tmp_path / "snapshot", overwrite=True)


def fresh(kind: str, *, resolution: int = 32, num_classes: int = 0):
    """A small FastGAN whose every number is its own."""
    torch.manual_seed(1)
    generator = FastGAN(
        z_dim=16,
        resolution=resolution,
        width=8,
        lite="lite" in kind,
        num_classes=num_classes,
    )
    return shaken(generator)


def shaken(generator):
    with torch.no_grad():
        for value in generator.state_dict().values():
            value.add_(torch.rand(value.shape) if value.is_floating_point() else 7)
    return generator


def require_equal(snapshot: Snapshot, expected: torch.nn.Module) -> None:
    ours = snapshot.generator.state_dict()
    theirs = expected.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name


@pytest.mark.parametrize(("kind", "protocol"), [("fastgan", 4), ("fastgan-lite", 3)])
def test_fastgan_is_bit_equal(tmp_path, kind, protocol):
    generator = fresh(kind)
    content = fastgan_file(
        fastgan_state(generator, kind), z_dim=16, resolution=32, protocol=protocol
    )
    result = imported(tmp_path, content)
    require_equal(result.snapshot, generator)
    reopened = Snapshot.load(result.folder)
    require_equal(reopened, generator)
    assert reopened.config.generator.name == kind
    assert reopened.images_seen == 123_000


@pytest.mark.parametrize("kind", ["fastgan", "fastgan-lite"])
def test_classes_of_fastgan_are_those_that_the_set_had(tmp_path, kind):
    generator = fresh(kind, num_classes=1000)
    state = fastgan_state(generator, f"{kind} classes")
    result = imported(tmp_path, fastgan_file(state, z_dim=16, resolution=32, c_dim=10))
    assert result.snapshot.class_names == tuple("0123456789")
    embedded = result.snapshot.generator.state_dict()["embed.weight"]
    assert torch.equal(embedded, generator.embed.weight[:10])
    picture = result.snapshot.sample([0], classes="7")
    set_noise_mode(generator.eval(), "const")
    with torch.no_grad():
        expected = generator(generator.latents([0]), torch.tensor([7]))
    assert relative_error(picture, expected) < TOLERANCE


def test_blocks_that_the_reference_builds_and_leaves_out_are_left_out(tmp_path):
    """Its file holds the 256 px block whatever the resolution."""
    small = fresh("fastgan-lite", resolution=64)
    state = fastgan_state(small, "fastgan-lite")
    state |= {name.replace("feat_64", "feat_256"): value for name, value in state.items()}
    assert "synthesis.feat_256.1.weight_orig" in state
    result = imported(tmp_path, fastgan_file(state, z_dim=16, resolution=64))
    require_equal(result.snapshot, small)


def test_a_file_with_its_discriminator(tmp_path):
    generator = fresh("fastgan-lite")
    state = fastgan_state(generator, "fastgan-lite")
    content = fastgan_file(state, z_dim=16, resolution=32, with_discriminator=True)
    require_equal(imported(tmp_path, content, "best_model.pkl").snapshot, generator)


STYLES = {
    "stylegan2": (128, 2),
    "stylegan2-512": (512, 8),
    "stylegan2-512-map2": (512, 2),
}


@pytest.mark.parametrize(
    ("name", "classes"),
    [("stylegan2", 3), ("stylegan2-512", 0), ("stylegan2-512-map2", 5)],
)
def test_stylegan2_is_bit_equal_and_its_source_is_not_run(tmp_path, name, classes):
    generator = shaken(
        build_generator(name, z_dim=64, resolution=32, width=16, num_classes=classes)
    )
    assert isinstance(generator, StyleGAN2)
    assert (generator.w_dim, len(generator.mapping.layers)) == STYLES[name]
    canary = tmp_path / "canary"
    state = stylegan2_state(generator)
    content = stylegan2_file(state, z_dim=64, c_dim=classes, canary=str(canary))
    assert b"the source in the file was run" in content
    result = imported(tmp_path, content)
    require_equal(result.snapshot, generator)
    assert result.snapshot.config.generator.name == name
    assert len(result.snapshot.class_names) == classes
    assert not canary.exists()


def test_the_canary_can_sing(tmp_path):
    """Guards the test above: run, the same text writes it."""
    from importers.official_files import SOURCE

    canary = tmp_path / "canary"
    builtins.exec(SOURCE.format(canary=str(canary)))
    assert canary.exists()


def test_import_write_import_is_the_identity(tmp_path):
    """What was imported, written in the official form again, imports as the same numbers."""
    first = imported(
        tmp_path,
        fastgan_file(fastgan_state(fresh("fastgan"), "fastgan"), z_dim=16, resolution=32),
    )
    opened = Snapshot.load(first.folder).generator
    assert isinstance(opened, FastGAN)
    again = fastgan_file(fastgan_state(opened, "fastgan"), z_dim=16, resolution=32)
    require_equal(imported(tmp_path, again).snapshot, first.snapshot.generator)


# The reference's own numbers.


@pytest.mark.parity
@pytest.mark.parametrize("file", ["fastgan", "fastgan_lite"])
def test_stored_weights_give_the_reference_image(tmp_path, file):
    stored, _ = read_parity(file)
    state = {key.removeprefix("state."): v for key, v in stored.items() if key[:6] == "state."}
    snapshot = imported(tmp_path, fastgan_file(state, z_dim=64, resolution=256)).snapshot
    names = {name.replace("_", "-"): name for name in ("fastgan", "fastgan_lite")}
    assert names[snapshot.config.generator.name] == file
    image = torch.cat(list(snapshot.images(stored["z"])))
    assert relative_error(image, stored["image_eval"]) < TOLERANCE


@pytest.mark.parity
@pytest.mark.parametrize("kind", ["lite", "full"])
def test_conditional_weights_give_the_reference_image(tmp_path, kind):
    stored = read_parity("fastgan_images")[0][f"{kind}_cond_128"]
    name = "fastgan-lite classes" if kind == "lite" else "fastgan classes"
    made = FastGAN(z_dim=64, resolution=128, width=16, lite=kind == "lite", num_classes=1000)
    load_by_rule(made, FASTGAN_TABLES[name], prefix="synthesis.")
    content = fastgan_file(fastgan_state(made, name), z_dim=64, resolution=128, c_dim=10)
    generator = imported(tmp_path, content).snapshot.generator
    set_noise_mode(generator, "random")
    torch.manual_seed(123)
    z = torch.from_numpy(rs("z").randn(2, 64)).float()
    with torch.no_grad():
        image = generator(z, torch.tensor([3, 7]))
    step = 128 // stored.shape[-1]
    assert relative_error(image[:, :, ::step, ::step], stored) < TOLERANCE


@pytest.mark.parity
def test_stylegan2_gives_the_reference_image(tmp_path):
    stored, _ = read_parity("stylegan2")
    state = {key.removeprefix("state."): v for key, v in stored.items() if key[:6] == "state."}
    snapshot = imported(tmp_path, stylegan2_file(state, z_dim=64)).snapshot
    assert all(m.weight != 0 for m in snapshot.generator.modules() if type(m) is NoiseInjection)
    image = torch.cat(list(snapshot.images(stored["z"])))
    assert relative_error(image, stored["image"]) < TOLERANCE
    truncated = torch.cat(list(snapshot.images(stored["z"], truncation_psi=0.5)))
    assert relative_error(truncated, stored["image_trunc05"]) < TOLERANCE


# What does not fit.


def small_state():
    return fastgan_state(fresh("fastgan-lite"), "fastgan-lite")


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: without(s, "synthesis.to_big.bias"), "it lacks synthesis.to_big.bias"),
        (
            lambda s: s | {"synthesis.to_big.bias": torch.full((3,), float("nan"))},
            "not finite",
        ),
        (
            lambda s: s | {"synthesis.feat_8.2.bias": torch.zeros(5)},
            "has the shape (5,), not (128,)",
        ),
        (lambda s: s | {"synthesis.style.more": torch.zeros(5)}, "there is no place for"),
        (lambda s: without(s, "synthesis.init.init.0.weight_orig"), "neither a FastGAN nor"),
        (lambda s: {"synthesis.input.freqs": torch.zeros(5)}, "a StyleGAN3 generator"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, words):
    state = change(small_state())
    with pytest.raises(CheckpointError) as caught:
        imported(tmp_path, stylegan2_file(state, z_dim=16, resolution=32))
    assert words in caught.value.what
    assert caught.value.where.endswith("network-snapshot.pkl")
    assert caught.value.safe == "nothing was written"
    assert not (tmp_path / "snapshot").exists()


def test_an_unusual_resolution_or_mapping_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="its pictures have 48 px"):
        imported(tmp_path, fastgan_file(small_state(), z_dim=16, resolution=48))
    deep = StyleGAN2(resolution=32, channel_base=2048, channel_max=64, mapping_layers=3)
    with pytest.raises(CheckpointError, match="its mapping has 3 layers and styles of 128"):
        imported(tmp_path, stylegan2_file(stylegan2_state(deep), z_dim=64))


def test_another_filter_is_refused(tmp_path):
    state = stylegan2_state(StyleGAN2(resolution=32, channel_base=2048, channel_max=64))
    name = "synthesis.b8.conv0.resample_filter"
    state[name] = torch.full((4, 4), 1 / 16)
    with pytest.raises(CheckpointError, match=f"{name} is another filter"):
        imported(tmp_path, stylegan2_file(state, z_dim=64))


def test_nothing_but_a_snapshot_is_replaced(tmp_path):
    content = fastgan_file(small_state(), z_dim=16, resolution=32)
    file, out = tmp_path / "a.pkl", tmp_path / "out"
    file.write_bytes(content)
    import_official(file, out)
    with pytest.raises(UsageError, match="exists already"):
        import_official(file, out)
    import_official(file, out, overwrite=True)
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match="is no snapshot"):
        import_official(file, tmp_path / "photos", overwrite=True)
    with pytest.raises(UsageError, match="there is no such file"):
        import_official(tmp_path / "b.pkl", tmp_path / "other")
