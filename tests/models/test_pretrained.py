"""Saved models come back bit for bit; damaged ones are refused in one line."""

import itertools
import json
import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from discretevae.estimators import ESTIMATORS
from discretevae.likelihoods import LIKELIHOODS, GaussianLikelihood
from discretevae.models import (
    VAE,
    DiscreteVAE,
    GaussianVAE,
    ModelError,
    from_pretrained,
    pretrained,
)
from discretevae.networks import CNN, MLP, NETWORKS, Network
from discretevae.priors import CategoricalPrior

SHAPE = (1, 6, 5)


def same_weights(one: VAE, other: VAE) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def data(*batch: int) -> Tensor:
    return torch.rand(*batch, *SHAPE).round()


def saved(folder: Path) -> Path:
    DiscreteVAE(SHAPE, 2, 3, MLP((4,)), estimator="exact").save_pretrained(folder)
    return folder


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("network", [*NETWORKS, MLP(()), MLP((7, 5, 3)), CNN((2,))], ids=str)
@pytest.mark.parametrize("kind", [DiscreteVAE, GaussianVAE])
def test_every_network_comes_back_to_the_bit(
    kind: type[DiscreteVAE] | type[GaussianVAE], network: str | Network, tmp_path: Path
) -> None:
    model = kind(SHAPE, 4, network=network)
    model.save_pretrained(tmp_path)
    loaded = kind.from_pretrained(tmp_path)
    x = data(4)
    assert torch.equal(loaded.posterior(x), model.posterior(x))
    assert torch.equal(loaded.reconstruct(x), model.reconstruct(x))
    assert same_weights(loaded, model)
    assert loaded.architecture() == model.architecture()
    assert not loaded.training


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("kind", [DiscreteVAE, GaussianVAE])
def test_every_likelihood_comes_back(
    kind: type[DiscreteVAE] | type[GaussianVAE], likelihood: str, tmp_path: Path
) -> None:
    model = kind(SHAPE, 3, network=MLP((4,)), likelihood=likelihood)
    model.save_pretrained(tmp_path)
    loaded, x = from_pretrained(tmp_path), data(4)
    assert type(loaded) is kind
    assert type(loaded.likelihood) is type(model.likelihood)
    assert loaded.likelihood.normalised == model.likelihood.normalised
    codes = model.encode(x)
    assert torch.equal(loaded.decode(codes).log_prob(x), model.decode(codes).log_prob(x))


def test_a_learned_scale_and_a_prior_survive(tmp_path: Path) -> None:
    prior = CategoricalPrior(torch.tensor([[0.0, 1.0, -2.0], [3.0, 0.5, 0.0]]))
    model = DiscreteVAE(SHAPE, 2, 3, MLP((4,)), GaussianLikelihood(3, scale=0.3), prior=prior)
    model.save_pretrained(tmp_path)
    loaded, x = DiscreteVAE.from_pretrained(tmp_path), data(4)
    assert torch.equal(loaded.prior.kl(model.logits(x)), prior.kl(model.logits(x)))
    assert torch.equal(loaded.exact_log_likelihood(x), model.exact_log_likelihood(x))


def test_what_training_needs_is_given_at_loading(tmp_path: Path) -> None:
    model = DiscreteVAE(SHAPE, 2, 3, MLP((4,)), estimator="reinforce", beta=0.5)
    model.save_pretrained(tmp_path)
    loaded = from_pretrained(tmp_path, estimator="rloo", beta=0.25)
    assert isinstance(loaded, DiscreteVAE)
    assert isinstance(loaded.estimator, ESTIMATORS["rloo"])
    assert loaded.beta == 0.25
    assert from_pretrained(tmp_path).beta == 1
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    with pytest.raises(ValueError, match="did you mean 'rloo'"):
        from_pretrained(tmp_path, estimator="rlo")


def test_the_class_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="must hold a GaussianVAE, got a DiscreteVAE"):
        GaussianVAE.from_pretrained(saved(tmp_path))
    assert isinstance(VAE.from_pretrained(tmp_path), DiscreteVAE)


def test_saving_again_replaces_the_model_and_leaves_two_files(tmp_path: Path) -> None:
    saved(tmp_path)
    model = GaussianVAE(SHAPE, 5, MLP((3,)))
    model.save_pretrained(tmp_path)
    assert same_weights(from_pretrained(tmp_path), model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def _no_weights(*_: object) -> None:
    raise OSError("No space left on device")


def _half_the_weights(weights: dict[str, Tensor], path: Path) -> None:
    Path(path).write_bytes(b"half")
    raise KeyboardInterrupt


def _no_config(*_: object, **__: object) -> None:
    raise RuntimeError("no JSON")


@pytest.mark.parametrize(
    ("place", "name", "failure", "error"),
    [
        (pretrained, "save_file", _no_weights, OSError),
        (pretrained, "save_file", _half_the_weights, KeyboardInterrupt),
        (pretrained.json, "dumps", _no_config, RuntimeError),
    ],
)
def test_a_failure_leaves_the_old_model_whole(
    place: object,
    name: str,
    failure: Callable[..., None],
    error: type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(place, name, failure)
        with pytest.raises(error):
            GaussianVAE(SHAPE, 7, MLP((3,))).save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("killed", range(1, 13))
def test_a_kill_leaves_the_old_model_or_the_new_one(killed: int, tmp_path: Path) -> None:
    """A child is killed before each operation on a file, the gap between the renames included."""
    torch.manual_seed(0)
    old, new = DiscreteVAE(SHAPE, 2, 3, MLP((4,))), GaussianVAE(SHAPE, 7, MLP((3,)))
    old.save_pretrained(tmp_path)
    child = os.fork()
    if child == 0:
        left = itertools.count(1)

        def hook(event: str, _: object) -> None:
            if event in ("open", "os.rename", "os.chmod", "os.remove") and next(left) == killed:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        new.save_pretrained(tmp_path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    found = from_pretrained(tmp_path)
    assert same_weights(found, new if found.kind == new.kind else old)


def refusal(folder: Path) -> str:
    """The message of the refusal, once it is checked to be one line that names the folder."""
    with pytest.raises(ModelError) as caught:
        from_pretrained(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    assert len(message) < 300 + len(str(folder))
    return message


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert "config.json` must exist" in refusal(tmp_path / "nowhere")
    saved(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "model.safetensors` must exist" in refusal(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_weights_are_refused(kept: int, tmp_path: Path) -> None:
    path = saved(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert "must be a whole safetensors file" in refusal(tmp_path)


@pytest.mark.parametrize("position", [0, 5, 7, 8, 9, 40])
def test_a_flipped_bit_in_the_header_is_refused(position: int, tmp_path: Path) -> None:
    path = saved(tmp_path) / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << 6
    path.write_bytes(bytes(content))
    refusal(tmp_path)


class _Bomb:
    exploded = False

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _explode, ()


def _explode() -> None:
    _Bomb.exploded = True


@pytest.mark.parametrize("write", [pickle.dumps, None], ids=["pickle", "torch.save"])
def test_a_pickle_runs_no_code(write: Callable[[object], bytes] | None, tmp_path: Path) -> None:
    path = saved(tmp_path) / "model.safetensors"
    if write:
        path.write_bytes(write(_Bomb()))
    else:
        torch.save(_Bomb(), path)
    assert "must be a whole safetensors file" in refusal(tmp_path)
    assert not _Bomb.exploded


@pytest.mark.parametrize("content", ["", "{", '{"format": 1', "\x00\xff", "nonsense"])
def test_a_damaged_configuration_is_refused(content: str, tmp_path: Path) -> None:
    (saved(tmp_path) / "config.json").write_bytes(content.encode("latin-1"))
    assert "config.json` must be readable JSON" in refusal(tmp_path)


@pytest.mark.parametrize("content", ["[]", "3", "null", '"model"', "{}", '{"format": 2}'])
def test_json_of_another_kind_is_refused(content: str, tmp_path: Path) -> None:
    (saved(tmp_path) / "config.json").write_text(content)
    assert "must be a model of format 1, got" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "DiscretVAE"}, "did you mean 'DiscreteVAE'?"),
        ({"model": ["DiscreteVAE"]}, "`model` must be one of"),
        ({"model": None}, "`model` must be one of"),
        ({"network": {"kind": "transformer"}}, "`network.kind` must be one of"),
        ({"network": {"kind": ["mlp"]}}, "config.json` must describe a model"),
        ({"network": {"kind": "mlp", "depth": 3}}, "does not fit a mlp"),
        ({"network": {"kind": "mlp", "widths": [0]}}, "`widths` must be positive, got [0]"),
        ({"likelihood": "poisson"}, "`likelihood` must be one of"),
        ({"likelihood": 3}, "`likelihood` must be one of"),
        ({"shape": []}, "`shape` must hold positive sizes"),
        ({"num_latents": 0}, "`num_latents` must be at least 1"),
    ],
)
def test_a_configuration_that_describes_no_model_is_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    edit(saved(tmp_path), **changes)
    assert message in refusal(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_latents": 3},
        {"num_categories": 4},
        {"num_latents": 3, "num_categories": 2},  # as many logits, another code
        {"shape": [1, 5, 5]},
        {"network": {"kind": "mlp", "widths": [5]}},
        {"network": {"kind": "mlp", "widths": [4, 4]}},
        {"likelihood": "gaussian"},
    ],
)
def test_weights_that_do_not_fit_are_refused(changes: dict[str, object], tmp_path: Path) -> None:
    edit(saved(tmp_path), **changes)
    message = refusal(tmp_path)
    assert "model.safetensors` must fit config.json" in message
    assert "must have shape" in message


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"num_categories": 10**9}, "num_categories"),
        ({"network": {"kind": "mlp", "widths": [1] * 10**4}}, "widths"),
        ({"network": {"kind": "mlp", "widths": [10**9]}}, "widths"),
        ({"shape": [1, 10**5, 10**5]}, "shape"),
    ],
)
def test_sizes_are_compared_with_the_weights_before_anything_is_built(
    changes: dict[str, object], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(saved(tmp_path), **changes)
    monkeypatch.setattr("discretevae.models.pretrained._build", lambda *_: pytest.fail("built"))
    message = refusal(tmp_path)
    assert f"`{name}" in message
    assert "must be at most" in message or "must have at most" in message
    assert len(message) < 1000


@pytest.mark.parametrize("key", ["shape", "num_latents", "network", "likelihood", "model"])
def test_a_missing_entry_is_named(key: str, tmp_path: Path) -> None:
    path = saved(tmp_path) / "config.json"
    config = json.loads(path.read_text())
    del config[key]
    path.write_text(json.dumps(config))
    assert f"`{key}`" in refusal(tmp_path)
