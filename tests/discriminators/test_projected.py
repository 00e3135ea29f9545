from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from projgan.discriminators.projected import ProjectedDiscriminator
from projgan.errors import UsageError


def pictures(size: int, *, batch: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, size, size, generator=generator) * 2 - 1


def small() -> ProjectedDiscriminator:
    """Random features and separable heads: quick to build, the same way through."""
    torch.manual_seed(0)
    return ProjectedDiscriminator(pretrained=False, kind="separable")


def frozen_state(discriminator: ProjectedDiscriminator) -> dict[str, Tensor]:
    state = discriminator.state_dict()
    return {k: v.clone() for k, v in state.items() if not k.startswith("heads.")}


@pytest.mark.parametrize("size, expected", [(224, 64), (256, 100), (512, 676)])
@torch.no_grad()
def test_number_of_logits(size: int, expected: int) -> None:
    assert small()(pictures(size)).shape == (2, expected)


@pytest.mark.parametrize(
    ("size", "input_size", "expected"),
    [
        ((192, 256), None, 4 * 3 * 5),
        ((64, 96), 224, 4 * 4 * 8),
        ((96, 64), 224, 4 * 8 * 4),
        ((256, 128), 128, 4 * 5 * 1),
        ((320, 512), 320, 4 * 7 * 13),
    ],
)
def test_logits_of_rectangles(size: tuple[int, int], input_size: int | None, expected: int) -> None:
    """Logit maps have the ratio, and gradients come back to every corner."""
    torch.manual_seed(0)
    discriminator = ProjectedDiscriminator(
        pretrained=False, kind="separable", input_size=input_size
    ).eval()
    images = torch.rand(1, 3, *size).requires_grad_()
    logits = discriminator(images)
    assert logits.shape == (1, expected)
    (gradient,) = torch.autograd.grad(logits.sum(), images)
    assert all(gradient[..., row, column].any() for row in (0, -1) for column in (0, -1))


def test_defaults_and_numbers_of_parameters() -> None:
    discriminator = ProjectedDiscriminator()
    trainable = list(discriminator.trainable_parameters())
    assert sum(p.numel() for p in trainable) == 10_331_328
    assert sum(p.numel() for p in discriminator.projector.parameters()) == 376_768
    asking = [p for p in discriminator.parameters() if p.requires_grad]
    assert {id(p) for p in asking} == {id(p) for p in trainable}
    assert discriminator.features.name == "lite0" and discriminator.features.input_size is None


@pytest.mark.parametrize("size", [64, 128, 300])
@torch.no_grad()
def test_any_size_is_resized_where_asked_for(size: int) -> None:
    torch.manual_seed(0)
    discriminator = ProjectedDiscriminator(pretrained=False, kind="separable", input_size=224)
    assert discriminator(pictures(size)).shape == (2, 64)


@torch.no_grad()
def test_wide_pictures() -> None:
    wide = torch.zeros(2, 3, 128, 256)
    assert small()(wide).shape == (2, 4 * 1 * 5)


@pytest.mark.parametrize(
    "shape, problem",
    [
        ((2, 3, 64, 64), "64x64 px are too small"),
        ((2, 3, 256, 96), "96x256 px are too small"),
        ((2, 3, 250, 256), "256x250 px are not divisible into steps of 32"),
        ((2, 1, 256, 256), r"\(B, 3, H, W\)"),
        ((3, 256, 256), r"\(B, 3, H, W\)"),
    ],
)
def test_pictures_that_do_not_fit(shape: tuple[int, ...], problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        small()(torch.zeros(shape))
    if len(shape) == 4 and shape[1] == 3:
        assert "input_size=224" in caught.value.next_command


def test_two_steps_are_the_same_as_one() -> None:
    discriminator = small().eval()
    x = pictures(128)
    maps = discriminator.project(x)
    assert [m.shape[1] for m in maps] == [64, 64, 128, 256]
    assert torch.equal(discriminator.heads(maps), discriminator(x))


def test_a_training_step_changes_the_heads_alone() -> None:
    discriminator = small()
    discriminator.train()
    discriminator.requires_grad_(True)
    frozen = frozen_state(discriminator)
    heads = {k: v.clone() for k, v in discriminator.heads.state_dict().items()}
    # All parameters, as a loop that knows nothing of frozen ones would pass them.
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.0, 0.99))
    for step in range(2):
        optimizer.zero_grad()
        discriminator(pictures(128, seed=step)).mean().backward()
        optimizer.step()

    for name, value in frozen_state(discriminator).items():
        assert torch.equal(value, frozen[name]), name
    for module in (discriminator.features, discriminator.projector):
        assert all(p.grad is None and not p.requires_grad for p in module.parameters())
        assert not any(m.training for m in module.modules())
    assert discriminator.training and all(m.training for m in discriminator.heads.modules())
    still = [k for k, v in discriminator.heads.state_dict().items() if torch.equal(v, heads[k])]
    # The last convolution has one output, so its u is a sign.
    assert all(name.endswith(".logits.u") for name in still)


def test_train_and_eval_reach_the_heads() -> None:
    discriminator = small()
    assert not any(m.training for m in discriminator.eval().modules())
    assert all(m.training for m in discriminator.train().heads.modules())


def test_gradient_reaches_pictures_while_heads_are_off() -> None:
    """The generator's turn: no gradient for the heads, all of it for the pictures."""
    discriminator = ProjectedDiscriminator(kind="separable")
    discriminator.requires_grad_(False)
    x = pictures(128).requires_grad_()
    (-discriminator(x).mean()).backward()
    assert x.grad is not None and torch.isfinite(x.grad).all()
    assert (x.grad.abs().sum(dim=1) > 0).float().mean() > 0.9
    assert all(p.grad is None for p in discriminator.parameters())
    discriminator.requires_grad_(True)
    assert all(p.requires_grad for p in discriminator.trainable_parameters())


def test_augments_what_forward_sees_and_nothing_else() -> None:
    seen: list[Tensor] = []

    def darken(images: Tensor) -> Tensor:
        seen.append(images)
        return images - 0.5

    torch.manual_seed(0)
    augmenting = ProjectedDiscriminator(pretrained=False, kind="separable", augment=darken).eval()
    plain = small().eval()
    x = pictures(128)
    assert torch.equal(augmenting(x), plain(x - 0.5))
    assert torch.equal(augmenting.project(x)[0], plain.project(x)[0])
    assert len(seen) == 1 and seen[0] is x


def test_learns_in_a_plain_loop() -> None:
    """Noise against grey: the heads tell them apart after a few steps."""
    torch.manual_seed(0)
    discriminator = ProjectedDiscriminator(kind="separable")
    optimizer = torch.optim.Adam(discriminator.trainable_parameters(), lr=2e-3, betas=(0.0, 0.99))
    fake, real = torch.zeros(4, 3, 128, 128), pictures(128, batch=4)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = (
            torch.relu(1 + discriminator(fake)).mean() + torch.relu(1 - discriminator(real)).mean()
        )
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert discriminator(real).mean() > 0 > discriminator(fake).mean()


def test_state_dict_rebuilds_it() -> None:
    first = small()
    first(pictures(128))
    other = ProjectedDiscriminator(pretrained=False, kind="separable", seed=9)
    x = pictures(128)
    assert not torch.equal(other.eval()(x), first.eval()(x))
    other.load_state_dict(first.state_dict())
    assert torch.equal(other(x), first(x))
    assert torch.equal(copy.deepcopy(first)(x), first(x))


def test_projection_comes_from_its_seed() -> None:
    torch.manual_seed(5)
    other_heads = ProjectedDiscriminator(pretrained=False, kind="separable")
    other_seed = ProjectedDiscriminator(pretrained=False, kind="separable", seed=1)
    x = pictures(128)
    assert torch.equal(small().project(x)[0], other_heads.project(x)[0])
    assert not torch.equal(small().project(x)[0], other_seed.project(x)[0])


def test_bfloat16_keeps_channels_last_and_gradients() -> None:
    discriminator = ProjectedDiscriminator(kind="separable").to(memory_format=torch.channels_last)
    x = pictures(128).to(memory_format=torch.channels_last)
    exact = discriminator.project(x)
    x.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = discriminator.project(x)
        logits = discriminator.heads(maps)
    for rounded, m in zip(maps, exact, strict=True):
        assert rounded.is_contiguous(memory_format=torch.channels_last)
        assert (rounded.float() - m).abs().mean() < 0.05 * m.abs().mean()
    logits.float().mean().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0
