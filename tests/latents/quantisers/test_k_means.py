import torch

from discretevae.latents.quantisers.k_means import k_means


def test_separate_clusters_are_found() -> None:
    """A start with no centre in a cluster may stay so: the best of 20 has one in each.

    Of 20 starts none has that with probability (1 − 3! / 3³)^20 ≈ 7e-3 over all seeds.
    """
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    vectors = centres.repeat(40, 1) + 0.1 * torch.randn(120, 2)
    means = vectors.view(40, 3, 2).mean(0)
    found = [k_means(vectors, 3) for _ in range(20)]
    errors = [torch.cdist(means, one).min(-1).values.max() for one in found]
    assert min(errors) < 1e-4


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
