"""`projgan train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from projgan.cli.arguments import (
    add_allow_code,
    add_health,
    add_out,
    add_pictures,
    add_precision,
    add_settings,
    settings_of,
)
from projgan.cli.launching import add_launch, launched
from projgan.config.presets import DEFAULT_PRESET, PRESETS

EXAMPLES = (
    "projgan train photos/ --preset few-shot-256",
    "projgan train photos/ --resolution 64 --images 100k --set features.input_size=128",
    "projgan train logos/ --resolution 128x96 --mode rgba",
    "projgan train photos/ --features lite0,deit_small_patch16_224",
    "projgan train photos/ --preset few-shot-64 --discriminator fastgan",
    "projgan train photos/ --conditional",
    "projgan train photos/ --generator my_module:MyGenerator",
    "projgan train photos/ --from runs/others --set training.freeze_heads=2",
    "projgan train photos/ --stop-when-flat 8 --on-collapse rollback",
    "projgan train photos/ --launch 2",
    "projgan train photos/ --preview-augment",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("data", help="folder, zip or prepared set; it is only read")
    parser.add_argument("--preset", help=f"{', '.join(PRESETS)} (default: {DEFAULT_PRESET})")
    parser.add_argument(
        "--config", metavar="FILE", help="YAML or JSON with settings, over the preset"
    )
    add_out(parser, "runs/NAME_OF_DATA", "the run folder")
    add_pictures(parser)
    parser.add_argument("--mirror", action="store_true", help="also show every picture mirrored")
    parser.add_argument(
        "--generator",
        metavar="NAME",
        help="fastgan-lite, fastgan, stylegan2, or module:Name in a module of your own",
    )
    parser.add_argument(
        "--from",
        metavar="SOURCE",
        help="start from the weights of this run, checkpoint or snapshot",
    )
    parser.add_argument(
        "--discriminator",
        metavar="NAME",
        help="projected, or one trained from pixels: fastgan, stylegan2",
    )
    parser.add_argument(
        "--conditional",
        action="store_true",
        help="learn the classes of the pictures: their sub-folders, or dataset.json",
    )
    parser.add_argument(
        "--features",
        metavar="NAME",
        help="feature network, or several with commas; projgan features lists them",
    )
    parser.add_argument(
        "--features-weights",
        metavar="FILE",
        help="its weights, .safetensors; one for each network, or the word default",
    )
    parser.add_argument(
        "--batch",
        metavar="N",
        help="images of one step; auto: the preset's, in parts that fit into memory; largest: as "
        "many as fit",
    )
    parser.add_argument("--seed", metavar="N", help="of weights, order, latents and augmentation")
    add_precision(parser)
    add_settings(parser)
    add_health(parser)
    add_allow_code(parser)
    add_launch(parser)
    parser.add_argument(
        "--preview-augment",
        nargs="?",
        const="augment.png",
        metavar="FILE",
        help="write a grid of augmented pictures (default: augment.png) and stop",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train, and say where the result lies."""
    if not args.preview_augment and (result := launched(args)) is not None:
        return result
    from projgan.cli.terminal import Terminal
    from projgan.workflows.preview import preview_augment
    from projgan.workflows.train import plan, train

    config_file = Path(args.config) if args.config else None
    if args.preview_augment:
        config = plan(
            args.data, preset=args.preset or "", config_file=config_file, options=settings_of(args)
        )
        path = preview_augment(
            config, Path(args.preview_augment), overwrite=args.overwrite, watch=Terminal()
        )
        if not args.json:
            print(f"augmented pictures: {path}")
        return {"preview": str(path)}
    outcome = train(
        args.data,
        preset=args.preset or "",
        out=args.out,
        options=settings_of(args),
        config_file=config_file,
        allow_code=args.allow_code,
        overwrite=args.overwrite,
        watch=Terminal(),
    )
    return finish(outcome, as_json=args.json)


def finish(result: Any, *, as_json: bool) -> dict[str, Any]:
    """Print the end of a run; shared with `projgan resume`."""
    flag = " --allow-code" if result.has_outside_code else ""
    if not as_json:
        print(
            f"trained on {result.images_seen:,} images ({result.images_per_s:.1f} a second): "
            f"{result.run}"
        )
        if result.ended:
            print(f"ended early: {result.ended}")
        print(f"look at:  {result.run}/report.html, {result.run}/samples")
        print(f"next:     projgan sample {result.run} --seeds 0-63 --grid{flag}")
    return {
        "run": str(result.run),
        "images_seen": result.images_seen,
        "images_per_s": round(result.images_per_s, 3),
        "ended": result.ended,
    }
