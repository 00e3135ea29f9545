import pytest
import torch
from torch import nn

from projgan.discriminators.stylegan2 import StyleGAN2Discriminator, channels_by_width
from projgan.errors import UsageError
from projgan.generators.stylegan2 import build_stylegan2
from projgan.generators.stylegan2_synthesis import StyledConv
from projgan.losses import r1_penalty


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def build(resolution: int = 32, width: int = 8, **changes: int) -> StyleGAN2Discriminator:
    base, most = channels_by_width(width)
    return StyleGAN2Discriminator(
        resolution=resolution, channel_base=base, channel_max=most, **changes
    )


@pytest.mark.parametrize("resolution", [8, 32, 64, 256, 1024])
def test_one_logit_a_picture(resolution: int) -> None:
    judge = build(resolution)
    with torch.no_grad():
        assert judge(normal(2, 3, resolution, resolution)).shape == (2, 1)
        assert len(judge.blocks) == resolution.bit_length() - 3  # down to 4


def test_parameters_of_the_full_network() -> None:
    """29.0 million at 1024 px with a channel base of 32768, as the paper's discriminator has."""
    widths = [32, 64, 128, 256, 512, 512, 512, 512, 512]
    expected = 3 * 32 + 32
    for a, b in zip(widths, widths[1:], strict=False):
        expected += (9 * a * a + a) + (9 * a * b + b) + a * b
    expected += 9 * 513 * 512 + 512 + (16 * 512 * 512 + 512) + 512 + 1
    judge = StyleGAN2Discriminator(resolution=1024, channel_base=32768)
    counted = sum(parameter.numel() for parameter in judge.parameters())
    assert counted == expected == 29_012_513


def test_width_means_the_channels_of_the_generator() -> None:
    for width in (8, 160):
        generator, judge = build_stylegan2(z_dim=8, resolution=128, width=width), build(128, width)
        convs = [m for m in generator.synthesis.modules() if isinstance(m, StyledConv)]
        made = [conv.conv.weight.shape[1] for conv in convs]  # at 4, 8, 8, 16, 16 ... 128, 128 px
        seen = [block.conv.weight.shape[0] for block in judge.blocks]  # at 128, 64 ... 8 px
        assert seen == made[:1:-2]


def test_fresh_logits_are_of_normal_size() -> None:
    torch.manual_seed(0)
    logits = torch.cat([build(16, 16, group=1)(normal(8, 3, 16, 16)) for _ in range(16)])
    assert 0.1 < logits.std() < 2.0


def test_every_parameter_learns_and_gradients_reach_every_pixel() -> None:
    judge, images = build(16), normal(4, 3, 16, 16).requires_grad_()
    judge(images).mean().backward()
    assert not [n for n, p in judge.named_parameters() if p.grad is None or not p.grad.any()]
    assert images.grad.ne(0).all()


def test_twice_differentiable() -> None:
    """The gradient of R1 towards weights, against differences."""
    torch.manual_seed(0)
    judge = build(8, 8).double()
    images = normal(2, 3, 8, 8).double()

    def penalty(weight: torch.Tensor) -> torch.Tensor:
        seen = images.clone().requires_grad_()
        name = "blocks.0.down.weight"
        logits = torch.func.functional_call(judge, {name: weight}, (seen,))
        return r1_penalty(logits, seen)

    weight = judge.blocks[0].down.weight.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(penalty(weight), weight)
    direction = normal(*weight.shape).double()
    step = 1e-5
    change = (penalty(weight + step * direction) - penalty(weight - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), change, rtol=1e-5, atol=1e-9)


def test_company_counts() -> None:
    """The same picture gets another verdict among its copies than among others."""
    judge, images = build(16), normal(4, 3, 16, 16)
    with torch.no_grad():
        among_others, among_copies = judge(images)[0], judge(images[:1].expand(4, -1, -1, -1))[0]
    assert (among_others - among_copies).abs() > 1e-4


def test_no_batch_norm_and_no_buffers() -> None:
    judge = build()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in judge.modules())
    assert {key for key, _ in judge.named_parameters()} == set(judge.state_dict())


def test_verdict_in_float32_under_autocast() -> None:
    judge, images = build(), normal(2, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = judge(images)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, judge(images), rtol=0.1, atol=0.05)


def test_classes_add_their_fit() -> None:
    judge = build(16, num_classes=3, group=1)
    images = normal(1, 3, 16, 16).expand(3, 3, 16, 16)
    with torch.no_grad():
        logits = judge(images, torch.tensor([0, 1, 0]))
    assert logits.shape == (3, 1)
    torch.testing.assert_close(logits[0], logits[2])
    assert (logits[0] - logits[1]).abs().item() > 0
    with pytest.raises(UsageError, match="needs a label"):
        judge(images)


def test_channels_of_pictures() -> None:
    assert build(16, channels=4)(normal(2, 4, 16, 16)).shape == (2, 1)


@pytest.mark.parametrize("changes", [{"resolution": 48}, {"resolution": 64, "channel_base": 32}])
def test_sizes_that_are_not_offered(changes: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        StyleGAN2Discriminator(**changes)
