"""What the bench has found: one case of each, so that it stays mended."""

import gzip
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from discretevae.cli.main import main
from discretevae.data import DataError, class_context
from discretevae.data.formats.idx import read_idx
from discretevae.estimators import RLOO, GumbelRao
from discretevae.evaluation import code_health, embedded_rows, evaluate_bounds
from discretevae.experiments.folder import Run, RunError, held
from discretevae.experiments.shown import _contexts_of_file
from discretevae.files import atomic_path
from discretevae.latents import enumerate_codes, to_one_hot
from discretevae.models import (
    VAE,
    DiscreteVAE,
    GaussianVAE,
    HierarchicalVAE,
    JointVAE,
    ModelError,
    SemiSupervisedVAE,
    from_pretrained,
)
from discretevae.networks import MLP
from discretevae.schema.vocabulary import Vocabulary
from discretevae.studies.laboratory import measure_gradients
from discretevae.training.checkpoints import CheckpointError, read_checkpoint
from discretevae.training.fit import quiet
from discretevae.training.processes import start_processes

SMALL = MLP((4,))
MAKE: dict[str, Callable[[], VAE]] = {
    "discrete": lambda: DiscreteVAE((3,), 2, 3, SMALL),
    "gaussian": lambda: GaussianVAE((3,), 2, SMALL),
    "hierarchical": lambda: HierarchicalVAE((3,), (3, 2), 2, SMALL),
    "joint": lambda: JointVAE((3,), 2, 3, 2, SMALL),
    "semi-supervised": lambda: SemiSupervisedVAE((3,), 2, 2, 3, SMALL),
}
DEEP = "[" * 50_000
"""Nested deeper than Python reads."""


@contextmanager
def refused(capsys: pytest.CaptureFixture[str], words: str) -> Iterator[None]:
    """A command ends with status 2 and one line that holds these words."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as error:
        yield
    assert error.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("discretevae")
    assert words in line


class FullDisk(RuntimeError):
    """What a library makes of an OSError."""


# Disks


def test_a_full_disk_is_an_os_error_whatever_a_library_calls_it(tmp_path: Path) -> None:
    hidden = FullDisk("unexpected pos 21952 vs 21840")
    hidden.__context__ = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left"), atomic_path(tmp_path / "x.ckpt"):
        raise hidden
    with pytest.raises(OSError, match="No space left"), atomic_path(tmp_path / "x.safetensors"):
        raise FullDisk("Error while serializing: I/O error: (os error 28)")
    with pytest.raises(FullDisk), atomic_path(tmp_path / "x"):
        raise FullDisk("of another kind")
    assert not list(tmp_path.iterdir())


def test_the_thread_of_a_log_is_quiet_about_a_full_disk(capsys: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        raise OSError(28, "No space left on device")

    with quiet():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert capsys.readouterr().err == ""


# Two at once


def test_a_folder_is_held_by_one_command(tmp_path: Path) -> None:
    with (
        held(tmp_path / "run"),
        pytest.raises(RunError, match="no other command is writing to"),
        held(tmp_path / "run"),
    ):
        pass
    with held(tmp_path / "run"):
        pass


def test_a_file_that_is_being_written_is_no_leftover(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with atomic_path(tmp_path / "codes.npz") as temporary:
        temporary.write_bytes(b"half")
        run.remove_leftovers()
    assert (tmp_path / "codes.npz").read_bytes() == b"half"


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.pt2", "my codes.npz", "README.md"])
def test_what_a_kill_leaves_of_any_file_is_a_leftover(name: str, tmp_path: Path) -> None:
    with atomic_path(tmp_path / name) as temporary:
        shutil.copy(temporary, tmp_path / "kept")
        (tmp_path / "kept").rename(tmp_path / f"{temporary.stem[:-8]}abcd1234{temporary.suffix}")
    Run(tmp_path).remove_leftovers()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_model_without_checkpoints_is_not_trained_anew(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    shutil.rmtree(folder / "checkpoints")
    with refused(capsys, "would train it anew"):
        main(["train", "--resume", str(folder)])
    assert from_pretrained(folder / "model")


# Files


def saved(folder: Path) -> Path:
    DiscreteVAE((6,), 2, 3, SMALL).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_saved_model_has_a_checksum(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path) / name
    damaged = bytearray(path.read_bytes())
    place = damaged.index(b'"relu"') + 2 if name == "config.json" else len(damaged) - 5
    damaged[place] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ModelError):
        from_pretrained(tmp_path)


def test_files_of_two_models_are_no_pair(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        saved(tmp_path / folder)
    shutil.copy(tmp_path / "one" / "model.safetensors", tmp_path / "other")
    with pytest.raises(ModelError, match="checksum"):
        from_pretrained(tmp_path / "other")


def test_a_model_of_before_the_checksum_loads(tmp_path: Path) -> None:
    path = saved(tmp_path) / "config.json"
    config = json.loads(path.read_text())
    del config["sha256"]
    path.write_text(json.dumps(config))
    assert from_pretrained(tmp_path).num_latents == 2


def test_a_model_that_describes_no_prior_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path) / "config.json"
    path.write_text(path.read_text().replace('"prior"', '"`rior"'))
    with pytest.raises(ModelError, match="nothing named 'prior'"):
        from_pretrained(tmp_path)
    path.write_text(DEEP)
    with pytest.raises(ModelError, match="must be readable JSON"):
        from_pretrained(tmp_path)


def test_a_flipped_bit_in_a_checkpoint_is_seen(run_folder: Path, tmp_path: Path) -> None:
    whole = (run_folder / "checkpoints" / "last.ckpt").read_bytes()
    weights = read_checkpoint(run_folder / "checkpoints" / "last.ckpt")["state_dict"]
    some = max(weights.values(), key=torch.Tensor.numel).numpy().tobytes()
    damaged = bytearray(whole)
    damaged[whole.index(some) + 100] ^= 4
    (tmp_path / "last.ckpt").write_bytes(damaged)
    with pytest.raises(CheckpointError, match="checksum"):
        read_checkpoint(tmp_path / "last.ckpt")


def test_the_best_weights_must_fit_before_a_run_goes_on(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    best = folder / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(best, weights_only=True)
    checkpoint["state_dict"].popitem()
    torch.save(checkpoint, best)
    with refused(capsys, "must hold weights that fit this model"):
        main(["train", "--resume", str(folder)])


def test_damaged_records_of_a_run_are_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for text in ("", DEEP, "{}", '{"train": {}}', '{"train": {"elbo": {"value": "x"}}}', "3"):
        run.metrics.write_text(text)
        with pytest.raises(RunError, match=r"metrics.json` must hold the evaluation of a run"):
            run.read_metrics(("train", "elbo"))
    for text in ("", "e", "epoch\n1\n"):
        run.history.write_text(text)
        with pytest.raises(RunError, match=r"metrics.csv` must hold one row of numbers an epoch"):
            run.read_history("epoch", "seconds")
    run.config.write_text("data: " + DEEP)
    with pytest.raises(RunError, match="must be readable YAML"):
        run.options()


def test_deep_options_are_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.yaml").write_text("data: " + "[" * 400 + "]" * 400)
    with refused(capsys, ""):
        main(["train", "--config", str(tmp_path / "x.yaml")])


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x10\x00{'descr': '\x00"]
)
def test_a_damaged_context_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "context.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"`context` must be a .npy file of numbers"):
        _contexts_of_file(str(tmp_path / "context.npy"), (3,))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    header = bytes([0, 0, 8, 1]) + (10).to_bytes(4, "big")
    (tmp_path / "x.gz").write_bytes(gzip.compress(header + bytes(2**28), 9))
    with pytest.raises(DataError, match="must hold 10 values"):
        read_idx(tmp_path / "x.gz", (10,))


# Arguments


@pytest.mark.parametrize("kind", MAKE)
def test_models_refuse_what_has_no_figure(kind: str) -> None:
    model, x = MAKE[kind](), torch.rand(4, 3).round()
    for count in (-1, 2**31):
        for draw in (model.sample, model.sample_codes):
            with pytest.raises(ValueError, match="`count` must be at"):
                draw(count)
    for samples in (-1, 0, 2**31):
        with pytest.raises(ValueError, match="`samples` must be at"):
            model.elbo(x, samples)
    figures: list[Callable[[torch.Tensor], object]] = [
        model.objective,
        model.elbo,
        lambda x: model.log_likelihood(x, 5),
    ]
    for figure in figures:
        with pytest.raises(ValueError, match="`x` must hold an observation"):
            figure(x[:0])
    with pytest.raises(ValueError, match=r"`x` must be torch.float32, as the model is"):
        model.encode(x.double())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: DiscreteVAE((3,), embedding_size=-3), "`embedding_size` must be at least 1"),
        (lambda: DiscreteVAE((3,), 2, 10**21), "`num_categories` must be at most"),
        (lambda: RLOO(10**30), "`samples` must be at most"),
        (lambda: GumbelRao(perturbations=2**40), "`perturbations` must be at most"),
        (lambda: enumerate_codes(-1, 3), "`num_latents` must be at least 1"),
        (lambda: enumerate_codes(2, 3, stop=-1), "`stop` must be at least"),
        (
            lambda: to_one_hot(torch.zeros(0, 2, dtype=torch.int64), -3),
            "`num_categories` must be at least 1",
        ),
        (lambda: class_context(torch.arange(0), -1), "`classes` must be at least 1"),
        (lambda: embedded_rows(-1), "`rows` must be at least 0"),
        (lambda: start_processes(10**9), "`devices` must be at most"),
        (
            lambda: evaluate_bounds(DiscreteVAE((3,)), [torch.zeros(3)]),
            "`batches` must have shape",
        ),
        (lambda: evaluate_bounds(DiscreteVAE((3,)), []), "`batches` must hold at least one"),
        (
            lambda: evaluate_bounds(DiscreteVAE((3,)), [torch.zeros(4, 3)], samples=-1),
            "`samples` must be at least 1",
        ),
        (lambda: code_health(DiscreteVAE((3,)), [torch.zeros(3)]), "`batches` must have shape"),
        (lambda: code_health(DiscreteVAE((3,)), [torch.zeros(0, 3)]), "`batches` must have shape"),
        (
            lambda: GaussianVAE((3,), 2).decode(torch.zeros(4, 2, dtype=torch.float64)),
            "`codes` must be torch.float32",
        ),
    ],
)
def test_a_bad_value_is_a_value_error(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_an_example_without_a_batch_is_not_measured() -> None:
    with pytest.raises(ValueError, match="`x` must hold at least one example of shape"):
        next(iter(measure_gradients(DiscreteVAE((3,), 1, 2, SMALL), torch.zeros(3))))


def test_a_huge_vocabulary_is_as_large_as_its_sentences_allow() -> None:
    pytest.importorskip("tokenizers")
    sentences = ["low lower lowest"]
    assert Vocabulary.of_pieces(sentences, 2**60) == Vocabulary.of_pieces(sentences, 100)
