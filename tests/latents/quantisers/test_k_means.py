import torch

from discretevae.latents.quantisers.k_means import far_vectors, k_means


def test_separate_clusters_are_found() -> None:
    """Of many starts with two centres in one cluster: the one without is found, if not always.

    Of 20 starts none has a centre in each with probability (1 − 3! / 3³)^20 ≈ 7e-3.
    """
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    vectors = centres.repeat(40, 1) + 0.1 * torch.randn(120, 2)
    means = vectors.view(40, 3, 2).mean(0)
    found = [k_means(vectors, 3) for _ in range(20)]
    errors = [torch.cdist(means, one).min(-1).values.max() for one in found]
    assert min(errors) < 1e-4


def test_no_centre_stands_idle_where_most_vectors_are_alike() -> None:
    """A start from vectors at random has nine in ten of 16 centres at the same point."""
    vectors = torch.cat([torch.zeros(900, 2), torch.randn(100, 2)])
    found = k_means(vectors, 16)
    assert len(torch.cdist(vectors, found).argmin(-1).unique()) == 16


def test_far_vectors_are_drawn_by_squared_distance_and_none_twice_in_vain() -> None:
    """A vector with a share of s has ⌊ms⌋ or ⌈ms⌉ of m places, whatever is drawn."""
    squared = torch.tensor([0.0, 1.0, 0.0, 3.0, 6.0])
    places = torch.ones(15, dtype=torch.bool)
    places[::3] = False
    for _ in range(20):
        drawn = far_vectors(torch.arange(5.0)[:, None], squared, places)[places, 0].long()
        counts = torch.bincount(drawn, minlength=5)
        assert ((counts - squared).abs() <= 1).all()
        assert counts[squared == 0].sum() == 0


def test_iterations_lower_the_distortion() -> None:
    vectors = torch.randn(500, 3)

    def distortion(iterations: int) -> float:
        torch.manual_seed(1)
        centres = k_means(vectors, 16, iterations)
        return float(torch.cdist(vectors, centres).min(-1).values.square().mean())

    assert distortion(10) < distortion(2) < distortion(0)


def test_of_fewer_vectors_each_is_taken_with_noise() -> None:
    vectors = torch.tensor([[0.0, 4.0], [8.0, 0.0]])
    found = k_means(vectors, 5)
    assert torch.equal(found.round(), vectors[[0, 1, 0, 1, 0]])
    assert len(found.unique(dim=0)) == 5
