"""The command that gives a trained model another prior."""

import json
import re
import shutil
from pathlib import Path

import pytest

from discretevae.cli.main import main
from discretevae.models import DiscreteVAE, from_pretrained


def test_a_fitted_prior_raises_the_bound_and_leaves_the_rest(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    main(
        ["prior", str(run), "--kind", "autoregressive", "--epochs", "30", "--learning-rate", "0.01"]
    )
    before, after = map(float, re.findall(r"(-[\d.]+) (?:before|nats)", capsys.readouterr().out))
    assert after >= before
    metrics = json.loads((tmp_path / "run-autoregressive" / "metrics.json").read_text())
    assert metrics["test"]["log_likelihood"]["value"] >= metrics["test"]["elbo"]["value"]
    old, new = (from_pretrained(f / "model") for f in (run, tmp_path / "run-autoregressive"))
    assert isinstance(new, DiscreteVAE)
    assert new.prior.kind == "autoregressive"
    for name, weight in old.encoder.state_dict().items():
        assert bool((new.encoder.state_dict()[name] == weight).all())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--kind uniform", "`prior` must have weights to fit, got UniformPrior"),
        ("--kind bolzmann", "(did you mean 'boltzmann'?)"),
        ("--draws 0", "`draws` must be at least 1, got 0"),
        ("--epochs 0", "`epochs` must be at least 1, got 0"),
        ("--learning-rate 0", "`learning_rate` must be positive and finite, got 0.0"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    words: str, message: str, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "new"
    with pytest.raises(SystemExit) as exit_:
        main(["prior", str(run_folder), *words.split(), "--output", str(output)])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
    assert not output.exists()
