from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from projgan.errors import DataError, UsageError
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.statistics import frechet_distance
from projgan.features.cutting import create
from projgan.features.weights import load_lite_state_dict
from projgan.images import to_float, to_uint8

# Features of `discs(0)`: four of the 1280, recorded with timm 1.0.31.
PLACES = [31, 388, 777, 1077]
PINNED = [3.3722, 2.1403, 1.7444, 0.7956]


@pytest.fixture(scope="module")
def lite1() -> Extractor:
    return Extractor()


def discs(first: int, count: int = 1, size: int = 96) -> Tensor:
    """(count, 3, size, size) uint8: coloured discs on white, one a picture."""
    line = torch.arange(size, dtype=torch.float64)
    pictures = torch.full((count, 3, size, size), 255, dtype=torch.uint8)
    for i in range(count):
        k = first + i
        centre_row, centre_column = size * (0.3 + 0.05 * (k % 9)), size * (0.3 + 0.07 * (k % 7))
        far = (line.view(-1, 1) - centre_row) ** 2 + (line.view(1, -1) - centre_column) ** 2
        inside = far < (size * (0.1 + 0.02 * (k % 5))) ** 2
        for channel in range(3):
            pictures[i, channel][inside] = (40 * channel + 60 * k) % 256
    return pictures


def test_name_and_description_say_what_it_is(lite1: Extractor) -> None:
    assert lite1.metric == "fd-lite1"
    assert lite1.description == "lite1, 1280 features, 224 px bilinear antialias"
    assert Extractor("lite0").metric == "fd-lite0"
    assert lite1.metric_name("kid") == "kid-lite1"
    with pytest.raises(UsageError, match="lite1, lite0, dinov2, dinov2-small, clip, inception"):
        Extractor("resnet")


def test_logits_are_the_classifier_s(lite1: Extractor) -> None:
    """Over the pooled features: the whole network gives the same."""
    whole = create("lite1").eval()
    whole.load_state_dict(load_lite_state_dict("lite1"))
    pixels = discs(0, 2, size=224)
    logits = lite1.logits(lite1(pixels))
    assert logits is not None and logits.shape == (2, 1000)
    with torch.no_grad():
        torch.testing.assert_close(logits, whole(to_float(pixels)), rtol=1e-3, atol=1e-3)


def test_unrounded_pictures_keep_fine_differences(lite1: Extractor) -> None:
    images = to_float(discs(1))
    moved = images + 0.3 / 127.5 * (images < 0)
    assert torch.equal(lite1(images), lite1(moved))
    assert not torch.equal(lite1.unrounded(images), lite1.unrounded(moved))
    torch.testing.assert_close(lite1.unrounded(images), lite1(images))


def test_stored_features(lite1: Extractor) -> None:
    features = lite1(discs(0))
    assert features.shape == (1, 1280) and features.dtype == torch.float32
    assert not features.requires_grad
    actual = features[0, PLACES].tolist()
    assert actual == pytest.approx(PINNED, rel=1e-3, abs=1e-4)


def test_floats_count_as_their_file_would(lite1: Extractor) -> None:
    pixels = discs(1, 2)
    expected = lite1(pixels)
    images = to_float(pixels)
    assert torch.equal(lite1(images), expected)
    assert torch.equal(lite1(images + 0.3 / 127.5), expected)  # rounds to the same level
    assert torch.equal(lite1(images * 1.2), lite1((images * 1.2).clamp(-1, 1)))


def test_order_and_batches_do_not_matter(lite1: Extractor) -> None:
    pixels = discs(0, 5)
    whole = lite1.features([pixels])
    parts = lite1.features(iter([pixels[:2], pixels[2:3], pixels[3:]]))
    assert whole.shape == (5, 1280)
    assert whole.dtype == torch.float32 and whole.device.type == "cpu"
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
    assert lite1.features([]).shape == (0, 1280)


def test_shrinking_does_not_alias(lite1: Extractor) -> None:
    """Stripes of 2 px are grey from afar; without antialias only white ones would be seen."""
    stripes = torch.tensor([0, 255, 255, 0], dtype=torch.uint8).repeat(224).expand(1, 3, 896, 896)
    from_afar = lite1(stripes)
    to_grey = (from_afar - lite1(torch.full_like(stripes, 128))).norm()
    to_white = (from_afar - lite1(torch.full_like(stripes, 255))).norm()
    assert to_grey < 0.1 * to_white


def test_figures_do_not_depend_on_the_caller_s_mode(lite1: Extractor) -> None:
    pixels = discs(2)
    expected = lite1(pixels)
    lite1.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(lite1(pixels), expected)


def test_threads_may_share_it(lite1: Extractor) -> None:
    batches = [discs(k, 2) for k in range(6)]
    expected = [lite1(batch) for batch in batches]
    with ThreadPoolExecutor(3) as pool:
        actual = list(pool.map(lite1, batches))
    assert all(torch.equal(a, b) for a, b in zip(actual, expected, strict=True))
    assert torch.is_grad_enabled()


def test_broken_pictures_are_not_measured(lite1: Extractor) -> None:
    images = torch.zeros(2, 3, 64, 64)
    images[1, 0, 5, 5] = float("nan")
    with pytest.raises(DataError, match="not finite"):
        lite1(images)


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 2, 64, 64), (1, 5, 64, 64)])
def test_other_shapes_are_refused(lite1: Extractor, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="shape"):
        lite1(torch.zeros(shape))


def test_grey_is_repeated_and_transparency_laid_over_white(lite1: Extractor) -> None:
    picture = to_float(discs(3))
    grey = picture[:, :1]
    assert (lite1(grey) - lite1(grey.repeat(1, 3, 1, 1))).abs().max() < 1e-3
    alpha = torch.full_like(grey, -1)
    alpha[:, :, 20:70] = 1
    clear = torch.cat([picture, alpha], dim=1)
    shown = torch.where(alpha > 0, picture, torch.ones_like(picture))
    assert (lite1(clear) - lite1(shown)).abs().max() < 1e-3
    assert torch.equal(lite1(to_uint8(clear)), lite1(clear))


def test_rectangles_are_seen_whole(lite1: Extractor) -> None:
    wide = to_float(discs(5))[:, :, 16:80]
    assert lite1(wide).shape == (1, 1280)
    changed = wide.clone()
    changed[:, :, :, :12] = -1
    assert (lite1(changed) - lite1(wide)).abs().max() > 0.1


def test_distance_orders_sets_as_an_eye_would(lite1: Extractor) -> None:
    real = lite1.features([discs(0, 12)])
    more = lite1.features([discs(12, 12)])
    noise = lite1.features(
        [torch.randint(0, 256, (12, 3, 96, 96), generator=torch.Generator().manual_seed(0)).byte()]
    )
    assert frechet_distance(real, real) < 1e-6
    assert frechet_distance(real, more) < 0.2 * frechet_distance(real, noise)
