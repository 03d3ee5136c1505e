"""The site is true without being built: its examples compile and the light ones run.

`make docs` runs all of them; here every line of shell goes through the parser of the command, every
cell of Python through the compiler, and pages of a second or two are run.
"""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import torch

import discretevae
from discretevae.cli.main import COMMANDS
from discretevae.cli.parser import parse
from discretevae.estimators import ESTIMATORS, Reinforce, ReinMax
from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
from discretevae.latents import categorical

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    if path.relative_to(DOCS).parts[0] not in ("_build", "results")
)
NAMES = [str(path.relative_to(DOCS)) for path in PAGES]
CELL = re.compile(r"^```\{code-cell\} ipython3\n((?::.*\n)*\n?)(.*?)^```", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def cells(text: str) -> list[str]:
    return [body for _, body in CELL.findall(text)]


def extension(name: str) -> ModuleType:
    path = DOCS / "extensions" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shell_lines(text: str) -> list[str]:
    scripts = [cell for cell in cells(text) if cell.startswith("%%bash")]
    scripts += [body for language, body in FENCE.findall(text) if language == "bash"]
    joined = "\n".join(scripts).replace("\\\n", " ")
    return [line for line in joined.splitlines() if "discretevae " in line]


def command_of(line: str) -> list[str]:
    """The words of a command, without what the shell takes for itself."""
    words = shlex.split(line, comments=True)
    words = words[words.index("discretevae") + 1 :] if "discretevae" in words else []
    ends = [i for i, word in enumerate(words) if word in (">", "|", "&&", ";") or word[:1] == ">"]
    words = words[: min(ends, default=len(words))]
    if "--config" in words:  # a file that the page has made, or that its reader has
        place = words.index("--config")
        del words[place : place + 2]
    return words


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_compiles(name: str) -> None:
    text = text_of(name)
    python = [cell for cell in cells(text) if not cell.startswith("%%bash")]
    for code in python + [body for language, body in FENCE.findall(text) if language == "python"]:
        compile(code, name, "exec")
    assert text.count("```{code-cell}") == len(cells(text))


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_one(name: str) -> None:
    for line in shell_lines(text_of(name)):
        words = command_of(line)
        if words and words[0] not in ("--version", "$(which"):
            command, _ = parse(COMMANDS, words)
            assert command == words[0]


def test_a_command_that_is_none_is_caught() -> None:
    with pytest.raises(SystemExit):
        parse(COMMANDS, command_of("discretevae train digits --no-such-option > log.txt"))


def run(code: list[str], name: str) -> None:
    found: dict[str, object] = {"__name__": "__main__"}
    for cell in code:
        exec(compile(cell, name, "exec"), found)


def test_the_tutorial_runs_up_to_its_training_loop() -> None:
    usual = torch.get_default_dtype()
    text = text_of("tutorial.md").split("## Algorithm 1")[0]
    try:
        run(cells(text), "tutorial.md")
    finally:
        torch.set_default_dtype(usual)


def test_the_tutorial_catches_a_wrong_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = torch.get_default_dtype()
    wrong = property(lambda terms: terms.reconstruction - 0.5 * terms.kl)
    monkeypatch.setattr("discretevae.objectives.ELBO.elbo", wrong)
    try:
        with pytest.raises(AssertionError):
            run(cells(text_of("tutorial.md").split("### The two terms")[0]), "tutorial.md")
    finally:
        torch.set_default_dtype(usual)


def test_parts_of_ones_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        run(cells(text_of("guides/own_parts.md")), "own_parts.md")
    finally:
        discretevae.PRIORS.pop("sharp", None)


def python_of(name: str, holds: str) -> str:
    """The one piece of Python of a page that holds some words."""
    text = text_of(name)
    (found,) = (
        code for code in [*cells(text), *(b for _, b in FENCE.findall(text))] if holds in code
    )
    return found


def test_the_quantised_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("discretevae.training.prior.MOST_PASSES", 1)
    example = python_of("guides/photographs.md", "dv.QuantisedVAE")
    call, short = "dv.train(vq, data)", "dv.train(vq, data, dv.TrainingOptions(epochs=1))"
    assert call in example
    run([example.replace(call, short)], "photographs.md")
    assert "torch.Size([4, 1, 8, 8])" in capsys.readouterr().out


def test_the_search_of_scikit_learn_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = text_of("guides/scikit_learn.md")
    for usual, short in (("epochs=40", "epochs=1"), ("assert accuracy > 0.6\n", "")):
        assert usual in text
        text = text.replace(usual, short)
    run(cells(text), "scikit_learn.md")
    assert "categoricalvae__num_latents" in capsys.readouterr().out


def test_the_measured_figures_of_the_tutorial_are_those_of_its_page() -> None:
    record = json.loads((ROOT / "results" / "tutorial.json").read_text(encoding="utf-8"))
    lines = text_of("measured.md").splitlines()
    for name, found in record["runs"].items():
        (row,) = [line for line in lines if line.startswith(f"| {name} |")]
        for figure in ("elbo", "exact_log_likelihood"):
            value, error = (found["evaluation"]["test"][figure][key] for key in ("value", "se"))
            assert f"−{-value:.2f} ± {error:.2f}" in row
        assert f"{found['history'][-1]['seconds']:.0f} s" in row


def test_the_guide_on_estimators_calls_them_as_it_says() -> None:
    python = [c for c in cells(text_of("guides/estimators.md")) if not c.startswith("%%bash")]
    run(python, "estimators.md")


def test_the_guide_on_models_builds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = text_of("guides/models.md")
    assert "epochs=5" in text
    run(cells(text.replace("epochs=5", "epochs=1")), "models.md")


def test_the_guide_on_estimators_names_every_one() -> None:
    named = re.findall(r"^\| `([a-z-]+)` \|", text_of("guides/estimators.md"), flags=re.MULTILINE)
    wanted = {*ESTIMATORS, *MULTISAMPLE_ESTIMATORS}
    assert wanted <= set(named)
    assert set(named) <= wanted


@pytest.mark.parametrize("name", [*NAMES, "../README.md"])
def test_every_link_of_a_page_leads_to_a_file(name: str) -> None:
    path = (DOCS / name).resolve()
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        generated = link.endswith("results/index.md")
        if not re.match(r"https?:|mailto:", link) and not generated:
            assert (path.parent / link).resolve().exists(), link


def test_every_guide_is_named_where_readers_look() -> None:
    index = text_of("guides/index.md")
    there = {path.name for path in (DOCS / "guides").glob("*.md")} - {"index.md"}
    assert {name for name in there if f"]({name})" not in index} == set()


def test_every_package_with_public_names_has_a_page() -> None:
    pages = "".join(p.read_text() for p in (DOCS / "reference" / "python").glob("*.rst"))
    documented = set(re.findall(r"public-names:: (\S+)", pages))
    source = ROOT / "src"
    packages = {
        ".".join(path.parent.relative_to(source).parts)
        for path in source.rglob("__init__.py")
        if "__all__" in path.read_text(encoding="utf-8")
    }
    inner = {"discretevae.pages.explorer", "discretevae.studies.architectures"}
    assert packages - inner <= documented
    for module in documented - packages:
        assert importlib.util.find_spec(module) is not None


def test_the_table_of_results_has_the_numbers_of_their_pages() -> None:
    pages = extension("result_pages")
    found = pages.rows()
    names = {path.stem for path in (ROOT / "results").glob("*.md")}
    assert {row.name for row in found} == names - {"README"}
    for row in found:
        assert row.measured, row.name
    with pytest.raises(ValueError, match=r"must have the numbers .* none of 1\.00"):
        pages.row_of("tutorial", {"measured": "ends at −1.00 ± 0.42"})


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    return extension("claims")


def test_no_page_quotes_a_figure_that_no_json_holds(
    claims: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [*claims.unheld()] == []
    assert sum(1 for page in claims.pages() for _ in claims.quoted(page)) > 80
    for figure, wrong in (("−132.67 ± 0.42", "−987.65 ± 0.42"), ("0.985", "0.955")):
        page = text_of("measured.md")
        assert figure in page
        (tmp_path / "measured.md").write_text(page.replace(figure, wrong), encoding="utf-8")
        with monkeypatch.context() as changed:
            changed.setattr(claims, "ROOT", tmp_path)
            changed.setattr(claims, "pages", lambda: [tmp_path / "measured.md"])
            changed.setattr(claims, "known", lambda: {"study": {"published": ["96.04", "100.86"]}})
            assert [quote.figure for quote in claims.unheld()] == [wrong.split()[0]]


def test_the_list_of_all_results_is_written_anew(claims: ModuleType) -> None:
    """Without what the history alone says, the days and commits with which they were put in."""
    written = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert claims.undated(written) == claims.undated(claims.page())
    assert claims.undated(written) != written
    for name in re.findall(r"\]\((?:\.\./)?([\w/.-]+)\)", written):
        assert (ROOT / name).exists() or (ROOT / "results" / name).exists()


def test_what_a_json_says_of_its_run(claims: ModuleType) -> None:
    assert claims.seeds({"seed": 0, "runs": [{"seed": 1}, {"seed": 4}]}) == "0, 1, 4"
    assert claims.seeds({"options": {"seeds": 3}, "seed": 0}) == "3 of them"
    assert claims.machine({"versions": {"machine": "Linux-6.1-fc-x86_64-with-glibc2.36"}}) == (
        "Linux, x86_64"
    )
    held = [*claims.numbers({"rows": [{"nmi": 0.9}, {"nmi": 0.94}], "text": "2.50 ± 0.01"})]
    assert claims.holds(held, "0.92")  # a mean
    assert claims.holds(held, "94.0")  # a per cent
    assert claims.holds(held, "−2.5")
    assert not claims.holds(held, "0.93")


# The figures that can be moved.

NODE = shutil.which("node")
FIGURES = DOCS / "interactive" / "bound_and_gradients.html"
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


def javascript(expression: str) -> object:
    """Gives the value of an expression beside the functions of the page."""
    page = FIGURES.read_text(encoding="utf-8")
    (maths,) = re.findall(r'<script id="maths">(.*?)</script>', page, flags=re.DOTALL)
    script = f"{maths}\nconsole.log(JSON.stringify({expression}));"
    assert NODE is not None
    done = subprocess.run([NODE, "-e", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@needs_node
def test_the_bound_to_move_is_the_librarys() -> None:
    log_lik, q = [-1.2, -4.0, -4.5, -1.8], (0.3, 0.8)
    shown = javascript(f"bound({log_lik}, {q[0]}, {q[1]})")
    assert isinstance(shown, dict)
    logits = torch.tensor([[1 - p, p] for p in q], dtype=torch.float64).log()
    values = torch.tensor(log_lik, dtype=torch.float64)
    codes = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    log_q = categorical.log_prob_of_codes(codes, logits)
    prior = discretevae.UniformPrior(2, 2)
    joint = values + prior.log_prob_of_codes(codes).double()
    kl = categorical.kl_divergence(logits, torch.zeros(2, 2, dtype=torch.float64)).sum()
    assert shown["logP"] == pytest.approx(float(joint.logsumexp(0)))
    assert shown["reconstruction"] == pytest.approx(float((log_q.exp() * values).sum()))
    assert shown["kl"] == pytest.approx(float(kl))
    assert shown["gap"] == pytest.approx(shown["logP"] - shown["elbo"])
    assert shown["posterior"] == pytest.approx((joint - joint.logsumexp(0)).exp().tolist())


@needs_node
def test_the_best_q_to_move_to_is_no_worse_than_any_near_it() -> None:
    log_lik = [-1.2, -4.0, -4.5, -1.8]
    q1, q2 = (float(q) for q in javascript(f"bestBeliefs({log_lik}, 0.5, 0.5)"))  # type: ignore[attr-defined]
    gap = javascript(f"bound({log_lik}, {q1}, {q2}).gap")
    for near in ((q1 + 0.01, q2), (q1 - 0.01, q2), (q1, q2 + 0.01), (q1, q2 - 0.01)):
        assert javascript(f"bound({log_lik}, {near[0]}, {near[1]}).gap") > gap  # type: ignore[operator]


@needs_node
@pytest.mark.parametrize("code", [[0, 2], [1, 1]])
def test_the_gradients_to_move_are_the_librarys(
    code: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both estimators at one given code, and the gradient over all nine."""
    scale, b = 2.0, -1.5
    shown = javascript(
        f"({{x: X, w: W, l: LOGITS, f: f(oneHot({code}), {scale}), "
        f"reinforce: reinforce(LOGITS, {code}, {scale}, {b}), "
        f"reinmax: reinmax(LOGITS, {code}, {scale}), exact: exactGradient(LOGITS, {scale})}})"
    )
    assert isinstance(shown, dict)
    x, w, start = (torch.tensor(shown[key], dtype=torch.float64) for key in ("x", "w", "l"))

    def f(z: torch.Tensor) -> torch.Tensor:
        a = scale * torch.einsum("...dk,idk->...i", z, w)
        return (x * a - torch.nn.functional.softplus(a)).sum(-1)

    z = torch.nn.functional.one_hot(torch.tensor(code), 3).double()
    assert shown["f"] == pytest.approx(float(f(z)))
    gradients = {"exact": ESTIMATORS["exact"]()}
    monkeypatch.setattr(categorical, "sample", lambda logits, samples, generator=None: z[None])
    gradients |= {"reinforce": Reinforce(samples=1, baseline=b), "reinmax": ReinMax()}
    for name, estimator in gradients.items():
        logits = start.clone().requires_grad_()
        (found,) = torch.autograd.grad(estimator(f, logits).sum(), logits)
        torch.testing.assert_close(torch.tensor(shown[name], dtype=torch.float64), found)


@needs_node
def test_the_samples_to_draw_follow_q() -> None:
    """9,000 draws, each class within five standard errors: a false alarm in 300,000 runs."""
    draws = torch.tensor(
        javascript("(() => { const r = generator(7); return Array.from({length: 9000}, "
                   "() => draw(LOGITS, r)); })()")
    )  # fmt: skip
    p = torch.tensor(javascript("LOGITS")).softmax(-1)
    share = torch.nn.functional.one_hot(draws, 3).float().mean(0)
    assert ((share - p).abs() < 5 * (p * (1 - p) / 9000).sqrt()).all()
