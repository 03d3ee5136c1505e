"""The commands: one typed function each; heavy imports wait until a command needs them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discretevae.command_parser import Commands, parse

if TYPE_CHECKING:
    from discretevae.data import Splits
    from discretevae.models import VAE
    from discretevae.runs import Run

__all__ = ["main"]


def train(
    data: str = "digits",
    model: str = "discrete",
    num_latents: int = 4,
    num_categories: int = 8,
    network: str = "tutorial",
    widths: list[int] | None = None,
    channels: list[int] | None = None,
    likelihood: str = "bernoulli",
    estimator: str = "auto",
    samples: int | None = None,
    baseline: float | None = None,
    temperature: str | None = None,
    beta: str = "1",
    binarize: str | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    limit: int | None = None,
    epochs: int = 100,
    batch_size: int = 100,
    learning_rate: float = 1e-3,
    decay: str = "cosine",
    patience: int = 20,
    test_curve: bool = False,
    importance_samples: int = 1000,
    seed: int = 0,
    accelerator: str = "auto",
    precision: str = "32-true",
    output: str | None = None,
    overwrite: bool = False,
    resume: str | None = None,
) -> None:
    """Train a model, evaluate it by true bounds, and write a report.

    Args:
        data: Name of a data set (see `discretevae datasets`), a .npy, .npz, .csv or .parquet file,
            or a folder of images; may also be given as the first argument.
        model: discrete (D categorical latents) or gaussian (the continuous baseline).
        num_latents: D, the number of latents.
        num_categories: K, the number of categories of each latent.
        network: tutorial, report-mlp, report-cnn, mlp (with --widths) or cnn (with --channels).
        widths: Units of the hidden layers of --network mlp, from the data inwards.
        channels: Filters of the convolutions of --network cnn, from the image inwards.
        likelihood: bernoulli, continuous-bernoulli, gaussian, or bernoulli-grey (cross-entropy on
            grey values, labelled as no likelihood).
        estimator: auto or a name from `discretevae estimators`.
        samples: Samples of the estimator, instead of its own default.
        baseline: Constant baseline of reinforce, in nats (negative); 0 for none.
        temperature: Of the estimator: a number, START:END over the run, or START:END:STEPS.
        beta: Weight of the KL in the objective, in the same notation; never in a reported bound.
        binarize: fresh (a new Bernoulli draw each time), fixed (one draw), threshold, or none; by
            default fresh for the Bernoulli likelihood, none for the others.
        validation: Fraction of the training examples held out to decide when to stop.
        test: Fraction held out for the report, where the data bring no test set.
        limit: Most examples to take of each part, for a quick try.
        epochs: Most passes over the training examples.
        batch_size: Examples a step.
        learning_rate: Of Adam, at the start.
        decay: How the learning rate falls: constant, linear or cosine.
        patience: Epochs without a better validation ELBO before training stops; 0 never stops.
        test_curve: Also record the test ELBO of every epoch; nothing is decided by it.
        importance_samples: S of the importance-weighted log-likelihood; 0 leaves it out.
        seed: Of everything random.
        accelerator: auto, cpu or gpu.
        precision: 32-true, bf16-mixed or another that Lightning knows.
        output: Folder of the run; by default a new one under runs/.
        overwrite: Replace the run that is in --output.
        resume: Folder of a run to go on with; only --epochs may be given besides.
    """
    options = {k: v for k, v in locals().items() if k not in ("output", "overwrite", "resume")}
    from discretevae.runs import Run, free_folder

    if resume is not None:
        run = Run.open(resume)
        _train(run, _resumed(run.options(), options), resume=True)
        return
    name = f"{Path(data).stem}-{model}-{num_latents}"
    folder = output or free_folder(
        Path("runs"), name + f"x{num_categories}" * (model == "discrete")
    )
    loaded, built, _ = _assemble(options)  # whatever is wrong shows before a folder is touched
    run = Run.create(folder, options, overwrite)
    _train(run, options, resume=False, loaded=loaded, built=built)


def evaluate(run: str, importance_samples: int = 1000, seed: int = 0) -> None:
    """Evaluate a run again: true bounds with standard errors, and the health of the code.

    Args:
        run: Folder of the run.
        importance_samples: S of the importance-weighted log-likelihood; 0 leaves it out.
        seed: Of the samples.
    """
    from discretevae.runs import Run

    opened = Run.open(run)
    options = opened.options()
    model, data = _saved_model(opened), _data(options)
    _publish(opened, model, data, {**options, "importance_samples": importance_samples}, seed)


def sample(run: str, count: int = 40, seed: int = 0, output: str | None = None) -> None:
    """Draw codes from the prior and decode them.

    Args:
        run: Folder of the run.
        count: How many.
        seed: Of the draws.
        output: A .png (a grid) or .npy file (the decoded means); by default RUN/samples.png.
    """
    import torch

    from discretevae.gallery import draw_samples
    from discretevae.runs import Run

    if count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}.")
    opened = Run.open(run)
    path = _output(output or opened.folder / "samples.png")
    model = _saved_model(opened)
    with torch.no_grad():
        means = model.sample(count, torch.Generator().manual_seed(seed))
    if path.suffix == ".npy":
        _save_array(path, means.numpy())
    else:
        draw_samples(path, means, model)
    print(path)


def reconstruct(
    run: str, data: str | None = None, count: int = 8, output: str | None = None
) -> None:
    """Encode examples to their most probable codes and decode them again.

    Args:
        run: Folder of the run.
        data: Data as for `train`; by default the test examples of the run.
        count: How many examples, the first ones.
        output: A .png (beside the inputs) or .npy file; by default RUN/reconstructions.png.
    """
    import torch

    from discretevae.assemble import examples_from_options
    from discretevae.gallery import draw_reconstructions
    from discretevae.runs import Run

    if count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}.")
    opened = Run.open(run)
    path = _output(output or opened.folder / "reconstructions.png")
    model, options = _saved_model(opened), opened.options()
    examples, binarizer = examples_from_options(options, data or options["data"])
    if tuple(examples.shape) != model.shape:
        raise ValueError(f"`data` must have shape {model.shape}, got {tuple(examples.shape)}.")
    examples = examples.take(slice(0, count))
    if path.suffix == ".npy":
        x = binarizer.draw(examples.x, torch.Generator().manual_seed(0))
        with torch.no_grad():
            _save_array(path, model.reconstruct(x).numpy())
    else:
        draw_reconstructions(path, model, examples, binarizer)
    print(path)


def datasets() -> None:
    """List the named data sets."""
    from rich.table import Table

    from discretevae.data import DATASETS, is_available

    table = Table("name", "shape", "train", "test", "where", "what", title="Data sets")
    for name, info in DATASETS.items():
        shape = "×".join(map(str, info.shape))
        where = "here" if is_available(name) else "download"
        table.add_row(
            name, shape, f"{info.train_examples}", f"{info.test_examples or '–'}", where,
            info.description,
        )  # fmt: skip
    _console().print(table)


def estimators() -> None:
    """List the gradient estimators with their properties."""
    from rich.table import Table

    from discretevae.estimators import ESTIMATORS

    table = Table(title="Estimators of E_q[f(z)] and its gradient")
    for column in ("name", "unbiased", "relaxed", "∇f needed", "evaluations of f", "what it does"):
        table.add_column(column)
    for name, cls in ESTIMATORS.items():
        line = (cls.__doc__ or "").strip().splitlines()[0]
        row = [_yes(cls.unbiased), _yes(cls.relaxed), _yes(cls.needs_gradient_of_f)]
        evaluations = "K^D" if name == "exact" else str(cls().evaluations(4, 8))
        table.add_row(name, *row, evaluations, line)
    _console().print(table)


COMMANDS: Commands = {
    "train": train,
    "evaluate": evaluate,
    "sample": sample,
    "reconstruct": reconstruct,
    "datasets": datasets,
    "estimators": estimators,
}


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; what the user got wrong becomes one line and exit status 2."""
    command, options = parse(COMMANDS, sys.argv[1:] if arguments is None else arguments)
    try:
        COMMANDS[command](**options)
    except (ValueError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"discretevae {command}: {message}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print(f"discretevae {command}: interrupted.", file=sys.stderr)
        raise SystemExit(130) from None


def _assemble(options: dict[str, Any]) -> "tuple[Splits, VAE, Any]":
    """Builds everything from options, so that mistakes show before anything is written."""
    import torch

    from discretevae.assemble import data_from_options, model_from_options, training_from_options
    from discretevae.training import check

    training = training_from_options(options)
    data = data_from_options(options)
    torch.manual_seed(options["seed"])
    model = model_from_options(options, data.shape)
    check(model, data, training)
    return data, model, training


def _train(
    run: "Run",
    options: dict[str, Any],
    resume: bool,
    loaded: "Splits | None" = None,
    built: "VAE | None" = None,
) -> None:
    from discretevae.training import train as fit

    data, model, training = _assemble(options)
    print(f"{run.folder}: {_describe(model, data)}", file=sys.stderr)
    fit(model, data, training, run.folder, resume=resume)
    model.save_pretrained(run.model)
    _publish(run, model, data, options, options["seed"])


def _resumed(stored: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The options of a run to go on with; of those given now only the epochs may differ."""
    import inspect

    defaults = {k: p.default for k, p in inspect.signature(train).parameters.items()}
    changed = {k for k, v in given.items() if v != defaults[k] and v != stored.get(k)}
    refused = sorted(changed - {"epochs"})
    if refused:
        raise ValueError(
            f"`--{refused[0].replace('_', '-')}` must stay as the resumed run has it "
            f"({stored.get(refused[0])!r}), got {given[refused[0]]!r}."
        )
    missing = sorted(given.keys() - stored.keys())
    if missing:
        raise ValueError(f"`config.yaml` must hold {missing[0]}, which the run's does not.")
    return {k: stored[k] for k in given} | {k: given[k] for k in changed}


def _publish(run: "Run", model: "VAE", data: "Splits", options: dict[str, Any], seed: int) -> None:
    """Evaluates, writes the numbers, draws, writes the page, says where it is."""
    from discretevae.evaluation import evaluate as measure
    from discretevae.gallery import draw_gallery
    from discretevae.progress import track
    from discretevae.report import write_report
    from discretevae.runs import command_line, versions

    metrics = measure(model, data, options["importance_samples"], seed, track)
    run.write_metrics(metrics)
    figures = draw_gallery(run, model, data, seed)
    write_report(
        run.report,
        title=run.folder.resolve().name,
        summary=[_describe(model, data)],
        metrics=metrics,
        config={**options, "versions": versions(), "command": command_line()},
        figures=figures,
        warnings=_warnings(model, data),
    )
    _print_metrics(metrics)
    print(f"report: {run.report}")


def _warnings(model: "VAE", data: "Splits") -> list[str]:
    from discretevae.evaluation import code_health, collapse_warnings
    from discretevae.models import DiscreteVAE

    found = []
    if not model.likelihood.normalised:
        found.append(
            "The data are grey values under binary cross-entropy, which is not a likelihood: the "
            "figures compare with published ones of the same kind only."
        )
    if isinstance(model, DiscreteVAE):
        examples = data.test if len(data.test) else data.train
        found += collapse_warnings(code_health(model, [examples.values(slice(0, 5000))]))
    return found


def _describe(model: "VAE", data: "Splits") -> str:
    from discretevae.models import DiscreteVAE

    shape = "×".join(map(str, model.shape))
    code = (
        f"{model.num_latents} categorical latents of {model.num_categories} classes, trained with "
        f"{type(model.estimator).__name__}"
        if isinstance(model, DiscreteVAE)
        else f"{getattr(model, 'num_latents', '?')} Gaussian latents"
    )
    network = f"{model.network.kind.upper()} {tuple(model.network.config().values())[1]}"
    return (
        f"{code}, {network}, {model.likelihood_config()} likelihood, on {data.name} "
        f"({shape}, {data.binarizer.name}): {len(data.train):,} training, "
        f"{len(data.validation):,} validation and {len(data.test):,} test examples."
    )


def _print_metrics(metrics: dict[str, dict[str, dict[str, Any]]]) -> None:
    from rich.table import Table

    from discretevae.report import format_value

    table = Table("nats per example unless said", *metrics, title="True bounds, health of the code")
    names = list(dict.fromkeys(name for split in metrics.values() for name in split))
    for name in names:
        entries = [split.get(name) for split in metrics.values()]
        shown = next(entry for entry in entries if entry)
        if isinstance(shown["value"], list):
            continue
        cells = [format_value(e["value"], e["se"]) if e else "–" for e in entries]
        unit = shown["unit"] if shown["unit"].startswith("of ") else ""
        table.add_row(f"{name.replace('_', ' ')} {unit}".strip(), *cells)
    _console().print(table)


def _saved_model(run: "Run") -> "VAE":
    from discretevae.models import from_pretrained

    return from_pretrained(run.model)


def _data(options: dict[str, Any]) -> "Splits":
    from discretevae.assemble import data_from_options

    return data_from_options(options)


def _output(path: "str | Path") -> Path:
    path = Path(path)
    if path.suffix not in (".png", ".npy"):
        raise ValueError(f"`--output` must end in .png or .npy, got {str(path)!r}.")
    return path


def _save_array(path: Path, array: Any) -> None:
    import numpy as np

    from discretevae.files import atomic_path

    with atomic_path(path) as temporary:
        np.save(temporary, array, allow_pickle=False)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _console() -> Any:
    from rich.console import Console

    return Console()
