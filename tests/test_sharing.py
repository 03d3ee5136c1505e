"""What is shared is the model and the run's own figures, and nothing else."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch

from discretevae.cli.main import main
from discretevae.codes.identity import model_identity
from discretevae.experiments.folder import Run
from discretevae.experiments.recipe import Recipe
from discretevae.likelihoods import ColumnsLikelihood
from discretevae.models import DiscreteVAE, from_pretrained
from discretevae.networks import ColumnsNetwork
from discretevae.pages.report import format_value
from discretevae.schema.columns import CategoricalColumn
from discretevae.schema.vocabulary import Vocabulary
from discretevae.sharing import FILES, ShareError, push_to_hub, without_names


@pytest.fixture(scope="module")
def shared(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared") / "model"
    main(["share", str(run_folder), str(folder)])
    return folder


def test_three_files_and_the_same_model(shared: Path, run_folder: Path) -> None:
    assert sorted(path.name for path in shared.iterdir()) == sorted(FILES)
    one, other = from_pretrained(shared), from_pretrained(run_folder / "model")
    assert model_identity(one) == model_identity(other)
    assert model_identity(one) in (shared / "README.md").read_text("utf-8")


def test_every_figure_of_the_card_is_the_runs(shared: Path, run_folder: Path) -> None:
    card = (shared / "README.md").read_text("utf-8")
    metrics = json.loads((run_folder / "metrics.json").read_text("utf-8"))
    lines = [line for line in card.splitlines() if line.startswith("| ")]
    splits = [cell.strip() for cell in lines[0].split("|")[2:-2]]
    assert splits == ["test", "validation", "train"]
    figures = {
        format_value(figure["value"], figure["se"])
        for part in metrics.values()
        for figure in part.values()
        if not isinstance(figure["value"], list)
    }
    cells = [cell.strip() for line in lines[1:] for cell in line.split("|")[2:-2]]
    assert set(cells) <= figures | {"–"}
    elbo = metrics["test"]["elbo"]
    assert (
        f"| ELBO, a true lower bound on log p(x) | {format_value(elbo['value'], elbo['se'])}"
        in card
    )


def test_the_card_says_what_the_model_is(shared: Path, run_folder: Path) -> None:
    card = (shared / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: discretevae\n")
    assert "2 latents of 3 categories" in card
    assert "on digits (1×8×8, binarised: fresh): 60 training" in card
    weights = sum(p.numel() for p in from_pretrained(shared).parameters())
    assert f"{weights:,} parameters" in card
    assert str(run_folder) not in card
    assert not re.search(r"\{[{%]|None|nan", card)


def test_the_example_of_the_card_runs(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (shared / "README.md").read_text("utf-8"), re.S)
    shutil.copytree(shared, tmp_path / "path/to/this/folder")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"x": torch.zeros(2, 1, 8, 8)}
    exec(compile(example, "README.md", "exec"), names)
    assert names["codes"].shape == (2, 2)


def test_it_may_be_written_again_but_replaces_nothing_else(
    shared: Path, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["share", str(run_folder), str(shared)])
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit) as exit_:
        main(["share", str(run_folder), str(tmp_path)])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert "`FOLDER` must be new, empty or hold a shared model" in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--push", "no-owner"], "`push` must be a repository as OWNER/NAME, got 'no-owner'"),
        (["--public"], "`public` must go with --push, which was not given"),
    ],
)
def test_a_mistake_shows_before_anything_is_written(
    words: list[str],
    message: str,
    run_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["share", str(run_folder), str(tmp_path / "new"), *words])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_run_without_figures_is_refused(run_folder: Path, tmp_path: Path) -> None:
    copied = Run(shutil.copytree(run_folder, tmp_path / "run"))
    copied.metrics.unlink()
    with pytest.raises(SystemExit):
        main(["share", str(copied.folder), str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()


class Hub:
    """Stands for the client of a hub, and keeps what it is asked to do."""

    def __init__(self, **_: object) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        Hub.last = self

    def create_repo(self, repo_id: str, **options: Any) -> str:
        self.calls.append((repo_id, options))
        return f"https://hub/{repo_id}"

    def upload_folder(self, *, repo_id: str, **options: Any) -> None:
        self.calls.append((repo_id, options))


@pytest.mark.parametrize("public", [False, True])
def test_the_three_files_are_uploaded(
    public: bool,
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert push_to_hub(shared, "me/digits", public=public) == "https://hub/me/digits"
    (created, how), (sent, what) = Hub.last.calls
    assert created == sent == "me/digits"
    assert how["private"] is not public
    assert what["folder_path"] == str(shared)
    assert sorted(what["allow_patterns"]) == sorted(FILES)


def test_only_a_whole_folder_is_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    with pytest.raises(ShareError, match=r"`folder` must hold README\.md, config\.json"):
        push_to_hub(tmp_path, "me/digits")


def test_without_the_client_it_is_said_in_a_line(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ShareError, match=r'pip install "discretevae\[share\]"'):
        push_to_hub(shared, "me/digits")


def _table(folder: Path) -> Path:
    rows = ["age,owner"]
    rows += [f"{20 + i % 9},{'nobody' if i % 2 else 'the bank'}" for i in range(60)]
    rows += ["31,Ada Lovelace", "32,Ada Lovelace", "33,ada@lovelace.example"] * 2
    (folder / "owners.csv").write_text("\n".join(rows) + "\n")
    run = folder / "run"
    sizes = ["--batch-size", "20", "--num-latents", "2", "--num-categories", "3", "--epochs", "1"]
    more = ["--importance-samples", "4", "--test", "0", "--validation", "0", "--accelerator", "cpu"]
    columns = ["--likelihood", "columns", "--output", str(run)]
    main(["train", str(folder / "owners.csv"), *columns, *sizes, *more])
    return run


def test_names_that_few_rows_have_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _table(tmp_path)
    out, err = capsys.readouterr()
    assert "Ada" not in out + err  # nor are the categories said anywhere
    assert "the bank" not in out + err
    main(["share", str(run), str(tmp_path / "shared")])
    main(["share", str(run), str(tmp_path / "all"), "--rare-names"])
    shared, everything = (
        {name: (tmp_path / folder / name).read_text("utf-8") for name in FILES[:2]}
        for folder in ("shared", "all")
    )
    for text in shared.values():
        assert "lovelace.example" not in text
    assert "the bank" in shared["config.json"]
    assert "lovelace.example" in everything["config.json"]
    assert "left out: 2 that fewer than 5 training examples have" in shared["README.md"]
    assert "age, owner" in shared["README.md"]
    assert "left out" not in everything["README.md"]
    one, other = from_pretrained(tmp_path / "shared"), from_pretrained(run / "model")
    assert model_identity(one) != model_identity(other)
    assert model_identity(one) in shared["README.md"]
    x = torch.tensor([[25.0, 1.0], [torch.nan, 2.0]])
    assert torch.equal(one.encode(x), other.encode(x))  # the same model by its numbers


def test_pieces_that_few_sentences_have_are_left_out() -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    sentences = ["the cat sat on the mat"] * 20 + ["write to ada.lovelace@example.org now"] * 2
    vocabulary = Vocabulary.of_pieces(sentences, 200)
    assert any("lovelace" in symbol for symbol in vocabulary.symbols)
    fewer = vocabulary.without_rare([vocabulary.encode(s) for s in sentences], least=5)
    assert not any(len(symbol) > 1 and "lov" in symbol for symbol in fewer.symbols)
    assert any("cat" in symbol for symbol in fewer.symbols)
    assert fewer.size == vocabulary.size
    for sentence in sentences[:1] + sentences[-1:]:
        assert fewer.decode(fewer.encode(sentence)) == sentence


def test_a_name_makes_no_link_in_a_card(run_folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from discretevae.data import load
    from discretevae.sharing import model_card

    name = "x\n# free\n[here](http://x.example) <img src=x>"
    data = replace(load("digits", binarize="threshold", limit=30), name=name)
    card = model_card(from_pretrained(run_folder / "model"), data, {}, Recipe("digits"))
    assert "\n# free" not in card
    assert "[here](" not in card
    assert not re.search(r"(?<!\\)<img", card)


def test_rare_names_are_left_out_beside_a_module_of_ones_own() -> None:
    columns = [CategoricalColumn("town", ("Oslo", "Bergen", "Utsira"))]
    model = DiscreteVAE(
        (1,),
        likelihood=ColumnsLikelihood(columns),
        network=ColumnsNetwork(columns),
        decoder=torch.nn.LazyLinear(3),
    )
    known = model.likelihood.learned(torch.tensor([[0.0], [0.0], [1.0], [1.0], [2.0]]), least=2)
    assert known is not None
    fewer = without_names(model, known)
    assert "Utsira" in json.dumps(model.architecture())
    assert "Utsira" not in json.dumps(fewer.architecture())
    assert fewer.weights().keys() == model.weights().keys()
