"""Posteriors made by hand, whose statistics are known."""

import importlib
import math
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from discretevae.evaluation import CodeHealth, code_health, diagnose
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP

code_health_module = importlib.import_module("discretevae.evaluation.code_health")
D, K = 3, 4


class Fixed(nn.Module):
    """The posterior of example i is row i of a table; x holds i."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.table = logits

    def forward(self, x: Tensor) -> Tensor:
        return self.table[x[:, 0].long()].flatten(1)


def health_of(logits: Tensor) -> CodeHealth:
    model = DiscreteVAE((1,), D, K, MLP((2,)))
    model.encoder = Fixed(logits)
    x = torch.arange(float(len(logits)))[:, None]
    return code_health(model, x.split(3))


def one_hot_logits(codes: list[list[int]]) -> Tensor:
    return 1e4 * torch.nn.functional.one_hot(torch.tensor(codes), K).float()


def test_uniform_posteriors_carry_nothing() -> None:
    health = health_of(torch.zeros(8, D, K))
    torch.testing.assert_close(health.usage, torch.full((D, K), 1 / K, dtype=torch.float64))
    torch.testing.assert_close(health.perplexity, torch.full((D,), 4.0, dtype=torch.float64))
    assert health.kl.abs().max() < 1e-7  # the prior is in float32
    assert health.mutual_information.abs().max() < 1e-12
    assert health.active_latents == 0
    assert health.dead_categories == 0
    assert health.examples == 8


def test_deterministic_posteriors_carry_the_entropy_of_their_usage() -> None:
    health = health_of(one_hot_logits([[i % K, i % 2, (i // 2) % K] for i in range(8)]))
    expected = torch.tensor([math.log(4), math.log(2), math.log(4)], dtype=torch.float64)
    torch.testing.assert_close(health.mutual_information, expected)
    torch.testing.assert_close(health.perplexity, expected.exp())
    torch.testing.assert_close(health.kl, torch.full((D,), math.log(K), dtype=torch.float64))
    assert health.active_latents == D
    assert health.dead_categories == 2  # of the second latent
    assert health.distinct_codes == 8
    assert diagnose(health) is None


def test_a_latent_that_ignores_the_data_is_dead_even_with_a_large_kl() -> None:
    health = health_of(one_hot_logits([[i % K, (i // K) % K, 2] for i in range(16)]))
    assert health.kl[2].item() == pytest.approx(math.log(K))
    assert health.mutual_information[2].item() == pytest.approx(0, abs=1e-9)
    assert health.perplexity[2].item() == pytest.approx(1)
    assert health.active_latents == 2
    assert health.dead_categories == 3
    assert health.distinct_codes == 16
    warning = str(diagnose(health))
    assert warning.startswith("1 of 3 latents carries almost no information")
    assert warning.endswith("num_latents=2")


def test_unused_categories_are_named_with_what_to_change() -> None:
    health = health_of(one_hot_logits([[i % 2] * D for i in range(8)]))
    warning = str(diagnose(health))
    assert warning.startswith("6 of 12 categories are used by fewer than 0.1 %")
    assert warning.endswith("num_categories=2")


def test_there_is_one_diagnosis_and_one_thing_to_do() -> None:
    health = health_of(one_hot_logits([[0] * D] * 8))  # every latent, and nearly every category
    warning = str(diagnose(health))
    assert "3 of 3 latents carry almost no information" in warning
    for given, options in (
        ({"beta": 3.0, "epochs": 10, "steps": 100}, {"beta": "1"}),
        ({"epochs": 10, "steps": 100}, {"epochs": 200}),
        ({"epochs": 10, "steps": 1_500}, {"epochs": 20}),
        ({"epochs": 300, "steps": 600}, {"epochs": 500}),
        ({"epochs": 500, "steps": 1_000}, {"free_bits": 0.5}),  # all that the rule gives
        ({"epochs": 10, "steps": 5_000}, {"free_bits": 0.5}),
    ):
        found = diagnose(health, **given)
        assert found is not None
        assert found.total
        assert found.options == options
        (name, value) = next(iter(options.items()))
        command = found.advice(Path("my run/config.yaml"))
        flag = name.replace("_", "-")
        assert command.endswith(f"discretevae train --config 'my run/config.yaml' --{flag} {value}")


def test_random_posteriors_agree_with_scipy() -> None:
    logits = 2 * torch.randn(10, D, K)
    health, q = health_of(logits), logits.double().softmax(-1).numpy()
    usage = q.mean(0)
    entropy = stats.entropy(usage, axis=-1)
    conditional = stats.entropy(q, axis=-1).mean(0)
    torch.testing.assert_close(health.usage, torch.from_numpy(usage))
    torch.testing.assert_close(health.mutual_information, torch.from_numpy(entropy - conditional))
    torch.testing.assert_close(health.kl, torch.from_numpy(math.log(K) - conditional))
    torch.testing.assert_close(health.perplexity.log(), torch.from_numpy(entropy))
    assert (health.mutual_information <= health.kl + 1e-7).all()


def test_the_whole_code_tells_what_the_sum_over_codes_says() -> None:
    logits = 2 * torch.randn(10, D, K)
    q = logits.double().softmax(-1)
    joint = torch.einsum("na,nb,nc->nabc", *q.unbind(1)).flatten(1).numpy()
    expected = stats.entropy(joint.mean(0)) - stats.entropy(joint, axis=-1).mean()
    health = health_of(logits)
    assert health.code_information == pytest.approx(expected)
    assert health.code_information < health.mutual_information.sum()


def test_latents_that_repeat_each_other_tell_it_once() -> None:
    health = health_of(one_hot_logits([[i % 4] * D for i in range(8)]))
    assert float(health.mutual_information.sum()) == pytest.approx(3 * math.log(4))
    assert health.code_information == pytest.approx(math.log(4))


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = 2 * torch.randn(10, D, K)
    whole = health_of(logits).code_information
    monkeypatch.setattr(code_health_module, "ENTRIES", 3 * K**D)
    assert health_of(logits).code_information == pytest.approx(whole, rel=1e-12)


def test_too_many_codes_are_not_summed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_health_module, "CODES", K**D - 1)
    assert health_of(torch.zeros(2, D, K)).code_information is None
