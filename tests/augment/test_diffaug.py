import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from projgan.augment import Augment, diffaug
from projgan.augment.diffaug import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    cutout,
    cutout_side,
    max_shift,
    translate,
)
from projgan.augment.operations import OPERATIONS
from projgan.config.learning import AUGMENTATIONS
from projgan.errors import UsageError

POLICY = ("color", "translation", "cutout")


def pictures(count: int = 4, size: int = 32, *, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, channels, size, size, generator=generator) * 2 - 1


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def recorded_draws(monkeypatch, operation: str, policy: str, images: torch.Tensor):
    """The draws that `Augment` hands to an operation."""
    draws = []

    def record(images, *arguments):
        draws.extend(arguments)
        return images

    monkeypatch.setattr(diffaug, operation, record)
    Augment([policy])(images, generator=seeded())
    return draws


def test_known_operations_are_those_of_the_config():
    assert set(OPERATIONS) == set(AUGMENTATIONS)


def test_shift_and_cutout_sizes_are_the_reference_s():
    sizes = (64, 128, 256, 512, 1024)
    assert [max_shift(size) for size in sizes] == [8, 16, 32, 64, 128]
    assert [cutout_side(size) for size in sizes] == [13, 26, 51, 102, 205]


@pytest.mark.parametrize(
    ("operation", "low", "high"),
    [
        ("adjust_brightness", -0.5, 0.5),
        ("adjust_saturation", 0.0, 2.0),
        ("adjust_contrast", 0.5, 1.5),
    ],
)
def test_colour_draws_fill_their_range(monkeypatch, operation, low, high):
    (draws,) = recorded_draws(monkeypatch, operation, "color", torch.zeros(4000, 3, 1, 1))
    assert draws.shape == (4000,)
    assert low <= draws.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < draws.max() <= high
    assert abs(draws.mean() - (low + high) / 2) < 0.03 * (high - low)


def test_shifts_fill_their_range(monkeypatch):
    images = torch.zeros(4000, 1, 64, 32)
    rows, columns = recorded_draws(monkeypatch, "translate", "translation", images)
    assert sorted(rows.unique().tolist()) == list(range(-8, 9))
    assert sorted(columns.unique().tolist()) == list(range(-4, 5))
    assert not torch.equal(rows.sign(), columns.sign())


@pytest.mark.parametrize(
    ("size", "last"),
    [(64, 63), (40, 40)],  # sides 13 (odd: the centre is a pixel) and 8 (even: it is a corner)
)
def test_cutout_centres_fill_their_range(monkeypatch, size, last):
    images = torch.zeros(4000, 1, size, size)
    for draws in recorded_draws(monkeypatch, "cutout", "cutout", images):
        assert sorted(draws.unique().tolist()) == list(range(last + 1))


def test_brightness_adds_the_sample_s_offset():
    out = adjust_brightness(torch.zeros(2, 3, 2, 2), torch.tensor([0.25, -0.5]))
    assert (out[0] == 0.25).all()
    assert (out[1] == -0.5).all()


def test_saturation_scales_around_the_pixel_s_grey():
    pixel = torch.tensor([0.9, 0.3, 0.0]).view(1, 3, 1, 1)
    out = adjust_saturation(pixel.expand(3, 3, 1, 1), torch.tensor([0.0, 1.0, 2.0])).squeeze()
    torch.testing.assert_close(out[0], torch.tensor([0.4, 0.4, 0.4]))
    torch.testing.assert_close(out[1], torch.tensor([0.9, 0.3, 0.0]))
    torch.testing.assert_close(out[2], torch.tensor([1.4, 0.2, -0.4]))


def test_contrast_scales_around_the_picture_s_mean():
    picture = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(1, 1, 2, 2)
    out = adjust_contrast(picture, torch.tensor([0.5])).flatten()
    torch.testing.assert_close(out, torch.tensor([0.25, 0.75, 0.25, 0.75]))


def test_positive_shift_moves_the_content_up_and_left():
    picture = torch.arange(1.0, 65.0).view(1, 1, 8, 8)
    out = translate(picture, torch.tensor([1]), torch.tensor([-1]))[0, 0]
    assert torch.equal(out[:-1, 1:], picture[0, 0, 1:, :-1])
    assert (out[-1] == 0).all()
    assert (out[:, 0] == 0).all()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_shift_equals_a_loop_over_the_batch(memory_format):
    images = pictures(9, 24, channels=2)[:, :, :, :16].contiguous(memory_format=memory_format)
    rows = torch.tensor([-3, -2, -1, 0, 1, 2, 3, 3, -3])
    columns = torch.tensor([2, -2, 0, 0, 1, -1, 2, -2, 1])
    out = translate(images, rows, columns)
    padded = torch.nn.functional.pad(images, (2, 2, 3, 3))
    for sample, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        window = padded[sample, :, 3 + row : 27 + row, 2 + column : 18 + column]
        assert torch.equal(out[sample], window)


def test_cutout_sets_one_clipped_rectangle_to_mid_grey():
    images = torch.ones(4, 3, 32, 32)  # side 6
    centres = torch.tensor([16, 0, 32, 16]), torch.tensor([16, 0, 32, 0])
    out = cutout(images, *centres)
    assert ((out == 0) | (out == 1)).all()
    cut = [(out[i, 0] == 0).sum().item() for i in range(4)]
    assert cut == [36, 9, 9, 18]
    assert (out[0, :, 13:19, 13:19] == 0).all()


@pytest.mark.parametrize("operation", [adjust_brightness, adjust_saturation, adjust_contrast])
def test_colour_gradients(operation):
    images = pictures(2, 4).double().requires_grad_()
    draws = torch.tensor([0.3, 1.4], dtype=torch.float64)
    assert gradcheck(operation, (images, draws))


@pytest.mark.parametrize(
    ("operation", "rows", "columns"),
    [(translate, [1, -1], [0, 1]), (cutout, [2, 8], [0, 5])],
)
def test_geometry_gradients(operation, rows, columns):
    images = pictures(2, 8).double().requires_grad_()
    arguments = (images, torch.tensor(rows), torch.tensor(columns))
    assert gradcheck(operation, arguments)
    assert gradgradcheck(operation, arguments)


def test_whole_policy_passes_gradients():
    images = pictures().requires_grad_()
    Augment(POLICY)(images, generator=seeded()).square().sum().backward()
    assert images.grad.isfinite().all()
    assert (images.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


def test_empty_policy_changes_nothing():
    images = pictures()
    assert Augment(())(images) is images


def test_same_generator_seed_gives_the_same_pictures():
    images, augment = pictures(), Augment(POLICY)
    first = augment(images, generator=seeded(3))
    assert torch.equal(first, augment(images, generator=seeded(3)))
    assert not torch.equal(first, augment(images, generator=seeded(4)))


def test_a_generator_of_one_s_own_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    Augment(POLICY)(pictures(), generator=seeded())
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(0)
    first = Augment(POLICY)(pictures())
    torch.manual_seed(0)
    assert torch.equal(first, Augment(POLICY)(pictures()))


@pytest.mark.parametrize("policy", POLICY)
def test_samples_are_drawn_apart(policy):
    same = pictures(1).expand(16, -1, -1, -1)
    out = Augment([policy])(same, generator=seeded())
    assert len({sample.numpy().tobytes() for sample in out}) > 8


def test_policy_is_applied_in_order():
    images = pictures()
    generator = seeded(5)
    expected = images
    for name in ("cutout", "color"):
        expected = Augment([name])(expected, generator=generator)
    assert torch.equal(Augment(["cutout", "color"])(images, generator=seeded(5)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("policy", POLICY)
def test_keeps_shape_type_and_memory_format(policy, memory_format, dtype):
    images = pictures(3, 32).to(dtype).contiguous(memory_format=memory_format).requires_grad_()
    out = Augment([policy])(images, generator=seeded())
    out.sum().backward()
    assert out.shape == images.shape
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=memory_format)
    assert images.grad.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("policy", POLICY)
def test_precision_does_not_change_the_draws(policy):
    images = pictures().to(torch.bfloat16)
    low = Augment([policy])(images, generator=seeded())
    high = Augment([policy])(images.float(), generator=seeded())
    torch.testing.assert_close(low.float(), high, rtol=0.02, atol=0.03)


def test_unknown_operation_names_the_known_ones():
    with pytest.raises(UsageError, match="'colour'; known: color, translation, cutout"):
        Augment(["colour"])
