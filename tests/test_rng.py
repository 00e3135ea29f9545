import torch

from projgan.rng import derive_seed, numpy_stream, torch_stream


def test_streams_differ_by_seed_name_and_position() -> None:
    seeds = {
        derive_seed(s, n, *p) for s in (0, 1) for n in ("a", "b") for p in ((), (0,), (1,), (0, 1))
    }
    assert len(seeds) == 16
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_positions_are_not_run_together() -> None:
    assert derive_seed(0, "a", 1, 23) != derive_seed(0, "a", 12, 3)


def test_a_stream_is_the_same_whenever_it_is_asked_for() -> None:
    first = torch.randn(4, generator=torch_stream(3, "z", 5))
    torch.randn(100)
    assert torch.equal(first, torch.randn(4, generator=torch_stream(3, "z", 5)))
    assert (numpy_stream(3, "z", 5).random(4) == numpy_stream(3, "z", 5).random(4)).all()


def test_numbers_are_pinned() -> None:
    """A change here would change every run and every seed's picture."""
    assert derive_seed(0, "latent") == 251127968470604764
