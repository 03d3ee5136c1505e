import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from discretevae.cli import codes
from discretevae.cli.main import COMMANDS, main
from discretevae.models import DiscreteVAE, GaussianVAE

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def _commands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in codes.__all__:
        monkeypatch.setitem(COMMANDS, name, getattr(codes, name))  # type: ignore[arg-type]


@pytest.fixture
def run(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(shutil.copytree(run_folder, tmp_path / "run"))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command that must fail: one line, status 2, nothing written."""

    def try_it(*words: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([*words])
        assert exit_.value.code == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1), err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return try_it


def embeddings(path: Path, rows: int = 80) -> str:
    draws = np.random.default_rng(0)
    centres = draws.normal(size=(8, 6))
    x = centres[draws.integers(0, 8, rows)] + 0.05 * draws.normal(size=(rows, 6))
    names = [f"item-{i}" for i in range(rows)]
    lines = [
        f"{name},{','.join(f'{v:.4f}' for v in row)}" for name, row in zip(names, x, strict=True)
    ]
    path.write_text("\n".join(["id,a,b,c,d,e,f", *lines]) + "\n")
    return str(path)


def images(folder: str, count: int = 30) -> str:
    """Grey images as the run's, in a file."""
    x = np.random.default_rng(0).integers(0, 256, (count, 8, 8)).astype(np.uint8)
    np.save(folder, x)
    return folder


@pytest.mark.parametrize("data", [(), ("digits",), ("x.npy",)])
def test_decoding_what_was_encoded_is_reconstruct(
    run: str, data: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    images("x.npy")
    main(["encode", run, *data])
    main(["decode", run, f"{run}/codes.npz"])
    assert capsys.readouterr().out.split() == [f"{run}/codes.npz", f"{run}/decoded.npy"]
    main(["reconstruct", run, *data, "--count", "500", "--output", "r.npy"])
    decoded = np.load(f"{run}/decoded.npy")
    assert np.array_equal(decoded, np.load("r.npy"))
    main(["encode", run, *data, "--output", "c.npz"])
    assert Path("c.npz").read_bytes() == Path(f"{run}/codes.npz").read_bytes()


def test_what_was_compressed_comes_back(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).random((40, 8, 8)) < 0.4
    np.save("x.npy", x)
    main(["compress", run, "x.npy"])
    size = Path(f"{run}/compressed.dvae").stat().st_size
    assert f"40 examples in {size:,} bytes, " in capsys.readouterr().out
    main(["decompress", run, f"{run}/compressed.dvae"])
    assert Path(f"{run}/decompressed.npy").read_bytes() == Path("x.npy").read_bytes()


def test_the_runs_own_examples_are_compressed_as_it_has_seen_them(run: str) -> None:
    main(["compress", run, "--output", "x.dvae"])
    main(["decompress", run, "x.dvae", "--output", "x.npy"])
    x = np.load("x.npy")
    assert set(np.unique(x)) == {0, 255}
    main(["encode", run, "--output", "own.npz"])
    main(["encode", run, "x.npy", "--output", "back.npz"])
    assert np.array_equal(np.load("own.npz")["codes"], np.load("back.npz")["codes"])


def test_codes_alone_come_back_as_reconstructions(run: str) -> None:
    images("x.npy")
    main(["compress", run, "x.npy", "--lossy"])
    main(["decompress", run, f"{run}/compressed.dvae"])
    main(["reconstruct", run, "x.npy", "--count", "30", "--output", "r.npy"])
    assert np.array_equal(np.load(f"{run}/decompressed.npy"), np.load("r.npy"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("encode nowhere", "`RUN` must be the folder of a run, got 'nowhere'"),
        ("encode run none.npy", "none.npy does not exist"),
        ("encode run wrong.npy", "`data` must have shape (1, 8, 8), got (1, 4, 4)"),
        ("encode run --output c.npy", "`--output` must end in .csv, .parquet, .npz, got 'c.npy'"),
        ("decode run none.npz", "must be a file of codes, got none there"),
        ("decode run x.npy", "truncated, damaged, or no archive"),
        ("decode run c.npz --output c.npz", "`--output` must end in .npy, got 'c.npz'"),
        ("compress run x.npy", "to be compressed without loss, got values from 0 to"),
        ("compress run nan.npy", "to be compressed without loss, got values from nan to nan"),
        ("compress run x.npy --lossy --output x.zip", "`--output` must end in .dvae"),
        ("decompress run none.dvae", "must be a compressed file, got none there"),
        ("decompress run x.npy", "must be written by `discretevae compress`, got other content"),
    ],
)
def test_what_cannot_be_is_one_line(run: str, refused: Run, words: str, message: str) -> None:
    images("x.npy")
    np.save("wrong.npy", np.zeros((3, 4, 4)))
    np.save("nan.npy", np.full((3, 8, 8), np.nan))
    assert message in refused(*words.split())


def test_another_runs_files_are_refused(run: str, refused: Run) -> None:
    main(["encode", run, "--output", "c.npz"])
    main(["compress", run, "--output", "c.dvae"])
    model = DiscreteVAE.from_pretrained(f"{run}/model")
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(f"{run}/model")
    assert "must be of this model" in refused("decode", run, "c.npz")
    assert "must be of this model" in refused("decompress", run, "c.dvae")
    GaussianVAE(model.shape, 2).save_pretrained(f"{run}/model")
    assert "must be of a model of class indices alone, got a GaussianVAE" in refused("encode", run)


def test_ids_of_a_table_have_its_keys_and_are_unique(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("discretevae.training.prior.MOST_PASSES", 2)
    table = embeddings(tmp_path / "items.csv")
    few = ["--codebook", "4", "--num-quantisers", "2", "--epochs", "2"]
    main(["ids", table, *few, "--output", "ids.csv"])
    lines = (tmp_path / "ids.csv").read_text().splitlines()
    assert lines[0].split(",") == ["row", "id", "z0", "z1", "copy"]
    rows = [line.split(",") for line in lines[1:]]
    assert [row[1] for row in rows] == [f"item-{i}" for i in range(80)]
    assert len({tuple(row[2:]) for row in rows}) == 80
    shared = [row[2:4] for row in rows]
    share = sum(shared.count(row) > 1 for row in shared) / 80
    assert f"80 rows, of which {share:.1%} share their code with another" in capsys.readouterr().err


def test_a_last_digit_goes_with_a_table(run: str, refused: Run) -> None:
    assert "`unique` must go with a .csv" in refused("encode", run, "--unique")
    table = embeddings(Path("items.csv"))
    for wrong in ("ids.npz", "ids.txt"):
        assert "`--output` must end in .csv" in refused("ids", table, "--output", wrong)
    assert "`data` must be a file of rows to name, got 'digits'" in refused("ids")
