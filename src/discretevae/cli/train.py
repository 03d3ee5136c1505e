"""The command that trains a model, evaluates it, and writes its page."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from discretevae.cli.parser import OptionsError, typed_options
from discretevae.names import require_count
from discretevae.processes import process_rank

if TYPE_CHECKING:
    from discretevae.data import Splits
    from discretevae.experiments.folder import Run
    from discretevae.models import VAE
    from discretevae.training import TrainingOptions

__all__ = ["Parts", "assemble", "default_name", "defaults", "resume", "stored_options", "train"]

NOT_STORED = ("output", "overwrite", "resume")
"""Options that say where a run is, not what it is."""


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
    from discretevae.experiments.folder import Run, free_folder, held
    from discretevae.experiments.options import resolve_options

    require_count("importance_samples", importance_samples, 0)
    if overwrite and output is None:
        raise ValueError("`overwrite` must go with --output, which was not given.")
    options = resolve_options(options)
    parts = assemble(options)  # whatever is wrong shows before a folder is touched
    folder = output or free_folder(Path("runs"), default_name(parts.data, options))
    if process_rank(parts.training.processes):
        _take_part(parts, Path(folder), resume=False)
        return
    with held(folder):
        _train(Run.create(folder, options, overwrite), options, parts, resume=False)


def resume(resume: str, **given: Any) -> None:
    """Goes on with a run: what is given besides must be what the run has, but for the epochs."""
    from discretevae.experiments.folder import Run, held

    run = Run.open(resume)
    stored = stored_options(run)
    if process_rank(stored["devices"] * stored["num_nodes"]):
        parts = assemble(_resumed(stored, given), run.folder)
        _take_part(parts, run.folder, resume=True)
        return
    with held(run.folder):
        stored = stored_options(run)
        options = _resumed(stored, given)
        if run.model.is_dir() and not (run.folder / "checkpoints").is_dir():
            raise ValueError(
                f"`resume` must be a run that was trained, with its checkpoints, got {resume!r}, "
                "which holds a finished model without: to go on would train it anew."
            )
        parts = assemble(options, run.folder)
        if options != stored:
            run.write_options(options)
        run.remove_leftovers()
        _train(run, options, parts, resume=True)


def defaults(command: Callable[..., None]) -> dict[str, Any]:
    """The options of a command at their defaults, without those that say where a run is."""
    parameters = inspect.signature(command).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in NOT_STORED}


def stored_options(run: "Run") -> dict[str, Any]:
    """The options of a run, checked as if they were given now.

    Raises:
        ValueError: If they are none.
    """
    try:
        stored = typed_options("train", train, run.options())
    except OptionsError as error:
        raise ValueError(f"`{run.config}` must hold the options of a run, got: {error}.") from None
    options = {name: value for name, value in stored.items() if name not in NOT_STORED}
    return {**options, "schema": run.read_schema()}


class Parts(NamedTuple):
    """What a run is made of."""

    data: "Splits"
    model: "VAE"
    training: "TrainingOptions"


def assemble(options: dict[str, Any], folder: Path | None = None) -> Parts:
    """Builds everything from options, so that mistakes show before anything is written."""
    from discretevae.experiments.build_data import data_from_options
    from discretevae.experiments.run import build

    data = data_from_options(options)
    return Parts(data, *build(options, data, folder))


def default_name(data: "Splits", options: dict[str, Any]) -> str:
    """The name of a run's folder, where none is given."""
    sizes = f"{options['num_latents']}x{options['num_categories']}"
    return f"{data.name}-{sizes if options['model'] == 'discrete' else options['model']}"


def _train(run: "Run", options: dict[str, Any], parts: Parts, resume: bool) -> None:
    """Trains, saves the model, evaluates; an interruption says how to go on."""
    from discretevae.pages.publish import describe, publish
    from discretevae.training import train as fit

    data, model, training = parts
    if not resume:
        run.write_schema(data.schema)
    print(f"{run.folder}: {describe(model, data)}", file=sys.stderr)
    try:
        fit(model, data, training, run.folder, resume=resume)
        model.save_pretrained(run.model)
        publish(run, model, data, options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"; to go on: {run.resume_command}") from None


def _take_part(parts: Parts, folder: Path, resume: bool) -> None:
    """Trains beside the first process, which alone writes."""
    from discretevae.training import train as fit

    data, model, training = parts
    fit(model, data, training, folder, resume=resume)


def _resumed(stored: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The options of a run to go on with; of those given now only the epochs may differ."""
    from discretevae.experiments.options import resolve_options

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
