"""The recipe of a run: what commands, configuration files and studies have as options.

Nothing is loaded here that a command does without which only shows its help.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from discretevae.names import named, one_of
from discretevae.training.options import Aim, Loop, TrainingOptions

__all__ = ["Data", "Evaluation", "Model", "Objective", "Recipe", "Training"]

NETWORKS = (
    *("tutorial", "report-mlp", "report-cnn", "image", "mlp", "cnn"),
    *("residual", "residual-image"),
)
"""Names of the table of the same name, which is not loaded here."""


@dataclass(frozen=True)
class Data:
    """What the examples are.

    Arguments:
        data: Name of a data set (see `discretevae datasets`), a .npy, .npz, .csv, .parquet or .json
            file, a folder of images, or a .txt file of sentences, one a line; given as the first
            argument.
        likelihood: bernoulli, continuous-bernoulli, gaussian, bernoulli-grey (cross-entropy on
            grey values, labelled as no likelihood), discretised-logistic, logistic-mixture or
            levels (of bytes, whose bits per dimension compare with others'), local-bernoulli or
            local-mixture (each pixel of an image also given those just before it; of bits, of
            bytes), tokens (of sentences) or columns (of a table of numbers, texts and missing
            cells); by default bernoulli for a named data set, discretised-logistic where it is of
            photographs, else what suits the data, as `discretevae inspect` says.
        binarize: fresh (a new Bernoulli draw each time), fixed (one draw), threshold, or none; by
            default fresh for the Bernoulli likelihoods, none for the others.
        condition: What encoder, prior and decoder are told of each example: none, labels (its
            class), or context (an array `context` in a .npz file).
        drop: Columns to leave out, with commas between them; a name with a comma in quotes.
        id: Columns that name the rows, with commas between them.
        label: The column, or the array of an archive, that holds the labels.
        numeric: Columns that are numbers, whatever they look like, with commas between them.
        categorical: Columns whose cells are names, with commas between them.
        date: Columns that are dates, with commas between them.
        na_values: What a cell without a value may say besides, with commas between them; age=-1
            in one column alone.
        header: Whether the first line of a file names the columns: auto, yes or no.
        delimiter: What stands between cells: a sign, or tab.
        decimal: The decimal sign, a point or a comma.
        layout: Of images in an array: auto, channels-first or channels-last.
        levels: The number that stands for 1: 255 for bytes, 65535 for 16 bits.
        splits: auto takes parts called train, val and test as they are, pool splits by seed.
        size: The side to which images of several sizes are scaled and cut.
        strict: Refuse what would else be counted and left out.
        column: Of sentences, in a table.
        pieces: Size of a vocabulary of pieces of words; by default tokens are characters.
        sentence_length: Most tokens of a sentence, longer ones are cut and counted; by default
            those of the longest.
        validation: Fraction of the training examples held out to decide when to stop.
        test: Fraction held out for the report, where the data bring no test set.
        limit: Most examples to take of each part, for a quick try.
        stream: Leave the training examples on disk, for a .npy or .parquet file or a folder of
            images larger than memory; 256 MiB of them at most are in memory at a time.
    """

    data: str = "digits"
    likelihood: str | None = named(
        None,
        "likelihoods:LIKELIHOODS",
        "experiments.build_data:FORMATS",
        names=(
            *("bernoulli", "bernoulli-grey", "continuous-bernoulli", "gaussian"),
            *("discretised-logistic", "logistic-mixture", "levels"),
            *("local-bernoulli", "local-mixture", "tokens", "columns"),
        ),
    )
    binarize: str | None = named(
        None, "data:BINARIZERS", names=("fresh", "fixed", "threshold", "none")
    )
    condition: str = named("none", "data:CONDITIONS", names=("none", "labels", "context"))
    drop: str | None = None
    id: str | None = None
    label: str | None = None
    numeric: str | None = None
    categorical: str | None = None
    date: str | None = None
    na_values: str | None = None
    header: str = one_of("auto", "auto", "yes", "no")
    delimiter: str | None = None
    decimal: str | None = None
    layout: str = one_of("auto", "auto", "channels-first", "channels-last")
    levels: int | None = None
    splits: str = one_of("auto", "auto", "pool")
    size: int | None = None
    strict: bool = False
    column: str | None = None
    pieces: int | None = None
    sentence_length: int | None = None
    validation: float = 0.1
    test: float = 0.1
    limit: int | None = None
    stream: bool = False


@dataclass(frozen=True)
class Model:
    """What explains them.

    Arguments:
        model: discrete (D categorical latents), gaussian (the continuous baseline), hierarchical
            (layers of categorical latents), joint (categorical latents and Gaussian ones),
            semi-supervised (a class beside the code, known for some examples), or a grid of codes
            of a codebook, of images: vq, diveq, simvq, fsq, lfq, bsq (each vector is the nearest),
            two-level (vq on a coarse and on a fine grid), sq (one near it is drawn) or gumbel-vq
            (one is drawn by its logits).
        num_latents: D, the number of latents; of the layer nearest to the data. By default 4, or
            16 of 1,000 images and more.
        num_categories: K, the number of categories of each latent; by default 8.
        prior: p(z): auto (uniform; that of a table or a grid is replaced after training by an
            autoregressive one, where the bound on the validation rows rises), uniform, learned
            (the probabilities of each latent), conditional (given --condition), autoregressive
            (each latent given those before), boltzmann (a restricted Boltzmann machine between
            two halves of the latents), or, over the positions of a grid, pixelcnn or transformer
            (each given those before; what auto is for --model vq and its like).
        network: tutorial, report-mlp, report-cnn, image (normalised convolutions),
            mlp or cnn (of the widths or channels given), residual (between an image and a grid),
            residual-image (deeper than image, with residual blocks at every scale);
            gru or transformer for sentences. By default image for images from 16 × 16, else
            tutorial; residual for grids of codes; gru for sentences.
        widths: Units of the hidden layers of --network mlp, or of that of tables, from the data
            inwards; or the units of gru and transformer.
        channels: Filters of the convolutions of --network cnn, from the image inwards.
        activation: Between two layers: relu or leaky-relu (slope 0.2); by default the network's.
        embedding_size: Numbers of the learned vector by which each category reaches the decoder;
            by default it is one-hot.
        upper_latents: Latents of the layers above the first, for --model hierarchical.
        posterior_blocks: Blocks in which the latents of --model discrete are inferred, each given
            the hard draws of those before; by default all at once.
        inference: Order in which layers are inferred: top-down (the default) or bottom-up.
        continuous: Gaussian latents, for --model joint.
        codebook: K, the codes at each position of a grid, or about as many; by default 512.
        code_size: Numbers of the vector of a code, where a quantiser leaves it open; by default
            64, for sq 16.
        down: How many times smaller than the image's sides are those of the grid: 1, 2, 4, 8, 16;
            by default 4.
        num_quantisers: Quantisers one after the other, each of what those before it have left; by
            default 1.
        groups: Groups into which the numbers of a vector are split, each with quantisers of its
            own; by default 1.
        gradient: What --model vq gives the encoder: straight-through (a copy, the default) or
            rotation.
        rate: Train the prior of a grid along with the model, which pays for its codes; by default
            it is fitted to them afterwards.
        labelled: Labels that --model semi-supervised is given, the same number of each class.
        classifier: Network of q(class | x), for --model semi-supervised; by default as --network.
    """

    model: str = named(
        "discrete",
        "experiments.build_model:MODELS",
        names=(
            *("discrete", "gaussian", "hierarchical", "joint", "semi-supervised"),
            *("vq", "diveq", "simvq", "fsq", "lfq", "bsq", "two-level", "sq", "gumbel-vq"),
        ),
    )
    num_latents: int | None = None
    num_categories: int | None = None
    prior: str = named(
        "auto",
        "priors:PRIORS",
        "experiments.defaults:BY_RULE",
        names=(
            *("uniform", "learned", "conditional", "autoregressive", "boltzmann"),
            *("pixelcnn", "transformer", "auto"),
        ),
    )
    network: str | None = one_of(None, *NETWORKS, "gru", "transformer")
    widths: list[int] | None = None
    channels: list[int] | None = None
    activation: str | None = one_of(None, "relu", "leaky-relu")
    embedding_size: int | None = None
    upper_latents: list[int] | None = None
    posterior_blocks: int | None = None
    inference: str | None = one_of(None, "top-down", "bottom-up")
    continuous: int | None = None
    codebook: int | None = None
    code_size: int | None = None
    down: int | None = None
    num_quantisers: int | None = None
    groups: int | None = None
    gradient: str | None = named(
        None, "latents.quantisers:GRADIENTS", names=("straight-through", "rotation")
    )
    rate: bool = False
    labelled: int | None = None
    classifier: str | None = named(None, "networks:NETWORKS", names=NETWORKS)


@dataclass(frozen=True)
class Objective(Aim):
    """What is maximised, and how its gradient is estimated.

    Arguments:
        estimator: auto or a name from `discretevae estimators`.
        samples: Samples of the estimator; by default its own number.
        baseline: Constant baseline of reinforce or iwae, in nats (negative), 0 for none; by
            default the moving average.
        free_bits: Nats that each latent may cost in the objective before they count; never in a
            reported bound.
        alpha: Weight of the classifier's own loss on the labels, for --model semi-supervised.
        word_dropout: Fraction of the tokens that the decoder of sentences does not see in training.
        hidden_cells: Fraction of the cells of a table that the encoder does not see in training,
            for imputation.
    """

    estimator: str = "auto"
    samples: int | None = None
    baseline: float | None = None
    temperature: str | None = None  # schedules are text here, as they are stored
    beta: str = "1"
    free_bits: float = 0.0
    alpha: float | None = None
    word_dropout: float = 0.0
    hidden_cells: float = 0.0
    balance: str = "0"
    contrastive: str = "0"


@dataclass(frozen=True)
class Training(Loop):
    """How it is maximised, and on which machine."""


@dataclass(frozen=True)
class Evaluation:
    """What is reported.

    Arguments:
        importance_samples: S of the importance-weighted log-likelihood; 0 leaves it out.
    """

    importance_samples: int = 1000


@dataclass(frozen=True)
class Recipe(Evaluation, Training, Objective, Model, Data):
    """All options of a run, which together with the versions repeat it.

    Example:
        >>> Recipe(num_latents=20, temperature="1.3").training(progress_bar=False).temperature
        '1.3'
    """

    def as_dict(self) -> dict[str, Any]:
        """Gives plain types, as `config.yaml` has them."""
        return asdict(self)

    def at_end(self) -> "Recipe":
        """Gives the model's options as the last phase of training has them.

        Example:
            >>> phases = [{"epochs": 5, "estimator": "vimco"}, {"epochs": 5, "prior": "learned"}]
            >>> Recipe(estimator="rloo", samples=4, phases=phases).at_end().estimator
            'vimco'
        """
        found = self
        for phase in self.training().later:
            if phase.estimator is not None:
                own: dict[str, Any] = {"estimator": phase.estimator, "samples": phase.samples}
                found = replace(found, **own, baseline=None, temperature=None)
            if phase.temperature is not None:
                found = replace(found, temperature=str(phase.temperature))
            found = replace(found, **phase.changes("prior", "free_bits"))
        return found

    def training(self, **changes: Any) -> TrainingOptions:
        """Picks the options of the training loop."""
        names = {field.name for field in fields(TrainingOptions)} & self.as_dict().keys()
        return TrainingOptions(**{name: getattr(self, name) for name in names} | changes)
