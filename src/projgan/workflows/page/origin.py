"""Where a run comes from: its settings, the commands that make it again, and versions."""

from __future__ import annotations

import platform
from importlib import metadata

from projgan import __version__
from projgan.config.presets import PRESETS
from projgan.config.schema import RunConfig
from projgan.workflows.page.commands import (
    as_option,
    changes,
    train_command,
    use_commands,
    without_places,
)
from projgan.workflows.page.markup import (
    both,
    code,
    command,
    details,
    paragraph,
    section,
    table,
    text,
)
from projgan.workflows.page.story import Story

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "safetensors")


def settings(story: Story) -> str:
    """What differs from the preset, then everything."""
    config = without_places(story.config)
    changed = changes(config)
    base = text(config.preset) if config.preset in PRESETS else both(("the defaults", "既定値"))
    rows = [
        [code(key), code(as_option(ours)), code(as_option(theirs))]
        for key, (theirs, ours) in changed.items()
    ]
    head = [("setting", "設定"), ("this run", "この実行"), (base, base)]
    said = (
        f"What this run changes in {base}. Settings of the machine (device, threads, precision) "
        "are among them.",
        f"{base} から変えた設定。デバイス、スレッド数、精度など、計算機に関するものも含みます。",
    )
    parts = [paragraph(said), table(head, rows)] if rows else [paragraph(_AS_PRESET)]
    parts.append(details(("all settings", "すべての設定"), _all(config)))
    return section("settings", ("Settings", "設定"), parts)


_AS_PRESET = ("Exactly those of the preset.", "プリセットのまま。")


def _all(config: RunConfig) -> str:
    rows = []
    for name, values in config.to_dict().items():
        if isinstance(values, dict):
            rows += [[code(f"{name}.{key}"), code(as_option(v))] for key, v in values.items()]
    return table([("setting", "設定"), ("value", "値")], rows)


def again(story: Story) -> str:
    """Commands, what happened on the way, and versions."""
    config = without_places(story.config)
    has_best = (story.run.snapshots / "best").is_dir()
    use = "\n".join(command(line) for line in use_commands(config, story.name, has_best=has_best))
    parts = [
        paragraph(_TRAIN_AGAIN),
        f"<pre><code>{command(train_command(config, story.name))}</code></pre>",
        *([paragraph(_OUTSIDE)] if ":" in config.generator.name else []),
        paragraph(_USE),
        f"<pre><code>{use}</code></pre>",
        _sittings(story),
        _versions(story),
    ]
    return section("again", ("How to make it again", "再現するには"), parts)


_TRAIN_AGAIN = (
    "The same pictures with this command give the same run; places are cut down to their names. "
    "The run's own <code>config.json</code> says the same to <code>--config</code>.",
    "同じ画像とこのコマンドで、同じ学習をやり直せます (パスは名前だけにしてあります)。"
    "実行フォルダの <code>config.json</code> を <code>--config</code> に渡しても同じです。",
)
_USE = ("What can be done with the run:", "この実行を使うには:")
_OUTSIDE = (
    "Its generator is code from outside projgan, which must be importable; look at it before you "
    "allow it.",
    "この生成器は projgan の外のコードです。import できる必要があります。"
    "許可する前に中身を確かめてください。",
)


def _sittings(story: Story) -> str:
    resumes = [event for event in story.events if event["event"] == "resume"]
    changed = [event for event in story.events if event["event"] == "data changed"]
    parts = [event for event in story.events if event["event"] == "micro-batch"]
    found = []
    if resumes:
        at = text(", ".join(f"{event['images_seen']:,}" for event in resumes))
        found.append(
            paragraph(
                (
                    f"It was resumed {len(resumes)} time(s), after {at} images, which changes no "
                    "step on the same machine.",
                    f"{len(resumes)} 回再開されました ({at} 枚の時点)。"
                    "同じ計算機なら結果は変わりません。",
                )
            )
        )
    if any(event["images_seen"] for event in parts):
        found.append(
            paragraph(
                (
                    "On the way it held another number of pictures at once (training.micro_batch), "
                    "so the command above does not quite give the same run.",
                    "途中で一度に保持する枚数 (training.micro_batch) が変わったため、"
                    "上のコマンドでは完全に同じ結果にはなりません。",
                )
            )
        )
    if changed:
        found.append(
            paragraph(
                (
                    "Its pictures changed on the way, so the command above does not give the same "
                    "run.",
                    "途中で学習画像が変わったため、上のコマンドでは同じ結果になりません。",
                )
            )
        )
    return "".join(found)


def _versions(story: Story) -> str:
    found = [f"projgan {__version__}", f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    here = text(", ".join([*found, platform.system(), platform.machine()]))
    trained = text(story.trained_with)
    english = f"Versions where this page was written: {here}."
    japanese = f"このページを書き出した環境: {here}。"
    if trained:
        english += f" The newest checkpoint was written with torch {trained}."
        japanese += f"最新のチェックポイントは torch {trained} で保存されました。"
    return paragraph((english, japanese), "soft")
