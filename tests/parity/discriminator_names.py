"""What the reference calls the modules of the projector and of the heads."""

from __future__ import annotations

from projgan.importers.fastgan_names import NameTable

PROJECTOR_NAMES: NameTable = (
    (r"ccm\.(\d)", r"layer\1_ccm"),
    (r"csm\.(\d)", r"layer\1_csm.out_conv"),
)

# One head by itself: head 3 of a level-2 projection, the only one stored alone. It has one down
# block, number 0, so its last convolution is number 1.
HEAD_NAMES: NameTable = (
    (r"down\.(\d)\.0", r"main.\1.main.0"),
    (r"down\.(\d)\.1", r"main.\1.main.1"),
    (r"logits", "main.1"),
)


def heads_names(
    num_downs: tuple[int, ...], *, kind: str, is_conditional: bool = False
) -> NameTable:
    """All heads, the first with `num_downs[0]` down blocks, and so on."""
    block = r"scales\.(\d)\.down\.(\d)"
    main = r"mini_discs.\1.main.\2.main"
    if kind == "plain":
        layers = [(rf"{block}\.0", f"{main}.0"), (rf"{block}\.1", f"{main}.1")]
    else:
        layers = [
            (rf"{block}\.0", f"{main}.0.depthwise"),
            (rf"{block}\.1", f"{main}.0.pointwise"),
            (rf"{block}\.2", f"{main}.1"),
        ]
    last = [
        (rf"scales\.{scale}\.logits", f"mini_discs.{scale}.main.{count}")
        for scale, count in enumerate(num_downs)
    ]
    if is_conditional:
        last = [
            (r"scales\.(\d)\.logits", r"mini_discs.\1.cls"),
            (r"scales\.(\d)\.classes\.embed", r"mini_discs.\1.embed"),
            (r"scales\.(\d)\.classes\.project", r"mini_discs.\1.embed_proj.0"),
        ]
    return (*layers, *last)
