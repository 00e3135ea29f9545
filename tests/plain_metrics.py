"""The metrics as their papers write them, in plain numpy and with all pairs at once.

Slow and hungry on purpose, and sharing nothing with the package: what the tests compare against.
"""

from __future__ import annotations

import numpy as np


def kid(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD^2 with (x.y / d + 1)^3, sums over i != j written out."""
    m, n, d = len(x), len(y), x.shape[1]
    xx = (x @ x.T / d + 1) ** 3
    yy = (y @ y.T / d + 1) ** 3
    xy = (x @ y.T / d + 1) ** 3
    return float(
        xx[~np.eye(m, dtype=bool)].sum() / (m * (m - 1))
        + yy[~np.eye(n, dtype=bool)].sum() / (n * (n - 1))
        - 2 * xy.mean()
    )


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, D), (M, D) -> (N, M), from differences."""
    return np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=2))


def manifold(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, float]:
    """Precision, recall, density and coverage; the k-th neighbour, itself not counted."""
    to_fake = distances(real, fake)
    reach_real = np.sort(distances(real, real), axis=1)[:, k][:, None]
    reach_fake = np.sort(distances(fake, fake), axis=1)[:, k][None, :]
    return {
        "precision": float((to_fake <= reach_real).any(axis=0).mean()),
        "recall": float((to_fake <= reach_fake).any(axis=1).mean()),
        "density": float((to_fake < reach_real).sum(axis=0).mean() / k),
        "coverage": float((to_fake < reach_real).any(axis=1).mean()),
    }


def mean_pairwise(x: np.ndarray) -> float:
    """Mean distance of all pairs i < j."""
    rows, columns = np.triu_indices(len(x), k=1)
    return float(distances(x, x)[rows, columns].mean())


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """Means, covariances and the square root of a symmetric product."""
    cx, cy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    values, vectors = np.linalg.eigh(cx)
    root = vectors * np.sqrt(values.clip(min=0)) @ vectors.T
    inner = np.linalg.eigvalsh(root @ cy @ root).clip(min=0)
    means = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    return float(means + np.trace(cx) + np.trace(cy) - 2 * np.sqrt(inner).sum())
