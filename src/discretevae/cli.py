"""The commands: one typed function each; heavy imports wait until a command needs them."""

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from discretevae.command_parser import Commands, OptionsError, parse, typed_options
from discretevae.commands.codes import compress, decode, decompress, encode
from discretevae.commands.explore import explore
from discretevae.commands.export import export
from discretevae.commands.prior import prior
from discretevae.commands.share import share
from discretevae.commands.tables import impute, score
from discretevae.processes import process_rank

if TYPE_CHECKING:
    from discretevae.data import Splits
    from discretevae.estimators import Estimator
    from discretevae.laboratory import GradientReport
    from discretevae.models import VAE, DiscreteVAE
    from discretevae.runs import Run
    from discretevae.training import TrainingOptions
    from discretevae.writing import Written

__all__ = ["main", "study_options"]

OF_THE_STUDY = ("num_latents", "seeds", "contrastive", "output")
"""Options of `study` that are not those of its runs."""
NOT_STORED = ("output", "overwrite", "resume")
"""Options of `train` that say where a run is, not what it is."""


def train(
    data: str = "digits",
    *,
    model: str = "discrete",
    num_latents: int = 4,
    num_categories: int = 8,
    upper_latents: list[int] | None = None,
    inference: str | None = None,
    continuous: int | None = None,
    labelled: int | None = None,
    classifier: str | None = None,
    alpha: float | None = None,
    network: str | None = None,
    widths: list[int] | None = None,
    channels: list[int] | None = None,
    activation: str | None = None,
    likelihood: str | None = None,
    column: str | None = None,
    pieces: int | None = None,
    sentence_length: int | None = None,
    word_dropout: float = 0.0,
    categorical: str | None = None,
    numeric: str | None = None,
    hidden_cells: float = 0.0,
    estimator: str = "auto",
    samples: int | None = None,
    baseline: float | None = None,
    temperature: str | None = None,
    beta: str = "1",
    free_bits: float = 0.0,
    prior: str = "uniform",
    condition: str = "none",
    embedding_size: int | None = None,
    contrastive: str = "0",
    contrastive_temperature: float = 0.1,
    similarity: str = "cosine",
    one_sided: bool = False,
    balance: str = "0",
    binarize: str | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    limit: int | None = None,
    stream: bool = False,
    epochs: int = 100,
    batch_size: int = 100,
    optimizer: str = "adam",
    learning_rate: float = 1e-3,
    decay: str = "cosine",
    patience: int = 20,
    test_curve: bool = False,
    importance_samples: int = 1000,
    seed: int = 0,
    accelerator: str = "auto",
    devices: int = 1,
    num_nodes: int = 1,
    precision: str = "32-true",
    output: str | None = None,
    overwrite: bool = False,
    resume: str | None = None,
) -> None:
    """Train a model, evaluate it by true bounds, and write a report.

    Args:
        data: Name of a data set (see `discretevae datasets`), a .npy, .npz, .csv or .parquet file,
            a folder of images, or a .txt file of sentences, one a line; given as the first
            argument.
        model: discrete (D categorical latents), gaussian (the continuous baseline), hierarchical
            (layers of categorical latents), joint (categorical latents and Gaussian ones), or
            semi-supervised (a class beside the code, known for some examples).
        num_latents: D, the number of latents; of the layer nearest to the data.
        num_categories: K, the number of categories of each latent.
        upper_latents: Latents of the layers above the first, for --model hierarchical.
        inference: Order in which layers are inferred: top-down (the default) or bottom-up.
        continuous: Gaussian latents, for --model joint.
        labelled: Labels that --model semi-supervised is given, the same number of each class.
        classifier: Network of q(class | x), for --model semi-supervised; by default as --network.
        alpha: Weight of the classifier's own loss on the labels, for --model semi-supervised.
        network: tutorial, report-mlp, report-cnn, image (normalised convolutions),
            mlp or cnn (of the widths or channels given); gru or transformer for sentences.
        widths: Units of the hidden layers of --network mlp, or of that of tables, from the data
            inwards; or the units of gru and transformer.
        channels: Filters of the convolutions of --network cnn, from the image inwards.
        activation: Between two layers: relu or leaky-relu (slope 0.2); by default the network's.
        likelihood: bernoulli, continuous-bernoulli, gaussian, bernoulli-grey (cross-entropy on
            grey values, labelled as no likelihood), tokens (of sentences) or columns (of a table
            of numbers, texts and missing cells); by default tokens for a .txt file, else bernoulli.
        column: Of sentences, in a .csv or .parquet file.
        pieces: Size of a vocabulary of pieces of words; by default tokens are characters.
        sentence_length: Most tokens of a sentence, longer ones are cut and counted; by default
            those of the longest.
        word_dropout: Fraction of the tokens that the decoder of sentences does not see in training.
        categorical: Columns of a table whose numbers are names, with commas between them.
        numeric: Columns of a table that are numbers though they hold two different ones.
        hidden_cells: Fraction of the cells of a table that the encoder does not see in training,
            for imputation.
        estimator: auto or a name from `discretevae estimators`.
        samples: Samples of the estimator; by default its own number.
        baseline: Constant baseline of reinforce or iwae, in nats (negative), 0 for none; by
            default the moving average.
        temperature: Of the estimator: a number, START:END over the run, or START:END:STEPS; by
            default its own.
        beta: Weight of the KL in the objective, in the same notation; never in a reported bound.
            1 with iwae and vimco, whose bound has no KL term.
        free_bits: Nats that each latent may cost in the objective before they count; never in a
            reported bound.
        prior: p(z): uniform, learned (the probabilities of each latent), conditional (given
            --condition), autoregressive (each latent given those before), or boltzmann (a
            restricted Boltzmann machine between two halves of the latents).
        condition: What encoder, prior and decoder are told of each example: none, labels (its
            class), or context (an array `context` in a .npz file).
        embedding_size: Numbers of the learned vector by which each category reaches the decoder;
            by default it is one-hot.
        contrastive: Weight of a contrastive loss (InfoNCE) between each image's posterior and that
            of a slightly deformed copy, in the same notation; 0 is without.
        contrastive_temperature: Of that loss.
        similarity: Of two posteriors in that loss: cosine or dot.
        one_sided: Ask each image to recognise its copy, not both each other.
        balance: Weight of the mutual information between example and category, which spreads the
            data over all categories, in the same notation; 0 is without.
        binarize: fresh (a new Bernoulli draw each time), fixed (one draw), threshold, or none; by
            default fresh for the Bernoulli likelihood, none for the others.
        validation: Fraction of the training examples held out to decide when to stop.
        test: Fraction held out for the report, where the data bring no test set.
        limit: Most examples to take of each part, for a quick try.
        stream: Leave the training examples on disk, for a .npy or .parquet file or a folder of
            images larger than memory; 256 MiB of them at most are in memory at a time.
        epochs: Most passes over the training examples.
        batch_size: Examples a step.
        optimizer: adam, radam, or muon (best with batches of some hundred and 5 to 10 times the
            rate).
        learning_rate: Of the optimiser, at the start.
        decay: How the learning rate falls: constant, linear or cosine.
        patience: Epochs without a better validation ELBO before training stops; 0 never stops.
        test_curve: Also record the test ELBO of every epoch; nothing is decided by it.
        importance_samples: S of the importance-weighted log-likelihood; 0 leaves it out.
        seed: Of everything random.
        accelerator: auto, cpu or gpu.
        devices: Devices of each machine, a process each (on the CPU: processes); each takes its
            rows of every batch.
        num_nodes: Machines, on each of which the same command is started by torchrun or SLURM.
        precision: 32-true, bf16-mixed or 16-mixed.
        output: Folder of the run; by default a new one under runs/.
        overwrite: Replace the run that is in --output.
        resume: Folder of a run to go on with; of the other options only --epochs may differ.
    """
    options = {k: v for k, v in locals().items() if k not in NOT_STORED}
    from discretevae.assemble import resolve_options
    from discretevae.runs import Run, free_folder, held

    _require_at_least("importance_samples", importance_samples, 0)
    if overwrite and output is None:
        raise ValueError("`overwrite` must go with --output, which was not given.")
    options = resolve_options(options)
    parts = _assemble(options)  # whatever is wrong shows before a folder is touched
    folder = output or free_folder(Path("runs"), _name(parts.data, options))
    if process_rank(parts.training.processes):
        _take_part(parts, Path(folder), resume=False)
        return
    with held(folder):
        _train(Run.create(folder, options, overwrite), options, parts, resume=False)


def evaluate(run: str, *, importance_samples: int | None = None, seed: int | None = None) -> None:
    """Evaluate a run again: true bounds with standard errors, and the health of the code.

    Args:
        run: Folder of the run.
        importance_samples: S of the importance-weighted log-likelihood, 0 leaves it out; by
            default as many as the run has.
        seed: Of the samples; by default the run's.
    """
    from discretevae.assemble import data_from_options
    from discretevae.publish import publish
    from discretevae.runs import Run, held

    given = {"importance_samples": importance_samples, "seed": seed}
    for name, value in given.items():
        _require_at_least(name, 0 if value is None else value, 0)
    opened = Run.open(run)
    with held(opened.folder):
        options = _stored_options(opened)
        model = _saved_model(opened, **_as_trained(opened, options))
        data = data_from_options(options)
        options |= {name: value for name, value in given.items() if value is not None}
        publish(opened, model, data, options)


def sample(
    run: str,
    *,
    count: int = 40,
    context: str | None = None,
    seed: int = 0,
    output: str | None = None,
) -> None:
    """Draw codes from the prior and decode them.

    Args:
        run: Folder of the run.
        count: How many; of each condition, where there are several.
        context: Of a conditional run: a class, or a .npy file of one context or several; by
            default every class, or contexts of the test examples.
        seed: Of the draws.
        output: A .png (a grid) or .npy file (the decoded means); for sentences and tables a .csv;
            by default RUN/samples.png or .csv.
    """
    import torch

    from discretevae.assemble import contexts_from_options
    from discretevae.gallery import draw_samples
    from discretevae.runs import Run
    from discretevae.writing import as_text, writes

    _require_at_least("count", count, 1)
    _require_at_least("seed", seed, 0)
    opened = Run.open(run)
    model = _saved_model(opened)
    path = _output(output, opened.folder / "samples", model)
    contexts = contexts_from_options(_stored_options(opened), context, model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        means = [model.sample(count, generator, c) for c in contexts.values]
    if writes(model.likelihood):
        _save_written(path, as_text(torch.cat(means), model.likelihood))
    elif path.suffix == ".npy":
        _save_array(path, torch.cat(means).numpy())
    else:
        draw_samples(path, torch.stack(means), model, contexts.names)
    print(path)


def reconstruct(
    run: str, data: str | None = None, *, count: int = 8, output: str | None = None
) -> None:
    """Encode examples to their most probable codes and decode them again.

    Args:
        run: Folder of the run.
        data: Data as for `train`, given as the second argument; by default the test examples of
            the run.
        count: How many examples, the first ones.
        output: A .png (beside the inputs) or .npy file, for sentences and tables a .csv; by default
            RUN/reconstructions.png or .csv.
    """
    import torch

    from discretevae.assemble import shown_from_options
    from discretevae.gallery import draw_reconstructions
    from discretevae.runs import Run
    from discretevae.writing import as_text, writes

    _require_at_least("count", count, 1)
    opened = Run.open(run)
    model, options = _saved_model(opened), _stored_options(opened)
    path = _output(output, opened.folder / "reconstructions", model)
    look = shown_from_options(options, data, model)
    shape = tuple(look.examples.shape)
    if shape != model.shape:
        raise ValueError(f"`data` must have shape {model.shape}, got {shape}.")
    some = look.examples.take(slice(0, count))
    x = some.values()
    model.likelihood.check(x)
    if writes(model.likelihood):
        with torch.no_grad():
            _save_written(path, as_text(model.reconstruct(x, some.context), model.likelihood))
    elif path.suffix == ".npy":
        with torch.no_grad():
            _save_array(path, model.reconstruct(x, some.context).numpy())
    else:
        draw_reconstructions(path, model, look, count)
    print(path)


def datasets() -> None:
    """List the named data sets."""
    from discretevae.data import DATASETS, is_available
    from discretevae.tables import print_table, table_of

    table = table_of("Data sets")
    for column in ("name", "shape", "train", "test", "where"):
        table.add_column(column, no_wrap=True)
    table.add_column("what")
    for name, info in DATASETS.items():
        shape = "×".join(map(str, info.shape))
        where = "here" if is_available(name) else "download"
        sizes = [f"{size:,}" if size else "–" for size in (info.train_examples, info.test_examples)]
        table.add_row(name, shape, *sizes, where, info.description)
    print_table(table)


def estimators() -> None:
    """List the gradient estimators with their properties."""
    from discretevae.estimators import ESTIMATORS
    from discretevae.multisample import MULTISAMPLE_ESTIMATORS
    from discretevae.tables import print_table, table_of

    table = table_of("Estimators of E_q[f(z)] and its gradient")
    for column in ("name", "unbiased", "relaxed", "uses ∇f", "calls f"):
        table.add_column(column, no_wrap=True)
    table.add_column("what it does", overflow="fold")
    for name, cls in ESTIMATORS.items():
        line = (cls.__doc__ or "").strip().splitlines()[0].replace("**", "")
        row = [_yes(cls.unbiased), _yes(cls.relaxed), _yes(cls.needs_gradient_of_f)]
        evaluations = "K^D" if name == "exact" else str(cls().evaluations(4, 8))
        table.add_row(name, *row, evaluations, line)
    print_table(table)

    bounds = table_of("Another objective: estimators of the S-sample bound, log mean w")
    for column in ("name", "calls log w"):
        bounds.add_column(column, no_wrap=True)
    bounds.add_column("what it does", overflow="fold")
    for name, kind in MULTISAMPLE_ESTIMATORS.items():
        line = (kind.__doc__ or "").strip().splitlines()[0]
        bounds.add_row(name, str(kind().evaluations(4, 8)), line)
    print_table(bounds)


def gradients(
    run: str | None = None,
    *,
    data: str | None = None,
    num_latents: int | None = None,
    num_categories: int | None = None,
    network: str = "tutorial",
    estimators: str | None = None,
    examples: int = 20,
    replicates: int = 1000,
    fit_steps: int = 200,
    seed: int = 0,
    output: str | None = None,
) -> None:
    """Measure the bias, variance, error and cost of gradient estimators on a model.

    Args:
        run: Folder of a run, whose model and test examples are taken; without one, an untrained
            model of --num-latents and --num-categories.
        data: Without a run, the data as for `train`; by default digits.
        num_latents: Without a run, D.
        num_categories: Without a run, K.
        network: Without a run, the network as for `train`.
        estimators: Names with commas between them; by default all that suit D and K.
        examples: How many examples, the first ones.
        replicates: Independent estimates of each estimator.
        fit_steps: Steps that an estimator which learns takes on these examples beforehand.
        seed: Of everything random.
        output: Folder of gradients.json and the figures; by default RUN/gradients or a new one
            under runs/.
    """
    from discretevae.assemble import shown
    from discretevae.files import write_text
    from discretevae.laboratory import measure_gradients
    from discretevae.progress import track

    _require_at_least("examples", examples, 1)
    _require_at_least("replicates", replicates, 40)
    _require_at_least("fit_steps", fit_steps, 0)
    _require_at_least("seed", seed, 0)
    sizes = {"data": data, "num_latents": num_latents, "num_categories": num_categories}
    model, source, folder = (
        _untrained(network=network, seed=seed, **sizes) if run is None else _trained(run, sizes)
    )
    folder = Path(output) if output else folder
    model = _discrete(model)
    chosen = _laboratory_estimators(model, estimators)
    x = shown(source).examples.values(slice(0, examples))
    steps = measure_gradients(model, x, chosen, replicates, fit_steps, seed=seed, progress=track)
    report = None
    try:
        for report in steps:
            folder.mkdir(parents=True, exist_ok=True)
            record = {**report.as_dict(), "seed": seed, "model": model.architecture()}
            write_text(folder / "gradients.json", json.dumps(record, indent=2) + "\n")
    except KeyboardInterrupt:
        if report is None:
            raise KeyboardInterrupt("; nothing was measured yet") from None
        _present(report, folder)
        raise KeyboardInterrupt(f"; what was measured until then is in {folder}") from None
    assert report is not None
    _present(report, folder)


def compare(
    data: str = "digits",
    *,
    estimators: str = "rloo,reinmax",
    seeds: int = 3,
    epochs: int = 20,
    seconds: float | None = None,
    num_latents: int = 4,
    num_categories: int = 8,
    network: str = "tutorial",
    activation: str | None = None,
    likelihood: str = "bernoulli",
    binarize: str | None = None,
    limit: int | None = None,
    batch_size: int = 100,
    optimizer: str = "adam",
    learning_rate: float = 1e-3,
    decay: str = "cosine",
    importance_samples: int = 1000,
    precision: str = "32-true",
    output: str | None = None,
) -> None:
    """Train estimators with the same budget and several seeds; said again, it goes on.

    Args:
        data: Data as for `train`, given as the first argument.
        estimators: Names with commas between them.
        seeds: How many seeds, from 0; more may be asked for later.
        epochs: The budget of each run.
        seconds: The budget in seconds of training, instead of epochs: a few epochs of each
            estimator are timed beforehand.
        num_latents: D, the number of latents.
        num_categories: K, the number of categories of each latent.
        network: tutorial, report-mlp, report-cnn or image.
        activation: As for `train`.
        likelihood: As for `train`.
        binarize: As for `train`.
        limit: Most examples to take of each part, for a quick try.
        batch_size: Examples a step.
        optimizer: As for `train`.
        learning_rate: Of the optimiser, at the start.
        decay: How the learning rate falls: constant, linear or cosine.
        importance_samples: S of the importance-weighted log-likelihood; 0 leaves it out.
        precision: 32-true, bf16-mixed or 16-mixed.
        output: Folder of the runs, comparison.json and comparison.png; by default one under
            runs/ that is named after the data and the sizes.
    """
    given = {k: v for k, v in locals().items() if k not in ("estimators", "seeds", "output")}
    from discretevae.laboratory.compare import compare_estimators
    from discretevae.laboratory.present import draw_comparison, print_comparison
    from discretevae.progress import track

    _require_at_least("seeds", seeds, 1)
    _require_at_least("importance_samples", importance_samples, 0)
    names = _names(estimators)
    del given["seconds"]
    options = {**_defaults(train), **given}
    folder = Path(output or f"runs/compare-{Path(data).stem}-{num_latents}x{num_categories}")
    try:
        found = compare_estimators(options, names, range(seeds), folder, seconds, track)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("; the same command goes on where it stopped") from None
    print_comparison(found)
    for path in (folder / "comparison.json", draw_comparison(found, folder / "comparison.png")):
        print(path)


def study(
    data: str = "digits",
    *,
    num_latents: int | None = None,
    num_categories: int = 10,
    seeds: int = 5,
    contrastive: float = 0.0,
    likelihood: str | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    limit: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    importance_samples: int = 1000,
    seed: int = 0,
    accelerator: str = "auto",
    precision: str = "32-true",
    output: str | None = None,
) -> None:
    """Train MLP and CNN with categorical and Gaussian latents and see what codes mean; goes on.

    Args:
        data: Data as for `train`, given as the first argument.
        num_latents: D of the architectures; by default the best of a short sweep.
        num_categories: K, the number of categories of each latent.
        seeds: How many clusterings, from different seeds.
        free_bits: Nats that each latent may cost in the objective before they count; never in a
            reported bound.
        prior: p(z): uniform, learned (the probabilities of each latent), conditional (given
            --condition), autoregressive (each latent given those before), or boltzmann (a
            restricted Boltzmann machine between two halves of the latents).
        condition: What encoder, prior and decoder are told of each example: none, labels (its
            class), or context (an array `context` in a .npz file).
        embedding_size: Numbers of the learned vector by which each category reaches the decoder;
            by default it is one-hot.
        contrastive: Weight of a contrastive loss, with which the report's two networks are trained
            a second time; 0 is without.
        likelihood: As for `train`; by default what suits the values: grey and binarised images
            side by side, binary data, or Gaussian ones.
        validation: As for `train`.
        test: Fraction held out for the figures, where the data bring no test set.
        limit: Most examples to take of each part, for a quick try.
        epochs: Of the architectures; by default 200, of which the image network gets a third,
            or 30 for fewer than 10,000 training examples.
        batch_size: Examples a step; by default 250 (the image network 100), or 50 for small data.
        importance_samples: S of the importance-weighted log-likelihood; 0 leaves it out.
        seed: Of everything random but the clusterings.
        accelerator: auto, cpu or gpu.
        precision: 32-true, bf16-mixed or 16-mixed.
        output: Folder of study.html, study.json, the figures and the runs; by default one under
            runs/ that is named after the data.
    """
    given = {k: v for k, v in locals().items() if k not in OF_THE_STUDY}
    from discretevae.progress import track
    from discretevae.study.page import publish_study
    from discretevae.study.run import run_study

    _require_at_least("seeds", seeds, 2)
    _require_at_least("importance_samples", importance_samples, 0)
    folder = Path(output or f"runs/study-{Path(data).stem}")
    options = study_options(**given)
    try:
        found, work = run_study(
            options, folder, num_latents, seeds, contrastive, importance_samples, track
        )
        page = publish_study(found, work)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("; the same command goes on where it stopped") from None
    for path in (folder / "study.json", page):
        print(path)


COMMANDS: Commands = {
    "train": train,
    "evaluate": evaluate,
    "sample": sample,
    "reconstruct": reconstruct,
    "encode": encode,
    "decode": decode,
    "compress": compress,
    "decompress": decompress,
    "prior": prior,
    "impute": impute,
    "score": score,
    "export": export,
    "explore": explore,
    "share": share,
    "gradients": gradients,
    "compare": compare,
    "study": study,
    "datasets": datasets,
    "estimators": estimators,
}


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; what the user got wrong becomes one line and exit status 2."""
    command, status = "", 2
    try:
        command, given = parse(COMMANDS, sys.argv[1:] if arguments is None else arguments)
        resumed = command == "train" and given.get("resume")
        (_resume if resumed else COMMANDS[command])(**given)
        return
    except (ValueError, OSError, MemoryError) as error:
        message = " ".join(str(error).split()) or "not enough memory."
    except RecursionError:
        message = "a file must not be nested deeper than Python can read."
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        message = f"not enough memory for these sizes: {str(error).splitlines()[0]}"
    except KeyboardInterrupt as error:
        message, status = f"interrupted{error}.", 130
    print(f"discretevae {command}".rstrip() + f": {message}", file=sys.stderr)
    raise SystemExit(status)


class _Parts(NamedTuple):
    data: "Splits"
    model: "VAE"
    training: "TrainingOptions"


def _resume(resume: str, **given: Any) -> None:
    """Goes on with a run: what is given besides must be what the run has, but for the epochs."""
    from discretevae.runs import Run, held

    run = Run.open(resume)
    stored = _stored_options(run)
    if process_rank(stored["devices"] * stored["num_nodes"]):
        parts = _assemble(_resumed(stored, given), run.folder)
        _take_part(parts, run.folder, resume=True)
        return
    with held(run.folder):
        stored = _stored_options(run)
        options = _resumed(stored, given)
        if run.model.is_dir() and not (run.folder / "checkpoints").is_dir():
            raise ValueError(
                f"`resume` must be a run that was trained, with its checkpoints, got {resume!r}, "
                "which holds a finished model without: to go on would train it anew."
            )
        parts = _assemble(options, run.folder)
        if options != stored:
            run.write_options(options)
        run.remove_leftovers()
        _train(run, options, parts, resume=True)


def _assemble(options: dict[str, Any], folder: Path | None = None) -> _Parts:
    """Builds everything from options, so that mistakes show before anything is written."""
    from discretevae.assemble import data_from_options
    from discretevae.experiments import build

    data = data_from_options(options)
    return _Parts(data, *build(options, data, folder))


def _take_part(parts: _Parts, folder: Path, resume: bool) -> None:
    """Trains beside the first process, which alone writes."""
    from discretevae.training import train as fit

    data, model, training = parts
    fit(model, data, training, folder, resume=resume)


def _train(run: "Run", options: dict[str, Any], parts: _Parts, resume: bool) -> None:
    """Trains, saves the model, evaluates; an interruption says how to go on."""
    from discretevae.publish import describe, publish
    from discretevae.training import train as fit

    data, model, training = parts
    print(f"{run.folder}: {describe(model, data)}", file=sys.stderr)
    try:
        fit(model, data, training, run.folder, resume=resume)
        model.save_pretrained(run.model)
        publish(run, model, data, options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"; to go on: {_resume_command(run)}") from None


def _resume_command(run: "Run") -> str:
    import shlex

    return shlex.join(["discretevae", "train", "--resume", str(run.folder)])


def _resumed(stored: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The options of a run to go on with; of those given now only the epochs may differ."""
    from discretevae.assemble import resolve_options

    for name in ("output", "overwrite"):
        if given.get(name):
            raise ValueError(f"`{name}` must not go with --resume, got {given[name]!r}.")
    asked = {
        k: v for k, v in given.items() if k not in NOT_STORED and v is not None and v != "auto"
    }
    options = resolve_options({**stored, **asked})
    for name in sorted(asked.keys() - {"epochs"}):
        if options[name] != stored[name]:
            raise ValueError(
                f"`{name}` must stay as the resumed run has it ({stored[name]!r}), "
                f"got {asked[name]!r}."
            )
    return options


def _defaults(command: Callable[..., None]) -> dict[str, Any]:
    """The options of a command at their defaults, without those that say where a run is."""
    parameters = inspect.signature(command).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in NOT_STORED}


def study_options(data: str, **given: Any) -> dict[str, Any]:
    """The options that the runs of `study DATA` have in common."""
    of_study = {k: v for k, v in _defaults(study).items() if k not in OF_THE_STUDY}
    return {**_defaults(train), **of_study, "data": data, **given}


def _untrained(**given: Any) -> tuple["VAE", "Splits", Path]:
    """A model as training would start it, its data, and a folder for what is measured."""
    from discretevae.assemble import resolve_options
    from discretevae.runs import free_folder

    for name in ("num_latents", "num_categories"):
        if given[name] is None:
            raise ValueError(f"`{name}` must be given where there is no RUN, got none.")
    given = {name: value for name, value in given.items() if value is not None}
    options = resolve_options({**_defaults(train), **given})
    parts = _assemble(options)
    folder = free_folder(Path("runs"), f"gradients-{_name(parts.data, options)}")
    return parts.model, parts.data, folder


def _trained(run: str, sizes: dict[str, Any]) -> tuple["VAE", "Splits", Path]:
    """A run's model, its data, and a folder for what is measured."""
    from discretevae.assemble import data_from_options
    from discretevae.runs import Run

    for name, value in sizes.items():
        if value is not None:
            raise ValueError(f"`{name}` must not go with a RUN, which has its own, got {value}.")
    opened = Run.open(run)
    model = _saved_model(opened)
    return model, data_from_options(_stored_options(opened)), opened.folder / "gradients"


def _present(report: "GradientReport", folder: Path) -> None:
    from discretevae.laboratory.present import draw_gradients, print_gradients

    print_gradients(report)
    for path in (folder / "gradients.json", *draw_gradients(report, folder)):
        print(path)


def _names(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _discrete(model: "VAE") -> "DiscreteVAE":
    from discretevae.models import DiscreteVAE, JointVAE

    if not isinstance(model, DiscreteVAE) or isinstance(model, JointVAE):
        raise ValueError(f"`RUN` must be of a discrete model, got a {model.kind}.")
    return model


def _laboratory_estimators(model: "DiscreteVAE", names: str | None) -> dict[str, "Estimator"]:
    """The estimators of E_q[f(z)] with these names; all that suit the model without any."""
    from discretevae.estimators import ESTIMATORS
    from discretevae.laboratory import require_suitable, suitable_estimators
    from discretevae.multisample import MULTISAMPLE_ESTIMATORS
    from discretevae.names import resolve

    if names is None:
        return suitable_estimators(model)
    for name in _names(names):
        if name in MULTISAMPLE_ESTIMATORS:
            raise ValueError(
                f"`estimators` must be of E_q[f(z)], got {name!r}, which is of the S-sample bound."
            )
    chosen = {name: resolve("estimators", name, ESTIMATORS)() for name in _names(names)}
    for estimator in chosen.values():
        require_suitable(estimator, model)
    return chosen


def _stored_options(run: "Run") -> dict[str, Any]:
    try:
        stored = typed_options("train", train, run.options())
    except OptionsError as error:
        raise ValueError(f"`{run.config}` must hold the options of a run, got: {error}.") from None
    return {name: value for name, value in stored.items() if name not in NOT_STORED}


def _as_trained(run: "Run", options: dict[str, Any]) -> dict[str, Any]:
    """The estimator and β with which the weights that were kept were trained."""
    from dataclasses import replace

    from discretevae.assemble import estimator_from_options
    from discretevae.training import best_row

    history = run.read_history("epoch") if run.history.exists() else []
    row = best_row(history) if history else {}
    beta = {"beta": row["beta"]} if "beta" in row else {}
    estimator = estimator_from_options(options)
    if "temperature" in row:
        estimator = replace(estimator, temperature=row["temperature"])  # type: ignore[type-var]
    return beta if estimator is None else {"estimator": estimator, **beta}


def _name(data: "Splits", options: dict[str, Any]) -> str:
    sizes = f"{options['num_latents']}x{options['num_categories']}"
    return f"{data.name}-{sizes}" if options["model"] == "discrete" else f"{data.name}-gaussian"


def _saved_model(run: "Run", **trained_with: Any) -> "VAE":
    from discretevae.models import from_pretrained

    if not run.model.is_dir():
        raise ValueError(
            f"`RUN` must be a finished run, got {str(run.folder)!r}, which holds no model; "
            f"to go on with it: {_resume_command(run)}"
        )
    return from_pretrained(run.model, **trained_with)


def _output(given: str | None, usual: Path, model: "VAE") -> Path:
    """A picture or an array; sentences and rows of a table go to a .csv file."""
    from discretevae.writing import writes

    endings = (".csv",) if writes(model.likelihood) else (".png", ".npy")
    path = usual.with_suffix(endings[0]) if given is None else Path(given)
    if path.suffix not in endings:
        raise ValueError(f"`--output` must end in {' or '.join(endings)}, got {str(path)!r}.")
    return path


def _save_written(path: Path, written: "Written") -> None:
    from discretevae.files import write_text
    from discretevae.writing import as_csv

    write_text(path, as_csv(*written))


def _save_array(path: Path, array: Any) -> None:
    import numpy as np

    from discretevae.files import atomic_path

    with atomic_path(path) as temporary:
        np.save(temporary, array, allow_pickle=False)


def _require_at_least(name: str, value: int, least: int) -> None:
    if not least <= value < 2**63:
        raise ValueError(f"`{name}` must be at least {least} and below 2^63, got {value}.")


def _yes(value: bool) -> str:
    return "yes" if value else "no"
