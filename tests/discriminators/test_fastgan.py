import pytest
import torch
from torch import nn

from projgan.discriminators.fastgan import RESOLUTIONS, FastGANDiscriminator
from projgan.errors import UsageError


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("resolution", "gates"),
    [
        (32, []),
        (64, ["8"]),
        (128, ["16", "8"]),
        (256, ["32", "16", "8"]),
        (512, ["32", "16", "8"]),
        (1024, ["32", "16", "8"]),
    ],
)
def test_sizes_of_every_resolution(resolution: int, gates: list[str]) -> None:
    judge = FastGANDiscriminator(resolution=resolution, width=4)
    with torch.no_grad():
        logits, maps = judge.judge(normal(2, 3, resolution, resolution))
    assert logits.shape == (2, 50)
    assert maps.map_16.shape == (2, 32, 16, 16)
    assert maps.map_8.shape == (2, 64, 8, 8)
    assert list(judge.gates) == gates
    assert judge.small_size == min(resolution // 2, 128)


def test_parameters_of_the_paper_width() -> None:
    """Written out: convolutions (no bias), and two numbers a channel of batch norm."""
    judge = FastGANDiscriminator(resolution=64, width=32)

    def down(a: int, b: int) -> int:
        return 16 * a * b + 2 * b + 9 * b * b + 2 * b + a * b + 2 * b

    blocks = down(64, 128) + down(128, 256) + down(256, 512)
    gate = 16 * 64 * 512 + 512 * 512
    head = 512 * 1024 + 2 * 1024 + 16 * 1024
    small = 16 * 3 * 128 + (16 * 128 * 256 + 2 * 256) + 16 * 256  # 32 px to 16, to 8
    full = 27 * 64 + blocks + gate + head
    assert count(judge) - count(judge.reconstruction) == full + small


@pytest.mark.parametrize("resolution", [32, 64])
def test_every_parameter_learns_from_reals(resolution: int) -> None:
    judge = FastGANDiscriminator(resolution=resolution, width=4)
    images = normal(4, 3, resolution, resolution)
    logits, maps = judge.judge(images)
    (logits.mean() + judge.reconstruction(*maps, images, (2, 5))).backward()
    silent = [n for n, p in judge.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent
    names = {name.split(".")[0] for name, _ in judge.named_parameters()}
    assert names >= {"stem", "blocks", "logits", "small", "reconstruction"}


def test_gradients_reach_every_pixel() -> None:
    images = normal(2, 3, 32, 32).requires_grad_()
    FastGANDiscriminator(resolution=32, width=4)(images).mean().backward()
    assert images.grad.ne(0).all()


def test_the_small_branch_sees_the_mean_of_squares() -> None:
    """A pattern whose 2x2 means vanish is seen by the full branch alone."""
    judge = FastGANDiscriminator(resolution=64, width=4).eval()
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(32, 32).expand(1, 3, 64, 64)
    with torch.no_grad():
        plain, pattern = judge(torch.zeros(1, 3, 64, 64)), judge(board)
    assert not torch.equal(plain[:, :25], pattern[:, :25])
    assert torch.equal(plain[:, 25:], pattern[:, 25:])


def test_a_gate_is_used() -> None:
    judge = FastGANDiscriminator(resolution=64, width=4).eval()
    images = normal(1, 3, 64, 64)
    with torch.no_grad():
        before = judge.judge(images)[1].map_8
        judge.gates["8"].excite.weight.zero_()
        after = judge.judge(images)[1].map_8
    assert not torch.equal(before, after)


def test_classes_change_all_logits_of_their_pictures() -> None:
    judge = FastGANDiscriminator(resolution=32, width=4, num_classes=3).eval()
    images = normal(1, 3, 32, 32).expand(3, 3, 32, 32)
    with torch.no_grad():
        logits = judge(images, torch.tensor([0, 1, 0]))
    assert logits.shape == (3, 50)
    torch.testing.assert_close(logits[0], logits[2])
    shift = logits[1] - logits[0]
    assert shift.abs().min() > 0
    torch.testing.assert_close(shift, shift[:1].expand(50), rtol=1e-3, atol=1e-5)
    with pytest.raises(UsageError, match="needs a label"):
        judge(images)


def test_channels_of_pictures() -> None:
    judge = FastGANDiscriminator(resolution=32, width=4, channels=1)
    images = normal(2, 1, 32, 32)
    logits, maps = judge.judge(images)
    assert logits.shape == (2, 50)
    assert judge.reconstruction(*maps, images, (0, 0)).item() > 0


@pytest.mark.parametrize("changes", [{"resolution": 48}, {"resolution": 16}, {"width": 3}])
def test_sizes_that_are_not_offered(changes: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="FastGAN's discriminator"):
        FastGANDiscriminator(**changes)
    assert 48 not in RESOLUTIONS
