import csv
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from discretevae.cli.laboratory import gradients
from discretevae.cli.loudness import without_flags
from discretevae.cli.main import COMMANDS, GROUPS, main
from discretevae.cli.options import examples_of, options_of
from discretevae.cli.parser import parse
from discretevae.cli.prior import prior
from discretevae.estimators import ESTIMATORS
from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
from discretevae.experiments.recipe import NETWORKS as RECIPE_NETWORKS
from discretevae.experiments.recipe import Recipe
from discretevae.models import from_pretrained
from discretevae.names import names_of
from discretevae.networks import NETWORKS
from discretevae.priors import PRIORS
from discretevae.training import TrainingOptions

Refused = Callable[..., str]
PROGRAM = [sys.executable, "-c", "from discretevae.cli.main import main; main()"]


@pytest.fixture
def refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Refused:
    """Runs a command that must fail: one line, status 2, nothing written."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([*words])
        assert exit_.value.code == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1, err
        assert err.startswith(f"discretevae {words[0]}: ")
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run


@pytest.fixture
def copied(run_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run_folder, tmp_path / "run")


OPTIONS = [
    ("--estimator arm", "`num_categories` must be 2 for an estimator of binary latents, got 8"),
    ("--estimator carms --num-categories 20", "`num_categories` must be at most 16, got 20"),
    ("--num-categories 1", "`num_categories` at least 2, got 4 and 1"),
    ("--num-latents 0", "`num_latents` must be at least 1"),
    ("--epochs 0", "`epochs` must be at least 1, got 0"),
    ("--batch-size 0", "`batch_size` must be at least 1, got 0"),
    ("--learning-rate -1", "`learning_rate` must be positive, got -1.0"),
    ("--patience -1", "`patience` must be at least 0, got -1"),
    ("--seed -1", "`seed` must be at least 0, got -1"),
    ("--seed 99999999999999999999", "`seed` must be less than 2^63"),
    ("--limit 0", "`limit` must be at least 1, got 0"),
    ("--validation 1", "`validation` must be a fraction in [0, 1), got 1.0"),
    ("--test -0.1", "`test` must be a fraction in [0, 1), got -0.1"),
    ("--importance-samples -1", "`importance_samples` must be at least 0, got -1"),
    ("--model gausian", "got 'gausian' (did you mean 'gaussian'?)"),
    ("--activation leaky-rleu", "got 'leaky-rleu' (did you mean 'leaky-relu'?)"),
    ("--network tutorail", "got 'tutorail' (did you mean 'tutorial'?)"),
    ("--likelihood bernouli", "got 'bernouli' (did you mean 'bernoulli'?)"),
    ("--estimator reinmx", "got 'reinmx' (did you mean 'reinmax'?)"),
    ("--binarize fersh", "got 'fersh' (did you mean 'fresh'?)"),
    ("--decay cosin", "got 'cosin' (did you mean 'cosine'?)"),
    ("--precision 31", "`precision` must be one of 32-true, bf16-mixed, 16-mixed, got '31'"),
    ("--accelerator abacus", "`accelerator` must be one that works here"),
    ("--temperature 1 --estimator rloo", "`temperature` must go with an --estimator that has it"),
    ("--temperature 0 --estimator reinmax", "`temperature` must be positive throughout, got '0'"),
    ("--temperature 1:x", "`temperature` must be a number, START:END or START:END:STEPS"),
    ("--beta 1:2:3:4", "`beta` must be a number, START:END or START:END:STEPS, got '1:2:3:4'"),
    ("--beta -1", "`beta` must be at least 0 throughout, got '-1'"),
    ("--samples 3 --estimator exact", "`samples` must go with an --estimator that has it"),
    ("--samples 1 --estimator rloo", "`samples` must be at least 2"),
    ("--baseline -9 --estimator reinmax", "that has it (reinforce, iwae), got reinmax"),
    ("--estimator vimko", "got 'vimko' (did you mean 'vimco'?)"),
    ("--estimator vimco --samples 1", "`samples` must be at least 2 to leave one out, got 1"),
    ("--estimator vimco --baseline -9", "that has it (reinforce, iwae), got vimco"),
    ("--estimator vimco --beta 0:1", "`beta` must be 1 with a multi-sample estimator"),
    ("--estimator iwae --beta 0.5", "whose bound has no KL to weigh, got '0.5' and IWAE"),
    ("--model gaussian --estimator vimco", "gumbel-vq, got 'vimco'"),
    ("--prior learnd", "got 'learnd' (did you mean 'learned'?)"),
    ("--condition label", "got 'label' (did you mean 'labels'?)"),
    ("--prior conditional", "`prior` conditional must go with a --condition, got none"),
    ("--free-bits -1", "`free_bits` must be a finite number of at least 0, got -1"),
    ("--free-bits 1 --prior autoregressive", "`free_bits` must be 0 where the objective has no KL"),
    ("--embedding-size 0", "`embedding_size` must be at least 1, got 0"),
    ("--model joint", "`continuous` must be given with --model joint"),
    ("--model joint --continuous 0", "`num_continuous` must be at least 1, got 0"),
    ("--model hierarchical", "`upper_latents` must be given with --model hierarchical"),
    ("--model semi-supervised", "`labelled` must be given with --model semi-supervised"),
    ("--model semi-supervised --labelled 15", "multiple of the number of classes, 10, got 15"),
    ("--upper-latents 3", "`upper_latents` must go with --model hierarchical, got [3]"),
    ("--continuous 3", "`continuous` must go with --model joint, got 3 and discrete"),
    ("--pieces 30", "`pieces` must go with --likelihood tokens, got 30 and bernoulli"),
    ("--likelihood tokens", "`data` must be a file with --likelihood tokens, got 'digits'"),
    ("--likelihood columns --condition labels", "`data` must be a file with --likelihood columns"),
    ("a.txt --likelihood tokens --network tutorial", "`network` must be one of gru, transformer"),
    ("--widths 3 --network cnn", "`widths` must go with --network mlp, got 'cnn'"),
    ("--widths 0 --network mlp", "`widths` must be positive, got [0]"),
    ("--channels 3", "`channels` must go with --network cnn, got 'tutorial'"),
    ("--model gaussian --estimator rloo", "gumbel-vq, got 'rloo'"),
    ("--model vq --num-latents 4", "`num_latents` must be left out with --model vq"),
    ("--model gaussian --codebook 4", "`codebook` must go with --model"),
    ("--model vq --groups 3", "`groups` must divide E = 64, got 3"),
    ("--model vq --gradient rotation --groups 3", "`groups` must divide E = 64, got 3"),
    ("--model two-level --groups 2", "`groups` must go with --model vq, diveq"),
    ("--model gaussian --samples 3", "gumbel-vq, got 3"),
    ("--likelihood gaussian --binarize fresh", "`binarize` must be none with the gaussian"),
    ("--likelihood bernoulli-grey --binarize fixed", "`binarize` must be none with the bernoulli-"),
    ("--binarize none", "must be 0 or 1 for the Bernoulli likelihood"),
    ("--estimator exact --num-latents 20", "`estimator` must be another than exact"),
    ("--num-latents 100000000", "must fit into memory, got"),
    ("--overwrite", "`overwrite` must go with --output"),
    ("--resume nowhere", "`RUN` must be the folder of a run, got 'nowhere': no such folder"),
    ("minst", "got 'minst'. Did you mean mnist?"),
    ("none.npy", "none.npy does not exist"),
    ("~nobody", "got '~nobody'"),
]


@pytest.mark.parametrize(("words", "message"), OPTIONS)
def test_options_that_cannot_be_are_named(words: str, message: str, refused: Refused) -> None:
    assert message in refused("train", *words.split())


@pytest.mark.parametrize("words", ["--epochs 0", "--binarize none", "none.npy"])
def test_a_refused_output_is_not_made(words: str, refused: Refused) -> None:
    refused("train", *words.split(), "--output", "some/where")
    assert not Path("some").exists()


def grey(value: float = 0.5) -> np.ndarray:
    return np.full((20, 6), value, dtype=np.float32)


FILES: dict[str, Callable[[Path], object]] = {
    "empty.npy": lambda path: path.write_bytes(b""),
    "truncated.npy": lambda path: (np.save(path, grey()), os.truncate(path, 200)),
    "text.npy": lambda path: path.write_text("not numbers"),
    "objects.npy": lambda path: np.save(path, np.array([{}, "a"], dtype=object)),
    "nan.npy": lambda path: np.save(path, grey(np.nan)),
    "infinite.npy": lambda path: np.save(path, grey(np.inf)),
    "outside.npy": lambda path: np.save(path, grey(1.5)),
    "vector.npy": lambda path: np.save(path, np.zeros(())),
    "none.npy": lambda path: np.save(path, grey()[:0]),
    "few.npy": lambda path: np.save(path, grey()[:2]),
    "empty.csv": lambda path: path.write_text(""),
    "words.csv": lambda path: path.write_text("a,b\nx,y\nu,v\n"),
    "wrong.parquet": lambda path: path.write_text("x"),
    "wrong.txt": lambda path: path.write_text("x"),
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_named(name: str, refused: Refused, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    error = refused("train", name, "--output", "out")
    assert name in error or "value" in error or "examples" in error


def test_the_users_own_file_is_trained_on_and_found_again(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("mine.npy", np.random.default_rng(0).random((50, 6), dtype=np.float32))
    main(["train", "mine.npy", *small, "--epochs", "1", "--likelihood", "continuous-bernoulli"])
    folder = tmp_path / "runs" / "mine-2x3"
    assert from_pretrained(folder / "model").shape == (6,)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    main(["evaluate", str(folder)])
    main(["reconstruct", str(folder), "--output", "r.npy"])
    assert np.load("r.npy").shape == (5, 6)  # the test examples, of which there are fewer than 8


def test_a_run_leaves_what_it_should(run_folder: Path) -> None:
    assert sorted(path.name for path in run_folder.iterdir()) == sorted(
        ["config.yaml", "metrics.csv", "metrics.json", "model", "checkpoints", "figures",
         "report.html", "tensorboard"]
    )  # fmt: skip
    with (run_folder / "metrics.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]
    for path in run_folder.glob("checkpoints/*.ckpt"):
        torch.load(path, weights_only=True)


def test_the_options_are_stored_as_resolved(run_folder: Path) -> None:
    config = yaml.safe_load((run_folder / "config.yaml").read_text())
    assert config["estimator"] in ESTIMATORS
    assert config["binarize"] == "fresh"
    assert config["seed"] == 0
    assert config["beta"] == "0:1"
    assert {"torch", "lightning", "discretevae"} <= config["versions"].keys()
    assert not {"output", "overwrite", "resume"} & config.keys()


def test_every_figure_has_value_error_and_unit(run_folder: Path) -> None:
    metrics = json.loads((run_folder / "metrics.json").read_text())
    assert list(metrics) == ["train", "validation", "test"]
    for figures in metrics.values():
        for figure in figures.values():
            assert {"value", "se", "unit"} <= figure.keys()
    test = {name: figure["value"] for name, figure in metrics["test"].items()}
    assert test["elbo"] == pytest.approx(test["reconstruction"] - test["kl"])
    assert test["elbo"] <= test["log_likelihood"] + 0.1
    assert test["log_likelihood"] <= test["exact_log_likelihood"] + 0.1


def test_a_stored_configuration_runs_again(run_folder: Path, tmp_path: Path) -> None:
    config = str(run_folder / "config.yaml")
    main(["train", "--config", config, "--output", str(tmp_path / "again")])
    weights = [f / "model" / "model.safetensors" for f in (run_folder, tmp_path / "again")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert (tmp_path / "again" / "config.yaml").read_text() == (
        run_folder / "config.yaml"
    ).read_text()


def test_evaluating_again_gives_the_same_numbers_and_page(copied: Path) -> None:
    before = json.loads((copied / "metrics.json").read_text())
    page = (copied / "report.html").read_text()
    (copied / "report.html").write_text("old")
    (copied / "metrics.json").unlink()
    main(["evaluate", f"{copied}/"])
    assert json.loads((copied / "metrics.json").read_text()) == before
    assert len((copied / "report.html").read_text()) == pytest.approx(len(page), rel=0.01)


def test_evaluating_with_other_options_changes_the_numbers(copied: Path) -> None:
    before = json.loads((copied / "metrics.json").read_text())
    main(["evaluate", str(copied), "--seed", "1", "--importance-samples", "0"])
    after = json.loads((copied / "metrics.json").read_text())
    assert "log_likelihood" not in after["test"]
    assert after["test"]["elbo"] != before["test"]["elbo"]
    assert after["test"]["exact_log_likelihood"] == before["test"]["exact_log_likelihood"]


@pytest.mark.parametrize("schedule", ["temperature", "beta"])
def test_the_trained_surrogate_is_evaluated_again_too(
    schedule: str, small: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["--estimator", "gumbel-softmax", f"--{schedule}", "2:0.5", "--epochs", "2"]
    main(["train", *small, *words, "--output", str(run)])
    before = json.loads((run / "metrics.json").read_text())
    main(["evaluate", str(run)])
    assert json.loads((run / "metrics.json").read_text()) == before


def test_samples(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(tmp_path / f"{name}.npy") for name in "abc"]
    for path, seed in zip(paths, "112", strict=True):
        main(["sample", f"{copied}/", "--count", "5", "--seed", seed, "--output", path])
    first, again, other = map(np.load, paths)
    assert first.shape == (5, 1, 8, 8)
    assert (first >= 0).all()
    assert (first <= 1).all()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    capsys.readouterr()
    main(["sample", str(copied)])
    assert capsys.readouterr().out.strip() == str(copied / "samples.png")
    assert (copied / "samples.png").stat().st_size > 1000


def test_reconstructions(copied: Path, tmp_path: Path) -> None:
    main(["reconstruct", str(copied)])
    assert (copied / "reconstructions.png").stat().st_size > 1000
    path = tmp_path / "other.npy"
    x = (np.random.default_rng(0).random((9, 1, 8, 8)) > 0.5).astype(np.float32)
    np.save(path, x)
    out = tmp_path / "new" / "r.npy"
    main(["reconstruct", str(copied), str(path), "--count", "4", "--output", str(out)])
    with torch.no_grad():
        expected = from_pretrained(copied / "model").reconstruct(torch.from_numpy(x[:4]))
    assert np.array_equal(np.load(out), expected.numpy())


RUN_MISTAKES = [
    ("sample {run} --count 0", "`count` must be at least 1, got 0"),
    ("sample {run} --seed -1", "`seed` must be at least 0"),
    (
        "sample {run} --output x.gif",
        "`--output` must end in .png or .npy or .csv or .parquet or .npz, got 'x.gif'",
    ),
    ("sample .", "it has no config.yaml"),
    ("reconstruct {run} none.npy", "none.npy does not exist"),
    ("reconstruct {run} wide.npy", "`data` must have shape (1, 8, 8), got (6,)"),
    ("reconstruct {run} outside.npy", "needs values in [0, 1]"),
    ("evaluate {run} --importance-samples -1", "`importance_samples` must be at least 0"),
    ("evaluate nowhere", "`RUN` must be the folder of a run, got 'nowhere': no such folder"),
    ("train --resume {run} --epochs 2", "`epochs` must be at least the 3 that the run has done"),
    ("train --resume {run} --seed 1", "`seed` must stay as the resumed run has it (0), got 1"),
    ("train --resume {run} --learning-rate 0.1", "`learning_rate` must stay"),
    ("train --resume {run} --output x", "`output` must not go with --resume, got 'x'"),
    ("train --output {run}", "which holds a run: choose another, or add --overwrite"),
    ("train --output . --overwrite", "which holds something that is no run"),
]


@pytest.mark.parametrize(("words", "message"), RUN_MISTAKES)
def test_mistakes_with_a_run_are_named(
    words: str, message: str, copied: Path, refused: Refused, tmp_path: Path
) -> None:
    np.save(tmp_path / "wide.npy", grey())
    np.save(tmp_path / "outside.npy", np.full((20, 1, 8, 8), 2.0))
    config = (copied / "config.yaml").read_text()
    assert message in refused(*words.format(run="run").split())
    assert (copied / "config.yaml").read_text() == config


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "checkpoint": (
        "train --resume run", lambda run: cut(run / "checkpoints/last.ckpt"),
        "last.ckpt` must be a whole checkpoint",
    ),
    "weights": (
        "evaluate run", lambda run: cut(run / "model/model.safetensors"), "model.safetensors",
    ),
    "no weights": (
        "sample run", lambda run: (run / "model/model.safetensors").unlink(), "model.safetensors",
    ),
    "categories": (
        "sample run", lambda run: edit(run / "model/config.json", "ories\": 3", "ories\": 4"),
        "must have shape",
    ),
    "unfinished": (
        "evaluate run", lambda run: shutil.rmtree(run / "model"),
        "to go on with it: discretevae train --resume run",
    ),
    "option": (
        "evaluate run", lambda run: edit(run / "config.yaml", "epochs: 3", "epochs: three"),
        "must hold the options of a run, got: `--epochs` must be a whole number, got 'three'",
    ),
    "unknown option": (
        "train --resume run", lambda run: edit(run / "config.yaml", "epochs", "epocks"),
        "'epocks' is not accepted",
    ),
    "config": (
        "evaluate run", lambda run: (run / "config.yaml").write_text("{"), "must be readable YAML",
    ),
    "history": (
        "evaluate run", lambda run: (run / "metrics.csv").write_text("epoch\nx\n"), "metrics.csv",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_run_is_named(name: str, copied: Path, refused: Refused) -> None:
    words, damage, message = DAMAGES[name]
    damage(copied)
    assert message in refused(*words.split())


def test_the_same_options_may_be_given_again_to_go_on(copied: Path) -> None:
    main(["train", "digits", "--resume", str(copied), "--beta", "0:1", "--estimator", "auto"])


def test_a_run_is_overwritten_when_told(copied: Path, small: list[str]) -> None:
    main(["train", *small, "--epochs", "1", "--output", str(copied), "--overwrite"])
    assert len((copied / "metrics.csv").read_text().splitlines()) == 2


def test_runs_get_folders_of_their_own(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        main(["train", *small, "--epochs", "1", "--importance-samples", "0"])
    assert sorted(p.name for p in Path("runs").iterdir()) == ["digits-2x3", "digits-2x3-2"]
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize(
    "words",
    [
        ["--validation", "0"],
        ["--test", "0"],
        ["--model", "gaussian"],
        ["--likelihood", "gaussian"],
        ["--likelihood", "bernoulli-grey"],
        ["--estimator", "reinforce", "--baseline", "-30"],
        ["--estimator", "vimco", "--samples", "5"],
        ["--binarize", "threshold", "--test-curve"],
    ],
)
def test_kinds_of_runs(words: list[str], small: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    main(["train", *small, *words, "--epochs", "1", "--output", str(run)])
    before = json.loads((run / "metrics.json").read_text())
    main(["evaluate", str(run)])
    assert json.loads((run / "metrics.json").read_text()) == before
    main(["sample", str(run), "--count", "2"])
    main(["reconstruct", str(run), "--count", "2"])


@pytest.mark.parametrize("command", ["datasets", "estimators"])
def test_tables_fit_eighty_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main([command])
    out = capsys.readouterr().out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert all(name in out for name in (ESTIMATORS if command == "estimators" else ["digits"]))


def test_the_table_of_metrics_fits_eighty_columns(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    capsys.readouterr()
    main(["evaluate", str(copied)])
    said, _, last = capsys.readouterr().out.rstrip().rpartition("\n")
    table, _, gain = said.partition("The code")
    assert "nats an example" in gain
    assert "…" not in table
    assert max(map(len, table.splitlines())) <= 80
    assert "exact log likelihood" in table
    assert last == f"report: {copied / 'report.html'}"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_and_explains_every_option(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    for option in options_of(COMMANDS[command]):
        shown = option.name.upper() if option.required else option.flag
        short = f"  -o {option.metavar}, " if option.name == "output" else "  "
        after = text.partition(f"{short}{shown}")[2].removeprefix(" N [N ...]")
        words = after.removeprefix(f" {option.metavar}").split()
        assert words[0][0].isalnum(), f"{shown} is not explained"
        if option.choices and not option.required:
            assert f"{option.flag} {option.metavar}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_two_examples_that_it_takes(command: str) -> None:
    examples = examples_of(COMMANDS[command])
    assert len(examples) == (2 if list(options_of(COMMANDS[command])) else 1)
    for example in examples:
        program, *words = shlex.split(example.partition(" >")[0])
        assert program == "discretevae"
        assert parse(COMMANDS, without_flags(words)[1])[0] == command


def test_every_command_is_in_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)


def test_choices_are_those_of_the_tables() -> None:
    for cls in (Recipe, TrainingOptions):
        for one in fields(cls):
            if tables := one.metadata.get("tables"):
                assert one.metadata["names"] == tuple(names_of(*tables)), one.name
    assert tuple(NETWORKS) == RECIPE_NETWORKS
    known = {"kind": PRIORS, "network": NETWORKS}
    for command, name in (prior, "kind"), (gradients, "network"):
        (option,) = (o for o in options_of(command) if o.name == name)
        assert option.choices
        assert set(option.choices) <= set(known[name])


def test_the_module_is_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    run = [sys.executable, "-m", "discretevae", "--version"]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert out.startswith("discretevae ")


def test_help_does_not_wait_for_torch() -> None:
    script = (
        "import sys\nfrom discretevae.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: print(*sys.modules, sep='\\n')"
    )
    for words in (["--help"], ["train", "--help"], ["--version"], ["train", "--epochs", "x"]):
        run = [sys.executable, "-c", script, *words]
        loaded = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
        assert "discretevae.cli.main" in loaded
        heavy = {"torch", "lightning", "numpy", "matplotlib", "sklearn", "rich"}
        assert not heavy & set(loaded)


def test_a_mistake_shows_no_traceback(tmp_path: Path) -> None:
    run = subprocess.run(
        [*PROGRAM, "train", "none.npy"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1


def test_control_c_says_how_to_go_on(small: list[str], tmp_path: Path) -> None:
    words = ["train", *small, "--epochs", "100000", "--patience", "0", "--output", "my run"]
    with subprocess.Popen(
        [*PROGRAM, *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A suite that runs in the background of a shell would hand on that it ignores the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        history, deadline = tmp_path / "my run" / "metrics.csv", time.monotonic() + 60
        while not history.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        "discretevae train: interrupted; to go on: discretevae train --resume 'my run'."
    )
    assert (tmp_path / "my run" / "checkpoints" / "last.ckpt").exists()


def test_an_objective_that_overflows_stops_the_run(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["--learning-rate", "1e30", "--decay", "constant", "--epochs", "3"]
    with pytest.raises(SystemExit) as exit_:
        main(["train", *small, *words, "--output", str(run)])
    assert exit_.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "must stay finite, got" in last
    assert "by step" in last
    assert "lower --learning-rate" in last


def test_the_bound_of_several_samples_is_gone_on_with(small: list[str], tmp_path: Path) -> None:
    words = [*small, "--estimator", "iwae", "--samples", "3", "--decay", "constant"]
    once, twice = tmp_path / "once", tmp_path / "twice"
    main(["train", *words, "--epochs", "3", "--output", str(once)])
    main(["train", *words, "--epochs", "1", "--output", str(twice)])
    main(["train", "--resume", str(twice), "--epochs", "3"])
    weights = [run / "model" / "model.safetensors" for run in (once, twice)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    config = yaml.safe_load((twice / "config.yaml").read_text())
    assert (config["estimator"], config["samples"]) == ("iwae", 3)


def test_the_two_families_have_tables_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    main(["estimators"])
    first, title, second = capsys.readouterr().out.partition("Another objective")
    assert "E_q[f(z)]" in first
    assert "S-sample bound" in second
    assert title
    for name in MULTISAMPLE_ESTIMATORS:
        assert f"\n {name} " in second
        assert f"\n {name} " not in first
    assert not any(f"\n {name} " in second for name in ESTIMATORS)


def test_one_estimator_is_explained(capsys: pytest.CaptureFixture[str], refused: Refused) -> None:
    main(["estimators", "reinmax"])
    out = capsys.readouterr().out
    assert "\n    g = 2 J(π_z) v − 1/2 J(p) v,\n" in out
    assert "Bridging discrete and backpropagation" in out
    assert out.endswith("Its gradient of E_q[f(z)] is biased.\n")
    main(["estimators", "vimco"])
    assert "of the S-sample bound is unbiased." in capsys.readouterr().out
    assert "got 'reinmx' (did you mean 'reinmax'?)" in refused("estimators", "reinmx")


FEW = ["--estimators", "rloo,straight-through", "--replicates", "40", "--examples", "3"]


def test_gradients_of_a_run(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["gradients", str(copied), *FEW])
    out = capsys.readouterr().out
    folder = copied / "gradients"
    names = ["bias-variance.png", "error-seconds.png", "gradients.json"]
    assert sorted(os.listdir(folder)) == names
    record = json.loads((folder / "gradients.json").read_text())
    assert [row["estimator"] for row in record["rows"]] == ["rloo", "straight-through"]
    assert {"relative_bias", "variance", "mean_squared_error", "cosine", "seconds"} <= record[
        "rows"
    ][0].keys()
    assert record["truth"] == "enumeration"
    assert "straight-through" in out
    assert max(map(len, out.splitlines())) <= 80 + len(str(folder))


def test_gradients_of_an_untrained_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["gradients", "--num-latents", "2", "--num-categories", "2", *FEW])
    assert (tmp_path / "runs" / "gradients-digits-2x2" / "gradients.json").exists()
    assert "3 examples" in capsys.readouterr().out


def test_control_c_keeps_what_was_measured(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from discretevae.studies.laboratory import gradients

    row = gradients._Bench._row

    monkeypatch.setattr(
        gradients._Bench,
        "_row",
        lambda self, name, *rest: _interrupt() if name != "rloo" else row(self, name, *rest),
    )
    with pytest.raises(SystemExit) as exit_:
        main(["gradients", str(copied), *FEW])
    assert exit_.value.code == 130
    out, err = capsys.readouterr()
    assert "rloo" in out
    assert "what was measured until then is in" in err
    record = json.loads((copied / "gradients" / "gradients.json").read_text())
    assert [found["estimator"] for found in record["rows"]] == ["rloo"]


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "`num_latents` must be given where there is no RUN, got none"),
        ("--num-latents 3", "`num_categories` must be given where there is no RUN"),
        ("nowhere", "`RUN` must be the folder of a run, got 'nowhere'"),
        ("--num-latents 2 --num-categories 3 --estimators rlo", "did you mean 'rloo'?"),
        ("--num-latents 2 --num-categories 3 --estimators arm", "`num_categories` must be 2"),
        ("--num-latents 20 --num-categories 9 --estimators exact", "9^20"),
        ("--num-latents 2 --num-categories 3 --estimators vimco", "which is of the S-sample bound"),
        ("--num-latents 2 --num-categories 3 --replicates 39", "`replicates` must be at least 40"),
        ("--num-latents 2 --num-categories 3 --examples 0", "`examples` must be at least 1"),
    ],
)
def test_gradients_refuses(words: str, message: str, refused: Refused) -> None:
    assert message in refused("gradients", *words.split())


PROBLEM = """
import torch

logits = torch.zeros(2, 3)


def f(z):
    return z.argmax(-1).sum(-1).float()
"""


def test_gradients_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(f"print('run as code')\n{PROBLEM}")
    main(["gradients", "--file", "mine.py", "--replicates", "40", "--fit-steps", "2"])
    out = capsys.readouterr().out
    assert "run as code" in out
    assert "E_q[f(z)]" in out
    measured, left_out = out.split("Left out")
    assert "\n rloo " in measured
    assert "reinmax" in left_out
    assert "reinmax" not in measured
    assert max(map(len, out.splitlines())) <= 80
    folder = Path("runs") / "gradients-mine"
    record = json.loads((folder / "gradients.json").read_text())
    assert record["file"] == "mine.py"
    assert record["truth"] == "enumeration"
    assert "exact" in [row["estimator"] for row in record["rows"]]
    assert (folder / "bias-variance.png").exists()


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("1 / 0", "", "`file` must run, got ZeroDivisionError in line 1: division by zero"),
        ("def f(", "", "`file` must run, got SyntaxError in line 1"),
        ("f = print", "", "`file` must define `logits`, got none in"),
        (PROBLEM, "--estimators reinmax", "`f` must be differentiable in z for ReinMax"),
        (PROBLEM, "--estimators disarm", "`num_categories` must be 2"),
        (PROBLEM, "--num-latents 2", "`num_latents` must not go with --file, got 2"),
        (PROBLEM, "--replicates 39", "`replicates` must be at least 40"),
        (f"{PROBLEM}    raise KeyError(z)\n".replace("return", "1;"), "", "got KeyError"),
    ],
)
def test_gradients_refuses_a_bad_file(
    text: str, words: str, message: str, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert message in refused("gradients", "--file", str(path), *words.split())
    assert not (tmp_path / "runs").exists()


def test_a_file_of_options_names_no_code(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "options.yaml"
    path.write_text("file: mine.py\n")
    assert "must not say `file`" in refused("gradients", "--config", str(path))


def test_gradients_refuses_sizes_beside_a_run(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["gradients", str(copied), "--num-latents", "5"])
    assert "`num_latents` must not go with a RUN" in capsys.readouterr().err


COMPARED = [
    *("--estimators", "rloo,exact", "--limit", "60", "--batch-size", "20", "--epochs", "2"),
    *("--num-latents", "2", "--num-categories", "3", "--importance-samples", "4"),
]


def test_compare_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["compare", "digits", *COMPARED, "--seeds", "1"])
    out = capsys.readouterr().out
    folder = tmp_path / "runs" / "compare-digits-2x3"
    assert "rloo" in out
    assert (folder / "comparison.png").exists()
    before = (folder / "rloo" / "seed-0" / "metrics.json").stat().st_mtime_ns
    main(["compare", "digits", *COMPARED, "--seeds", "2"])
    assert (folder / "rloo" / "seed-0" / "metrics.json").stat().st_mtime_ns == before
    assert json.loads((folder / "comparison.json").read_text())["rows"][0]["seeds"] == 2
    assert "±" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--estimators rlo,reinmax", "did you mean 'rloo'?"),
        ("--estimators rloo,", "`estimator` must be"),
        ("--seeds 0", "`seeds` must be at least 1"),
        ("--seconds -1", "`seconds` must be positive, got -1.0"),
        ("--epochs 0", "`epochs` must be at least 1, got 0"),
        ("none.npy", "none.npy"),
    ],
)
def test_compare_refuses(words: str, message: str, refused: Refused) -> None:
    assert message in refused("compare", *words.split())
