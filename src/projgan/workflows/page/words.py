"""What the figures of a run mean, and what to do about its state: in English and in Japanese."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from projgan.training.health import ADVICE
from projgan.workflows.page.markup import Both


@dataclass(frozen=True)
class Meaning:
    """A figure of the history in words."""

    name: Both
    sentence: Both
    better: Literal["lower", "higher", ""] = ""
    """Which of two values is the better one, if that can be said."""


MEANINGS = {
    "fd_lite1": Meaning(
        ("fd-lite1", "fd-lite1"),
        (
            "Distance between samples and pictures as a network sees them; 0 would be no "
            "difference. It is no FID, and figures of different sets cannot be compared.",
            "ネットワークから見た、サンプルと学習画像の距離。0 なら差がない。FID "
            "ではなく、別のデータセットの値とは比べられない。",
        ),
        "lower",
    ),
    "kid_lite1": Meaning(
        ("kid-lite1", "kid-lite1"),
        (
            "Another distance between samples and pictures, to be trusted for small sets too; "
            "around 0 they cannot be told apart.",
            "サンプルと学習画像のもう一つの距離。"
            "枚数が少なくても信頼でき、0 付近なら見分けがつかない。",
        ),
        "lower",
    ),
    "precision": Meaning(
        ("precision", "適合率 (precision)"),
        (
            "Share of the samples that look like pictures of the set, 0 to 1.",
            "学習画像らしく見えるサンプルの割合。0 から 1。",
        ),
        "higher",
    ),
    "recall": Meaning(
        ("recall", "再現率 (recall)"),
        (
            "Share of the pictures that the generator covers with its variety, 0 to 1.",
            "生成器の多様性がカバーしている学習画像の割合。0 から 1。",
        ),
        "higher",
    ),
    "diversity": Meaning(
        ("diversity", "多様性 (diversity)"),
        (
            "How far samples are from each other; when it falls towards 0, they become alike.",
            "サンプル同士の離れ具合。0 に近づくと、どれも似てくる。",
        ),
    ),
    "copy_score": Meaning(
        ("copy score", "コピー率 (copy score)"),
        (
            "Share of the samples that are nearer to a picture of the set than those pictures are "
            "to each other; near 1 the generator repeats them.",
            "学習画像同士の距離よりも学習画像に近いサンプルの割合。1 に近いと丸写ししている。",
        ),
        "lower",
    ),
    "loss_g": Meaning(
        ("loss of the generator", "生成器の損失"),
        (
            "How unreal its pictures seem to the discriminator. It says nothing about quality by "
            "itself: the other side learns as well.",
            "識別器から見た、生成画像の本物らしくなさ。相手も学習するので、これだけでは品質はわからない。",
        ),
    ),
    "loss_d": Meaning(
        ("loss of the discriminator", "識別器の損失"),
        (
            "With the hinge loss, 2 means that it cannot tell real from generated, and 0 that it "
            "is always right.",
            "ヒンジ損失では、2 なら本物と生成画像を見分けられず、0 なら常に正しく見分けている。",
        ),
    ),
    "sign_real": Meaning(
        ("sign of logits, real", "ロジットの符号 (本物)"),
        (
            "1: every picture of the set is taken for real; 0: as often as not.",
            "1 なら学習画像をすべて本物と判定し、0 なら半々。",
        ),
    ),
    "sign_fake": Meaning(
        ("sign of logits, generated", "ロジットの符号 (生成)"),
        (
            "-1: every generated picture is found out; 0: as often as not.",
            "-1 なら生成画像をすべて見破り、0 なら半々。",
        ),
    ),
    "augment_p": Meaning(
        ("p of the augmentation", "データ拡張の確率 p"),
        (
            "How often each of the adaptive operations is applied to what the discriminator sees.",
            "識別器に見せる画像に、適応的な操作をかける確率。",
        ),
    ),
    "grad_norm_g": Meaning(
        ("gradient norm, generator", "勾配ノルム (生成器)"),
        (
            "How strongly a step pulls at its weights; one that shoots up or dies away is a "
            "warning.",
            "1 ステップが重みを引く強さ。急に跳ね上がったり、消えたりすれば要注意。",
        ),
    ),
    "grad_norm_d": Meaning(
        ("gradient norm, discriminator", "勾配ノルム (識別器)"),
        ("The same for the discriminator.", "識別器についての同じ値。"),
    ),
    "images_per_s": Meaning(
        ("images per second", "毎秒の画像数"),
        (
            "Speed of the training steps; saving and measuring are not counted.",
            "学習ステップの速さ。保存や評価の時間は含まない。",
        ),
    ),
}
"""In the order in which the page lists them."""

OWN_METRIC: Both = (
    "Written by a metric of this run's own.",
    "この実行に付けた独自の評価値。",
)

STATES: dict[str, tuple[Both, Both]] = {
    "learning": (
        ("It is learning.", "順調に学習しています。"),
        (ADVICE["learning"], "このまま続けてください。やめどきはサンプルを見て決めます。"),
    ),
    "discriminator overwhelms": (
        ("The discriminator overwhelms the generator.", "識別器が強すぎます。"),
        (
            ADVICE["discriminator overwhelms"],
            "optimizer.lr_d を半分にする、ヘッドを減らす (heads.count)、"
            "あるいはデータ拡張を強めてください (augment.adaptive)。",
        ),
    ),
    "collapse": (
        ("The samples have become alike.", "サンプルが似通ってしまいました (モード崩壊)。"),
        (
            ADVICE["collapse"],
            "前に戻る (--on-collapse rollback)、学習率を下げる、あるいは画像を増やしてください。",
        ),
    ),
    "copying": (
        ("The samples repeat the pictures.", "学習画像を丸写ししています。"),
        (
            ADVICE["copying"],
            "ここか、もっと手前で止めてください。"
            "画像を増やす、data.mirror を使う、データ拡張を強めるのも有効です。"
            "どの画像かは projgan nearest でわかります。",
        ),
    ),
    "diverged": (
        ("It diverged.", "発散しました。"),
        (
            ADVICE["diverged"],
            "最良のスナップショットに戻り、"
            "学習率を下げるか training.precision=fp32 で続けてください。",
        ),
    ),
    "flat": (
        ("It no longer gets better.", "もう良くなっていません。"),
        (
            ADVICE["flat"],
            "このまま続けてもほとんど変わりません。最良のスナップショットを使うか、画像を増やしてください。",
        ),
    ),
}
"""Named states of a run: what is the case, and what to do."""

PANEL_NAMES: dict[str, Both] = {
    "loss": ("losses", "損失"),
    "logits": ("mean logit", "ロジットの平均"),
    "signs": ("mean sign of logits", "ロジットの符号の平均"),
    "gradients": ("gradient norms", "勾配ノルム"),
    "kid": ("kid-lite1", "kid-lite1"),
    "manifold": ("precision and recall", "適合率と再現率"),
    "variety": ("diversity", "多様性"),
    "copies": ("copy score", "コピー率"),
    "speed": ("images per second", "毎秒の画像数"),
}

LINE_NAMES: dict[str, Both] = {
    "generator": ("generator", "生成器"),
    "discriminator": ("discriminator", "識別器"),
    "reconstruction": ("reconstruction", "再構成"),
    "R1 penalty": ("R1 penalty", "R1 罰則"),
    "p of augmentation": ("p of augmentation", "データ拡張の p"),
    "real": ("real", "本物"),
    "fake": ("generated", "生成"),
    "training": ("training", "学習"),
}
