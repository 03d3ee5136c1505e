from collections.abc import Callable

import torch

from discretevae.codes import model_identity
from discretevae.estimators import RLOO, ReinMax
from discretevae.models import DiscreteVAE, from_pretrained

Make = Callable[..., DiscreteVAE]


def test_weights_and_architecture_make_a_model(tiny: Make) -> None:
    first = model_identity(tiny())
    assert model_identity(tiny()) == first
    others = [tiny(seed=1), tiny(num_categories=4), tiny(likelihood="bernoulli-grey"), tiny((4,))]
    other = tiny()
    with torch.no_grad():
        other.encoder[1].weight[0, 0] += 1e-6
    assert len({first, *map(model_identity, [*others, other])}) == 6


def test_what_trains_a_model_is_no_part_of_it(tiny: Make) -> None:
    with_baseline = tiny(estimator=ReinMax(), beta=0.5)
    assert model_identity(with_baseline) == model_identity(tiny(estimator=RLOO()))


def test_it_survives_saving(tiny: Make, tmp_path: object) -> None:
    model = tiny(prior="autoregressive", embedding_size=2)
    model.save_pretrained(str(tmp_path))
    assert model_identity(from_pretrained(str(tmp_path))) == model_identity(model)
