import subprocess
import sys

import pytest
import torch

from discretevae.latents.quantisers import assignment
from discretevae.latents.quantisers.assignment import nearest, totals


def test_nearest_is_the_smallest_distance() -> None:
    z, codebook = torch.randn(3, 50, 4, dtype=torch.float64), torch.randn(20, 4).double()
    assert torch.equal(
        nearest(z, codebook), torch.cdist(z.flatten(0, 1), codebook).argmin(-1).view(3, 50)
    )


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    z, codebook = torch.randn(50, 4), torch.randn(20, 4)
    whole = nearest(z, codebook)
    monkeypatch.setattr(assignment, "ENTRIES", 60)
    assert torch.equal(nearest(z, codebook), whole)


MEMORY = """
import resource, torch
from discretevae.latents.quantisers.assignment import nearest
z, codebook = torch.randn(4000, 8), torch.randn(2**16, 8)
nearest(z[:100], codebook)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
nearest(z, codebook)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the unit is another")
def test_memory_is_that_of_a_chunk() -> None:
    """In MiB; all pairs at once are 1,000, and chunks that leave holes behind as many."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 100


def test_half_precision_around_it_mistakes_no_code() -> None:
    codebook = 100 + torch.randn(64, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nearest(codebook, codebook), torch.arange(64))


def test_totals_are_those_of_a_one_hot_matrix() -> None:
    vectors, codes = torch.randn(50, 4, dtype=torch.float64), torch.randint(7, (50,))
    one_hot = torch.nn.functional.one_hot(codes, 7).double()
    counts, sums = totals(vectors, codes, 7)
    torch.testing.assert_close(counts, one_hot.sum(0))
    torch.testing.assert_close(sums, one_hot.T @ vectors)
