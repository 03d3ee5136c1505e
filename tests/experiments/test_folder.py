from pathlib import Path

import pytest
import yaml

from discretevae.experiments.folder import Run, RunError, free_folder, held, versions

OPTIONS = {"data": "digits", "beta": "0:1", "widths": [3, 4], "samples": None}


def test_options_come_back(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a" / "b", OPTIONS, overwrite=False)
    assert Run.open(tmp_path / "a" / "b").options() == OPTIONS
    stored = yaml.safe_load(run.config.read_text())
    assert stored["versions"] == versions()
    assert {"python", "machine", "torch", "discretevae"} <= versions().keys()


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    Run.create(tmp_path, OPTIONS, overwrite=False)


def test_a_run_is_replaced_only_when_told(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", OPTIONS, overwrite=False)
    run.metrics.write_text("{}")
    run.model.mkdir()
    (run.model / "config.json").write_text("{}")
    with pytest.raises(RunError, match="which holds a run: choose another, or add --overwrite"):
        Run.create(run.folder, OPTIONS, overwrite=False)
    assert run.metrics.exists()
    Run.create(run.folder, {**OPTIONS, "data": "mnist"}, overwrite=True)
    assert run.options()["data"] == "mnist"
    assert [path.name for path in run.folder.iterdir()] == ["config.yaml"]


def test_what_is_not_of_the_run_is_never_removed(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", OPTIONS, overwrite=False)
    inner = Run.create(run.folder / "inner", OPTIONS, overwrite=False)
    (run.folder / "thesis.tex").write_text("years of work")
    Run.create(run.folder, OPTIONS, overwrite=True)
    assert inner.config.exists()
    assert (run.folder / "thesis.tex").exists()


@pytest.mark.parametrize("name", ["thesis.tex", "config.yaml", ".hidden"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_that_holds_something_else_is_left_alone(
    tmp_path: Path, name: str, overwrite: bool
) -> None:
    (tmp_path / name).write_text("model: mine\n")
    (tmp_path / "model").mkdir()
    with pytest.raises(RunError, match="which holds something that is no run"):
        Run.create(tmp_path, OPTIONS, overwrite)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "model"])


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="which holds something that is no run"):
        Run.create(tmp_path / "file", OPTIONS, overwrite=True)


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        Run.open(tmp_path / "none")
    with pytest.raises(RunError, match=r"it has no config.yaml"):
        Run.open(tmp_path)


@pytest.mark.parametrize("text", ["[1, 2", "- 1\n", "", "\x00"])
def test_a_damaged_config_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(RunError, match=r"config.yaml` must"):
        Run.open(tmp_path).options()


def test_history_comes_back_to_the_bit(tmp_path: Path) -> None:
    run = Run.create(tmp_path, OPTIONS, overwrite=False)
    assert run.read_history() == []
    run.history.write_text(f"epoch,train_elbo\n1,{-1 / 3}\n2,nan\n")
    first, second = run.read_history()
    assert first == {"epoch": 1.0, "train_elbo": -1 / 3}
    assert second["train_elbo"] != second["train_elbo"]


@pytest.mark.parametrize("text", ["epoch,train_elbo\n1,x\n", "epoch,train_elbo\n1\n", "a\n1,2\n"])
def test_a_damaged_history_is_named(tmp_path: Path, text: str) -> None:
    run = Run.create(tmp_path, OPTIONS, overwrite=False)
    run.history.write_text(text)
    with pytest.raises(RunError, match=r"metrics.csv` must hold one row of numbers an epoch"):
        run.read_history()


def test_leftovers_of_a_kill_are_removed_and_nothing_else(tmp_path: Path) -> None:
    run = Run.create(tmp_path, OPTIONS, overwrite=False)
    (tmp_path / "checkpoints").mkdir()
    kept = [".gitignore", ".my-notes.txt", "checkpoints/last.ckpt"]
    for name in [*kept, "checkpoints/.last-abcd_123.ckpt", ".metrics-12345678.json"]:
        (tmp_path / name).write_text("x")
    run.remove_leftovers()
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {"config.yaml", *kept}


def test_a_free_folder_is_found(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        folder = free_folder(tmp_path, "digits-4x8")
        folder.mkdir()
        names.append(folder.name)
    assert names == ["digits-4x8", "digits-4x8-2", "digits-4x8-3"]


def test_a_lock_is_of_who_may_write(tmp_path: Path) -> None:
    with held(tmp_path):
        assert (tmp_path / ".lock").stat().st_mode & 0o444 == 0  # nobody opens it by reading
        with pytest.raises(RunError, match="no other command is writing to"), held(tmp_path):
            pass
        Run(tmp_path).remove_leftovers()
        assert (tmp_path / ".lock").exists()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".lock").touch()  # as a kill leaves it
    with held(tmp_path):
        Run.create(tmp_path, OPTIONS, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("name", ["figures", "model", "checkpoints/last.ckpt", "config.yaml"])
def test_a_run_with_a_link_for_a_part_is_refused(name: str, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", OPTIONS, overwrite=False)
    other = tmp_path / "other"
    other.mkdir()
    (run.folder / "checkpoints").mkdir()
    (run.folder / name).unlink(missing_ok=True)
    (run.folder / name).symlink_to(other)
    if name != "config.yaml":
        with pytest.raises(RunError, match="got the link"):
            Run.open(run.folder)
    with pytest.raises(RunError, match=r"got the link|must be"):
        Run.create(run.folder, OPTIONS, overwrite=True)
    assert (run.folder / name).is_symlink()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &a [1]\nb: *a\n", "an alias"),
        ("a: &a {b: 1}\nc: {<<: {b: 1}}\n", "a merge"),
        (f"a: {'9' * 100}\n", "a number of 100 digits"),
        ("x" * 300_000, "at most 262,144 bytes"),
        ("a: !!python/name:os.system\n", "could not determine a constructor"),
    ],
)
def test_options_are_plain_yaml(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(RunError, match=f"must be readable YAML, got: .*{why}"):
        Run.open(tmp_path).options()
