"""One latent scaled, beside the same written with dense amplitudes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from discretevae.sparse import SPARSE_KINDS, scale_latent


@pytest.mark.parametrize("kind", [*SPARSE_KINDS])
@pytest.mark.parametrize("times", [0.0, 1.0, 2.5])
def test_all_else_stays(kind: str, times: float, make: Callable, x: Tensor) -> None:
    model = make(kind).eval()
    a = model.encode(x).detach()
    latent = int((a > 0).sum(0).argmax())
    changed = a.clone()
    changed[:, latent] *= times
    expected = x - model.decode(a) + model.decode(changed)
    found = scale_latent(model, x.reshape(5, 8, 6), latent, times)
    torch.testing.assert_close(found.reshape(-1, 6), expected.detach())
    off = a[:, latent] == 0
    assert bool(off.any())
    assert torch.equal(found.reshape(-1, 6)[off], x[off])


def test_what_cannot_be_scaled(make: Callable, x: Tensor) -> None:
    with pytest.raises(ValueError, match="`latent` must be from 0 to 19, got 20"):
        scale_latent(make("topk"), x, 20, 0.0)
    with pytest.raises(ValueError, match="got a transcoder"):
        scale_latent(make("topk", dim_out=4), x, 0, 0.0)
