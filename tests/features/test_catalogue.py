from __future__ import annotations

import subprocess
import sys

import pytest

from projgan.errors import UsageError
from projgan.features.catalogue import CATALOGUE, entry_of, split_names


def test_names_are_split_at_commas() -> None:
    assert split_names("lite0") == ("lite0",)
    assert split_names("lite0, deit_small_patch16_224") == ("lite0", "deit_small_patch16_224")


@pytest.mark.parametrize("text", ["", ",", "lite0,", "lite0,,resnet18"])
def test_a_comma_too_many_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="does not name feature networks"):
        split_names(text)


def test_what_the_issue_asks_for_is_there() -> None:
    families = (
        "lite0 lite1 lite2 lite3 lite4 tf_efficientnet_b0 resnet18 resnet34 resnet50 "
        "resnet50_clip regnety_004 convnext_tiny mobilenetv3_large_100 deit_small_patch16_224 "
        "vit_small_patch16_224 vit_small_patch14_dinov2"
    )
    assert set(families.split()) <= set(CATALOGUE)


def test_every_entry_pins_its_weights() -> None:
    """A name without a tag would mean other weights in another version of timm."""
    assert all("." in entry.timm_name for entry in CATALOGUE.values())


def test_other_names_of_timm_are_taken_as_they_are() -> None:
    assert entry_of("resnet18.tv_in1k").timm_name == "resnet18.tv_in1k"
    assert entry_of("test_resnet").size is None


@pytest.mark.parametrize("name", ["vgg", "hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp", "../x"])
def test_unknown_names_list_the_known_ones(name: str) -> None:
    """Names that would make timm look elsewhere, or into the network, are unknown too."""
    with pytest.raises(UsageError) as caught:
        entry_of(name)
    assert all(known in caught.value.what for known in CATALOGUE)
    assert caught.value.next_command == "projgan features"


def test_near_misses_are_named() -> None:
    with pytest.raises(UsageError, match="such as deit_base_patch16_224|deit_small_patch16_224"):
        entry_of("deit_smal_patch16_224")


def test_catalogue_needs_neither_torch_nor_timm() -> None:
    code = (
        "import sys; from projgan.features.catalogue import entry_of; entry_of('resnet18'); "
        "sys.exit(bool({'torch', 'timm'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
