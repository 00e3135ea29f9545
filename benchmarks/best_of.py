"""What `projgan sample --best-of` gains and costs on a run: distance, precision and recall.

python benchmarks/best_of.py RUN DATA [--samples 300] [--best-of 1,2,4,8] [--neighbours 5]

DATA are the pictures that the run was trained on. Every column has the same number of samples; the
same seeds compete, so that the best of 4 are chosen among the first 4 of the 8.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import torch
from torch import Tensor

from projgan.data.prepare import open_cached
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.kernel import kernel_distance
from projgan.evaluation.manifold import manifold_scores
from projgan.evaluation.statistics import frechet_distance
from projgan.images import to_uint8
from projgan.sampling.best import candidate_seeds
from projgan.snapshot import Snapshot
from projgan.workflows.judge import Judge, open_judge

BATCH = 16


def verdicts(snapshot: Snapshot, judge: Judge, seeds: list[int]) -> Tensor:
    """The mean logit of each seed's picture: (N,)."""
    latents = snapshot.generator.latents(seeds)
    return torch.cat([judge(images) for images in snapshot.images(latents, batch=BATCH)])


def features_of(snapshot: Snapshot, extractor: Extractor, seeds: list[int]) -> Tensor:
    """lite1 features of each seed's picture: (N, 1280)."""
    latents = snapshot.generator.latents(seeds)
    return extractor.features(map(to_uint8, snapshot.images(latents, batch=BATCH)))


def row(real: Tensor, fake: Tensor, neighbours: int) -> dict[str, float]:
    """All figures of one set of samples."""
    scores = manifold_scores(real, fake, neighbours=neighbours)
    kernel = kernel_distance(real, fake)
    return {
        "fd_lite1": round(frechet_distance(real, fake), 2),
        "kid_lite1": round(kernel.mean, 5),
        "precision": round(scores.precision, 3),
        "recall": round(scores.recall, 3),
        "density": round(scores.density, 3),
        "coverage": round(scores.coverage, 3),
    }


def main() -> None:
    """Measure, and print a line of JSON for each number of candidates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--best-of", default="1,2,4,8")
    parser.add_argument("--neighbours", type=int, default=5)
    args = parser.parse_args()
    counts = [int(text) for text in args.best_of.split(",")]

    snapshot = Snapshot.load(args.run, device="cpu")
    assert not snapshot.class_names, "this benchmark knows no classes"
    judge = open_judge(args.run, device=torch.device("cpu"))
    data = open_cached(dataclasses.replace(snapshot.config.data, path=str(args.data)))
    extractor = Extractor()
    places = range(len(data))
    real = extractor.features(data.images(places[i : i + BATCH]) for i in places[::BATCH])

    start = time.perf_counter()
    groups = candidate_seeds(list(range(args.samples)), max(counts))
    logits = verdicts(snapshot, judge, [seed for group in groups for seed in group])
    table = logits.view(args.samples, -1)
    seconds = time.perf_counter() - start
    print(f"{len(real)} reals, {args.samples} samples, judged by {judge.name}; {seconds:.0f} s")
    for count in counts:
        best = table[:, :count].argmax(dim=1).tolist()
        fake = features_of(snapshot, extractor, [g[b] for g, b in zip(groups, best, strict=True)])
        mean = round(float(table[:, :count].max(dim=1).values.mean()), 3)
        result = {"best_of": count, "logit": mean, **row(real, fake, args.neighbours)}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
