import pytest
import torch

from discretevae.latents.quantisers import QUANTISERS, quantiser_from_config

SMALL = {
    "vq": {"num_codes": 12, "dim": 3},
    "diveq": {"num_codes": 12, "dim": 3},
    "simvq": {"num_codes": 12, "dim": 3},
    "fsq": {"levels": [4, 3, 2]},
    "lfq": {"dim": 4},
    "bsq": {"dim": 4},
}


def test_every_quantiser_is_tried() -> None:
    assert SMALL.keys() == QUANTISERS.keys()


@pytest.mark.parametrize("name", QUANTISERS)
def test_the_contract_is_kept(name: str) -> None:
    quantiser = QUANTISERS[name](**SMALL[name])
    assert quantiser.kind == name
    z = torch.randn(6, 5, quantiser.dim, requires_grad=True)
    values, codes, cost = quantiser(z)
    assert values.shape == z.shape
    assert codes.shape == cost.shape == (6, 5)
    (values.square().sum() + cost.sum()).backward()
    assert z.grad is not None
    assert z.grad.abs().max() > 0
    values, codes, _ = quantiser.eval()(z)
    assert torch.equal(quantiser.nearest(z), codes)
    torch.testing.assert_close(quantiser.lookup(codes), values)
    assert 0 <= int(codes.min()) <= int(codes.max()) < quantiser.num_codes


@pytest.mark.parametrize("name", QUANTISERS)
def test_config_and_weights_rebuild_it(name: str) -> None:
    quantiser = QUANTISERS[name](**SMALL[name])
    z = torch.randn(40, quantiser.dim)
    quantiser(z)
    again = quantiser_from_config(quantiser.config())
    again.load_state_dict(quantiser.state_dict())
    assert again.config() == quantiser.config()
    assert torch.equal(again.eval()(z).values, quantiser.eval()(z).values)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="`quantiser` must be one of vq"):
        quantiser_from_config({"kind": "vqq"})
    with pytest.raises(ValueError, match="`quantiser` does not fit"):
        quantiser_from_config({"kind": "fsq", "num_codes": 3})
