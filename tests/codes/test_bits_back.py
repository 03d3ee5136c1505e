from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from discretevae.codes.bits_back import BitsBack
from discretevae.codes.errors import CodesError
from discretevae.data.opening import OF_LEVELS
from discretevae.likelihoods import LIKELIHOODS
from discretevae.models import DiscreteVAE
from discretevae.networks import CNN, MLP
from discretevae.priors.autoregressive import AutoregressivePrior

Make = Callable[..., DiscreteVAE]
LOG2 = np.log(2)


@given(
    st.integers(1, 12), st.integers(1, 5), st.integers(2, 9), st.integers(0, 30),
    st.integers(1, 12), st.sampled_from([0.0, 1.0, 30.0]), st.integers(0, 2**20),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_data_come_back_to_the_bit(
    tiny: Make, pixels: int, d: int, k: int, count: int, lanes: int, scale: float, seed: int
) -> None:
    model = tiny((pixels,), d, k, seed=seed, scale=scale)
    x = np.random.default_rng(seed).integers(0, 2, (count, pixels)).astype(np.uint8)
    bits_back = BitsBack(model, lanes)
    assert np.array_equal(bits_back.decompress(bits_back.compress(x), count), x)


@pytest.mark.parametrize("prior", ["uniform", "learned", "autoregressive"])
@pytest.mark.parametrize("network", [MLP((6,)), CNN((2, 3))])
def test_images_come_back_under_every_prior(prior: str, network: MLP | CNN) -> None:
    torch.manual_seed(0)
    model = DiscreteVAE((1, 8, 8), 3, 4, network, prior=prior, embedding_size=2).eval()
    if isinstance(model.prior, AutoregressivePrior):
        torch.nn.init.normal_(model.prior.output.weight)
    x = np.random.default_rng(0).integers(0, 2, (70, 1, 8, 8)).astype(np.uint8)
    bits_back = BitsBack(model, lanes=16)
    assert np.array_equal(bits_back.decompress(bits_back.compress(x), 70), x)


def by_hand(model: DiscreteVAE, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|z), log p(z) and log q(z|x) of every code, written out: each (K^D, N)."""
    d, k = model.num_latents, model.num_categories
    log_q_each = model.encoder(x).unflatten(-1, (d, k)).log_softmax(-1)
    rows = []
    for code in product(range(k), repeat=d):
        p = model.decoder(torch.eye(k, dtype=x.dtype)[list(code)].flatten()).sigmoid()
        log_p_x = (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
        log_q = sum(log_q_each[:, i, c] for i, c in enumerate(code))
        rows.append((log_p_x, torch.full_like(log_p_x, -d * np.log(k)), log_q))
    log_p_x, log_p_z, log_q = (torch.stack(column) for column in zip(*rows, strict=True))
    return log_p_x, log_p_z, log_q


def test_the_size_is_minus_the_elbo(tiny: Make) -> None:
    """The truth is the ELBO summed over all codes; six standard deviations: 2e-9."""
    model = tiny(seed=3, scale=2.0)
    x = np.random.default_rng(0).integers(0, 2, (8000, 5)).astype(np.uint8)
    with torch.no_grad():
        parts = by_hand(tiny(seed=3, scale=2.0).double(), torch.from_numpy(x).double())
    log_p_x, log_p_z, log_q = parts
    log_w, q = log_p_x + log_p_z - log_q, log_q.exp()
    elbo = (q * log_w).sum(0)
    sd = ((q * log_w**2).sum(0) - elbo**2).sum().sqrt().item() / LOG2
    bits = -elbo.sum().item() / LOG2
    size = 32 * len(BitsBack(model, 100).compress(x))
    initial = 256 + 64 + 10 * 10  # the checksum, granularity, and sizes of steps that are short
    assert 6 * sd < 0.02 * bits, "too few examples to see 2 %"
    assert abs(size - initial / 2 - bits) < 6 * sd + initial / 2

    # Without bits back, the codes' own bits would be paid: this test would see it.
    paid = -(log_p_x + log_p_z).gather(0, log_q.argmax(0)[None]).sum().item() / LOG2
    assert paid > size + 6 * sd + initial


def test_where_bits_do_not_suffice_the_most_probable_code_is_paid(tiny: Make) -> None:
    """40 latents of 16 classes ask for 160 bits a code, an example of 3 pixels brings few."""
    model = tiny((3,), 40, 16, scale=0.0)
    x = np.random.default_rng(0).integers(0, 2, (150, 3)).astype(np.uint8)
    bits_back = BitsBack(model, lanes=64)
    words = bits_back.compress(x)
    assert np.array_equal(bits_back.decompress(words, 150), x)
    # Under a uniform posterior −ELBO is 3 bits an example; at most two codes are paid.
    assert 32 * len(words) <= 3 * 150 + 256 + 64 + 2 * 160 + 10 * 150


def test_digits_that_float64_does_not_hold_are_forgiven(
    tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny((30,), 4, 5)
    x = np.random.default_rng(0).integers(0, 2, (200, 30)).astype(np.uint8)
    words = BitsBack(model, 20).compress(x)

    def elsewhere(noise: float) -> BitsBack:
        """Whoever decompresses with networks that compute slightly other numbers."""
        bits_back = BitsBack(model, 20)
        generator = torch.Generator().manual_seed(0)

        def blur(module: torch.nn.Module, given: object, out: Tensor) -> Tensor:
            return out + noise * (2 * torch.rand(out.shape, generator=generator) - 1)

        bits_back.model.encoder.register_forward_hook(blur)
        bits_back.model.decoder.register_forward_hook(blur)
        return bits_back

    assert np.array_equal(elsewhere(5e-10).decompress(words, 200), x)
    with pytest.raises(CodesError, match="must have the checksum of the original"):
        elsewhere(1e-3).decompress(words, 200)


def test_another_models_words_are_never_taken_for_data(tiny: Make) -> None:
    x = np.random.default_rng(0).integers(0, 2, (50, 5)).astype(np.uint8)
    words = BitsBack(tiny(seed=0), 20).compress(x)
    with pytest.raises(CodesError, match="checksum"):
        BitsBack(tiny(seed=1), 20).decompress(words, 50)


@pytest.mark.parametrize(
    ("shape", "likelihood"),
    [
        *(((3, 4, 4), name) for name in OF_LEVELS),
        *(((5,), name) for name in OF_LEVELS if not name.startswith("local")),
    ],
)
def test_levels_come_back_and_take_what_the_likelihood_says(
    likelihood: str, shape: tuple[int, ...]
) -> None:
    """The stack grows by −ELBO, to 1 % and to what it starts with."""
    torch.manual_seed(0)
    p = LIKELIHOODS[likelihood](len(shape))
    model = DiscreteVAE(shape, 1, 2, MLP((6,)), p).eval()
    x = np.random.default_rng(0).integers(0, 256, (30, *shape), np.uint8)
    values = torch.from_numpy(x / 255).float()
    model.start_at(values)
    bits_back = BitsBack(model, 4)
    words = bits_back.compress(x)
    assert np.array_equal(bits_back.decompress(words, 30), x)
    with torch.no_grad():
        nats = -model.elbo(values, samples=200).sum()
    bits = 32 * len(words) - 8 * 32  # without the checksum upon which the stack is built
    assert bits == pytest.approx(float(nats) / LOG2, rel=0.01, abs=40)


def test_more_levels_than_a_byte_has_are_refused() -> None:
    model = DiscreteVAE((5,), 2, 3, MLP((4,)), LIKELIHOODS["levels"](1))
    model.likelihood.levels = 257
    with pytest.raises(CodesError, match=r"must have at most 256 levels .* got 257"):
        BitsBack(model, 4)


@pytest.mark.parametrize("likelihood", ["gaussian", "continuous-bernoulli", "bernoulli-grey"])
def test_what_is_not_binary_is_refused(tiny: Make, likelihood: str) -> None:
    with pytest.raises(
        CodesError, match=f"must have a likelihood of bits or levels .* got {likelihood}"
    ):
        BitsBack(tiny(likelihood=likelihood), 10)


def test_bad_arguments_are_refused(tiny: Make) -> None:
    with pytest.raises(CodesError, match="`lanes` must be at least 1, got 0"):
        BitsBack(tiny(), 0)
    with pytest.raises(CodesError, match="must have no condition"):
        BitsBack(tiny(context_shape=(2,)), 10)
    with pytest.raises(CodesError, match="got boltzmann"):
        BitsBack(tiny(prior="boltzmann"), 10)


def test_the_model_stays_what_it_is(tiny: Make) -> None:
    model = tiny()
    BitsBack(model, 10).compress(np.zeros((3, 5), np.uint8))
    assert model.dtype == torch.float32
