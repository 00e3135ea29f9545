"""What a figure says, in a sentence; and which figure to believe with so many pictures."""

from __future__ import annotations

from projgan.evaluation.figures import Figure

SMALL_SET = 1_000
"""Below so many pictures of either side the kernel distance is the judge."""

_HALVES = "two halves of the reals"


def judge(num_reals: int, num_fakes: int) -> str:
    """The metric to go by: "kid" for small sets, else "fd"."""
    return "kid" if min(num_reals, num_fakes) < SMALL_SET else "fd"


def why_judge(num_reals: int, num_fakes: int) -> str:
    """A sentence about which distance to go by, and why."""
    if judge(num_reals, num_fakes) == "kid":
        return (
            f"judge by the kernel distance (kid): below {SMALL_SET:,} pictures of either side a "
            "Frechet distance (fd) is mostly an error of its own, which grows as they get fewer"
        )
    return (
        "judge by the Frechet distance (fd), and compare it only with figures of as many pictures; "
        "the kernel distance (kid) does not depend on how many there are"
    )


def meaning(figure: Figure) -> str:
    """What this value says about the fakes, in a sentence."""
    if figure.value is None:
        return f"not computed: {figure.why}"
    return _SENTENCES[figure.metric](figure, figure.value)


def _kid(figure: Figure, value: float) -> str:
    if figure.interval is not None and figure.interval[0] <= max(figure.floor or 0.0, 0.0):
        return "0 is the best there is, and with these pictures it cannot be told from that"
    return "0 is the best there is; lower is better, and negative means 0"


def _fd(figure: Figure, value: float) -> str:
    if not figure.floor:
        return "lower is better; there are too few reals to say what is low"
    if value <= figure.floor:
        return f"no farther from the reals than {_HALVES} are from each other"
    return f"{value / figure.floor:.1f} times as far from the reals as {_HALVES} from each other"


def _precision(figure: Figure, value: float) -> str:
    return f"{value:.0%} of the fakes look like some real: how good single pictures are"


def _recall(figure: Figure, value: float) -> str:
    return f"{value:.0%} of the reals have a fake near them: how much of the variety is there"


def _density(figure: Figure, value: float) -> str:
    return "as precision, less harsh towards odd reals; above 1 where fakes crowd around reals"


def _coverage(figure: Figure, value: float) -> str:
    return f"{value:.0%} of the reals have a fake closer than their own near neighbours"


def _diversity(figure: Figure, value: float) -> str:
    assert figure.floor is not None, "reals have a diversity"
    if figure.floor == 0:
        return "mean distance between fakes; the reals are all alike"
    return f"fakes differ from each other {value / figure.floor:.0%} as much as reals do"


def _is(figure: Figure, value: float) -> str:
    return (
        "1 is the least; says little unless the pictures are of ImageNet's classes: compare with "
        "the reals' own"
    )


def _ppl(figure: Figure, value: float) -> str:
    return (
        "how suddenly pictures change between latents, lower is smoother; over this extractor, so "
        "not the published perceptual path length (LPIPS)"
    )


_SENTENCES = {
    "kid": _kid,
    "fd": _fd,
    "precision": _precision,
    "recall": _recall,
    "density": _density,
    "coverage": _coverage,
    "diversity": _diversity,
    "is": _is,
    "ppl": _ppl,
}

FLOOR = f"reals: the figure of {_HALVES}; for diversity and is, which look at one set, their own"
"""What the column beside the figures is."""
