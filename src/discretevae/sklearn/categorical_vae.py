"""The DiscreteVAE as a scikit-learn transformer: rows of a table to codes and back."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data
from torch import Tensor
from torch.optim import Optimizer

from discretevae.data.formats.frames import is_frame, is_mixed, read_frame
from discretevae.data.seeding import generator
from discretevae.data.table_schema import TableSchema
from discretevae.estimators import Estimator
from discretevae.estimators.multisample import MultiSampleEstimator
from discretevae.latents import categorical, is_enumerable
from discretevae.likelihoods import ColumnsLikelihood, Likelihood, likelihood_from_config
from discretevae.models import DiscreteVAE
from discretevae.names import resolve
from discretevae.networks import MLP, ColumnsNetwork, Network
from discretevae.objectives import importance_weighted_bound
from discretevae.sklearn.options import takes_anything
from discretevae.training.defaults import Budget, budget
from discretevae.training.optimizers import OPTIMIZERS
from discretevae.training.options import Loop
from discretevae.training.schedules import cosine

__all__ = ["OUTPUTS", "CategoricalVAE", "Output"]

VALIDATION_SAMPLES = 4
"""Codes a held-out row; the same draws after every epoch."""
BUDGET = 2**12
"""Up to so many codes log p(x) is a sum over all of them."""
SAMPLES = 100
"""Importance weights a row where there are more."""
BLOCK = 1024
"""Rows that are encoded, decoded or summed over at a time."""
_RANDOM_STATE = Lock()
"""PyTorch has one random state for all threads, in which a grid search may fit models."""


@dataclass(frozen=True)
class Output:
    """One form of q(z|x) as the columns of a table.

    Arguments:
        of: Makes it of the logits (N, D, K).
        codes: Finds the most probable code in it, given (D, K).
        names: Of its columns, given (D, K).
        floating: Whether its type follows that of the data.
    """

    of: Callable[[Tensor], Tensor]
    codes: Callable[[Tensor, tuple[int, int]], Tensor]
    names: Callable[[int, int], list[str]]
    floating: bool = True


def _per_category(of: Callable[[Tensor], Tensor]) -> Output:
    return Output(
        lambda logits: of(logits).flatten(1),
        lambda z, sizes: z.unflatten(1, sizes).argmax(-1),
        lambda d, k: [f"z{i}_{j}" for i in range(d) for j in range(k)],
    )


def _whole_codes(z: Tensor, sizes: tuple[int, int]) -> Tensor:
    if not bool((z == z.round()).all()):
        raise ValueError("`X` must hold codes, which are whole numbers, got fractions.")
    return z.long()


OUTPUTS: dict[str, Output] = {
    "codes": Output(
        lambda logits: logits.argmax(-1),
        _whole_codes,
        lambda d, k: [f"z{i}" for i in range(d)],
        floating=False,
    ),
    "one-hot": _per_category(categorical.one_hot_argmax),
    "probabilities": _per_category(lambda logits: logits.softmax(-1)),
}
"""Name → what `transform` gives."""


@dataclass(frozen=True)
class Rows:
    """Rows of a table, dense or sparse, as the model sees them: u = (x − m) / s."""

    X: Any
    mean: np.ndarray
    scale: np.ndarray

    def __len__(self) -> int:
        return int(self.X.shape[0])

    @property
    def log_volume(self) -> float:
        """What log p(x) has beside log p(u), in nats: −Σ log s."""
        return -float(np.log(self.scale).sum())

    def take(
        self, index: Int[Tensor, " n"] | slice, dtype: torch.dtype = torch.float64
    ) -> Float[Tensor, "n F"]:
        """Gives the rows at these positions, filled in where they are sparse."""
        part = self.X[index if isinstance(index, slice) else index.numpy()]
        part = part.toarray() if issparse(part) else part
        return torch.from_numpy((part - self.mean) / self.scale).to(dtype)

    def blocks(self, size: int = BLOCK) -> Iterator[Float64[Tensor, "_ F"]]:
        """Gives all rows in order, at most `size` at a time."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    def check(self, likelihood: Likelihood) -> None:
        """Refuses rows outside the support.

        Raises:
            ValueError: Naming the range that is needed and the values received.
        """
        for x in self.blocks():
            likelihood.check(x)


class CategoricalVAE(TransformerMixin, BaseEstimator):
    r"""Codes each row of a table by D categories of K kinds, and bounds its log-probability.

    A :class:`~discretevae.models.DiscreteVAE` with a perceptron, trained by a lean loop: Adam,
    its learning rate falling to zero along a cosine, β rising to 1 over the first half of the
    epochs. The weights with the best true ELBO on held-out rows are kept.

    The prior p(z) is learned. A Gaussian likelihood has one noise scale for all columns, so it is
    given standardised ones; all that comes out, densities included, is in the units of the data:

    .. math:: \log p(x) = \log p(u) - \sum_f \log s_f, \qquad u_f = (x_f - m_f) / s_f

    Dense rows and sparse ones are accepted; sparse ones are filled in a batch at a time. A data
    frame of which not every cell is a number, with names, dates or missing cells, is read as the
    command `train` reads a table: each column has the distribution of its kind, and what comes
    out is a data frame.

    Arguments:
        num_latents: D ≥ 1.
        num_categories: K ≥ 2.
        widths: Units of the encoder's hidden layers; the decoder mirrors them.
        likelihood: p(x|z): a name in `LIKELIHOODS`, a
            :class:`~discretevae.likelihoods.Likelihood`, or "auto": Bernoulli where all values
            are 0 or 1, else Gaussian. Of a data frame with cells that are no numbers, each column
            has its own.
        estimator: Of the gradient: a name, an object, or "auto", as the model takes it.
        output: What `transform` gives: "codes" (n, D) of integers, "one-hot" (n, D K) of zeros
            and ones, or "probabilities" (n, D K) of q(z|x). It may be changed after fitting.
        epochs: The most passes over the rows; by default some 2,000 steps, 30 to 500 passes.
        batch_size: Rows a step; by default 100, or 200 of 10,000 rows and more.
        learning_rate: Of the first step; by default that of the rule's optimiser.
        optimizer: adam, radam or muon, the default.
        validation_fraction: The part of the rows held out to choose the epoch whose weights are
            kept; 0 keeps the last. Needed against overfitting where rows are few.
        patience: Epochs without a better held-out ELBO after which training stops; by default a
            quarter of all.
        random_state: Of everything random. PyTorch's own random state is left alone.
        verbose: Print a line an epoch.

    Attributes:
        model_: The trained model, in evaluation mode and float64, in which the rounding does not
            depend on which rows are computed together. It takes (x − `mean_`) / `scale_`.
        mean_: m of each column; 0 unless the likelihood is Gaussian.
        scale_: s of each column; 1 unless the likelihood is Gaussian.
        schema_: What the columns of such a data frame mean; none where all are numbers.
        history_: One row an epoch: `objective`, the trained surrogate, and, where it is measured,
            `validation_elbo`, the true bound on rows held out, both in nats per row.
        n_iter_: Passes made over the rows.
        n_features_in_: Columns seen in `fit`.
        feature_names_in_: Their names, where all are strings.

    Reference: Jeffares & Liu, An Introduction to Discrete Variational Autoencoders, 2025.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> vae = CategoricalVAE(num_latents=3, num_categories=4, epochs=20, random_state=0)
        >>> codes = vae.fit_transform(X)
        >>> codes.shape, vae.inverse_transform(codes).shape, vae.score_samples(X).shape
        ((150, 3), (150, 4), (150,))
        >>> vae.set_params(output="probabilities").transform(X).shape
        (150, 12)
    """

    model_: DiscreteVAE
    mean_: np.ndarray
    scale_: np.ndarray
    schema_: TableSchema | None
    history_: list[dict[str, float]]
    n_iter_: int
    _optimizer: Optimizer | None

    @takes_anything
    def __init__(
        self,
        num_latents: int = 8,
        num_categories: int = 8,
        *,
        widths: Sequence[int] = (256, 128),
        likelihood: str | Likelihood = "auto",
        estimator: str | Estimator | MultiSampleEstimator = "auto",
        output: str = "codes",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        optimizer: str | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int | bool = 0,
    ) -> None:
        self.num_latents = num_latents
        self.num_categories = num_categories
        self.widths = widths
        self.likelihood = likelihood
        self.estimator = estimator
        self.output = output
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> "CategoricalVAE":
        """Trains a new model on rows (n, F).

        Raises:
            ValueError: If an argument is out of range, the data do not suit the likelihood, or
                the objective does not stay finite.
        """
        self._require_options()
        with _all_or_nothing(self):
            X = self._validated(X, reset=True)
            seed = self._draw_seed()
            model, rows = self._new(X, seed)
            with _training(model):
                history = self._train(model, rows, seed)
            self._keep(model, rows, seed, history)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> "CategoricalVAE":
        """Goes over rows (n, F) once, at the full learning rate, with β = 1 and none held out.

        The first call makes the model, and finds the likelihood and the standardisation, unless
        `fit` has. Raises as `fit` does.
        """
        self._require_options()
        new = not hasattr(self, "model_")
        with _all_or_nothing(self):
            X = self._validated(X, reset=new)
            if new:
                seed = self._draw_seed()
                self._keep(*self._new(X, seed), seed, [])
            rows = Rows(X, self.mean_, self.scale_)
            rows.check(self.model_.likelihood)
            model, optimizer = copy.deepcopy((self.model_, self._optimizer))
            draws = generator("partial_fit", self._seed, self.n_iter_)
            with _training(model):
                rule = self._budget(len(rows))
                optimizer = optimizer or _optimizer(model, rule)
                order = torch.randperm(len(rows), generator=draws).split(rule.batch_size)
                objective = self._go_over(model, optimizer, rows, order, draws)
            self.model_, self._optimizer = model, optimizer
            self.n_iter_ += 1
            self.history_ = [*self.history_, {"epoch": self.n_iter_, "objective": objective}]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Gives the codes of rows, in the form `output` asks for."""
        X, rows = self._rows(X)
        output = resolve("output", self.output, OUTPUTS)
        with torch.no_grad():
            parts = [output.of(self.model_.logits(x)) for x in rows.blocks()]
        found = torch.cat(parts).numpy()
        return found.astype(X.dtype, copy=False) if output.floating else found

    def inverse_transform(self, X: Any) -> Any:
        """Gives the mean of p(x|z), in the units of the data, of what `transform` gave.

        Of one-hot vectors and of probabilities the most probable code is decoded.

        Raises:
            ValueError: If the width is not that of `output`, or a code lies outside [0, K).
        """
        check_is_fitted(self)
        output, sizes = resolve("output", self.output, OUTPUTS), self._sizes
        X = check_array(X, dtype=np.float64, input_name="X")
        width = len(output.names(*sizes))
        if X.shape[1] != width:
            raise ValueError(
                f"`X` must have {width} columns where `output` is {self.output!r}, "
                f"got {X.shape[1]}."
            )
        codes = output.codes(torch.tensor(X), sizes)
        with torch.no_grad():
            parts = [self._decode(part).numpy() for part in codes.split(BLOCK)]
        return self._as_given(np.concatenate(parts))

    def sample(self, n_samples: int = 1) -> Any:
        """Draws new rows (n, F) from p(x): a code from the prior, then x from p(x|z).

        An integer `random_state` draws the same ones each time.

        Raises:
            ValueError: If `n_samples` is less than 1.
        """
        check_is_fitted(self)
        _require_whole("n_samples", n_samples, 1)
        seed = self._draw_seed()
        with torch.no_grad(), _seeded(seed):
            codes = self.model_.sample_codes(int(n_samples), generator("sample", seed))
            x = self.model_.decode(codes).sample()
        return self._as_given(x.numpy())

    def score_samples(self, X: Any) -> np.ndarray:
        r"""Gives log p(x) of each row, or a lower bound on it, in nats: low for anomalies.

        The exact sum over all codes where there are at most 4096; else the importance-weighted
        bound of 100 samples, which lies below log p(x) on average. Its noise is the same for all
        rows and in all calls: the score is a function of the row. Of continuous data it is a
        log-density, in the units of the data; of likelihoods that are not normalised, such as
        "bernoulli-grey", it is no log-probability.

        Reference: Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, 2016, eq. 8.

        Raises:
            ValueError: If rows lie outside the support of the likelihood.
        """
        _, rows = self._rows(X)
        rows.check(self.model_.likelihood)
        enumerable = is_enumerable(*self._sizes, BUDGET)
        score = self.model_.exact_log_likelihood if enumerable else self._bound
        size = BLOCK if enumerable else max(1, BLOCK // SAMPLES)
        with torch.no_grad():
            found = torch.cat([score(x) for x in rows.blocks(size)])
        return found.numpy() + rows.log_volume

    def score(self, X: Any, y: Any = None) -> float:
        """Gives the mean of `score_samples`, in nats per row: the higher the better."""
        return float(self.score_samples(X).mean())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names what `transform` gives: z0, z1, … for codes, else z0_0, z0_1, …"""
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        names = resolve("output", self.output, OUTPUTS).names(*self._sizes)
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = (
            [] if self.output == "codes" else ["float64", "float32"]
        )
        return tags

    @property
    def _sizes(self) -> tuple[int, int]:
        return self.model_.num_latents, self.model_.num_categories

    def _validated(self, X: Any, reset: bool) -> Any:
        if reset:
            self.schema_ = TableSchema.learn(read_frame(X)) if is_mixed(X) else None
        if self.schema_ is not None:
            return self._read(X, self.schema_, reset)
        dtypes = [np.float64, np.float32]
        return validate_data(self, X, reset=reset, accept_sparse="csr", dtype=dtypes)

    def _read(self, X: Any, schema: TableSchema, reset: bool) -> np.ndarray:
        """Reads a data frame of all kinds of cells; NaN where one is missing."""
        if not is_frame(X):
            raise ValueError(
                f"`X` must be a data frame with the columns seen in `fit`, got {type(X).__name__}."
            )
        table = read_frame(X)
        if reset:
            self.feature_names_in_ = np.array(list(table.columns), dtype=object)
            self.n_features_in_ = len(table.columns)
        return schema.read(table).examples.x.double().numpy()

    def _as_given(self, x: np.ndarray) -> Any:
        """Gives rows in the units of the data; a data frame where one was given."""
        if self.schema_ is None:
            return x * self.scale_ + self.mean_
        import pandas

        return pandas.DataFrame(self.schema_.typed(torch.from_numpy(x).float()))

    def _rows(self, X: Any) -> tuple[Any, "Rows"]:
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        return X, Rows(X, self.mean_, self.scale_)

    def _draw_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _new(self, X: Any, seed: int) -> tuple[DiscreteVAE, "Rows"]:
        """Builds an untrained model for these rows, and the rows as it sees them."""
        likelihood = copy.deepcopy(self.likelihood)  # its weights and the estimator's are trained
        network: Network = MLP(tuple(self.widths))
        if self.schema_ is not None:
            likelihood = ColumnsLikelihood(self.schema_.columns)
            network = ColumnsNetwork(self.schema_.columns, tuple(self.widths))
        if isinstance(likelihood, str):
            name = likelihood if likelihood != "auto" else _likelihood_of(X)
            likelihood = likelihood_from_config(name, 1)
        rows = Rows(X, np.zeros(X.shape[1]), np.ones(X.shape[1]))
        if likelihood.standardised:
            moments = StandardScaler(with_mean=False).fit(X)  # constant columns have scale 1
            rows = Rows(X, moments.mean_.astype(float), moments.scale_.astype(float))
        rows.check(likelihood)
        with _seeded(seed):
            model = DiscreteVAE(
                (X.shape[1],),
                int(self.num_latents),
                int(self.num_categories),
                network,
                likelihood,
                copy.deepcopy(self.estimator),
                prior="learned",
            )
        return model.double().eval(), rows

    def _budget(self, rows: int) -> Budget:
        """What the options leave open, by the rule for so many rows."""
        return budget(
            Loop(
                epochs=_whole(self.epochs),
                batch_size=_whole(self.batch_size),
                optimizer=self.optimizer,
                learning_rate=None if self.learning_rate is None else float(self.learning_rate),
                patience=_whole(self.patience),
            ),
            rows,
        )

    def _train(self, model: DiscreteVAE, rows: "Rows", seed: int) -> list[dict[str, float]]:
        """Trains on all rows but those held out; leaves the model with the best weights."""
        shuffled = torch.randperm(len(rows), generator=generator("split", seed))
        held_out, train = shuffled.tensor_split([int(self.validation_fraction * len(rows))])
        rule = self._budget(len(train))
        optimizer, rate = _optimizer(model, rule), cosine(rule.learning_rate, 0.0, rule.epochs)
        history: list[dict[str, float]] = []
        best, best_epoch, best_weights = -math.inf, 0, None
        for epoch in range(1, rule.epochs + 1):
            for group in optimizer.param_groups:
                group["lr"] = rate(epoch - 1)
            draws = generator("fit", seed, epoch)
            order = train[torch.randperm(len(train), generator=draws)]
            objective = self._go_over(model, optimizer, rows, order.split(rule.batch_size), draws)
            history.append({"epoch": epoch, "objective": objective})
            measured = epoch % rule.measured_every == 0 or epoch == rule.epochs
            if len(held_out) and measured:
                elbo = _elbo(model, rows, held_out, generator("validation", seed))
                history[-1]["validation_elbo"] = elbo
                if elbo > best:
                    best, best_epoch = elbo, epoch
                    best_weights = copy.deepcopy(model.state_dict())
            if self.verbose:
                print(f"[{type(self).__name__}] " + _in_words(history[-1]))
            if len(held_out) and measured and epoch - max(best_epoch, 1) >= rule.patience:
                break
        if best_weights is not None:
            model.load_state_dict(best_weights)
        return history

    def _go_over(
        self,
        model: DiscreteVAE,
        optimizer: Optimizer,
        rows: "Rows",
        parts: Sequence[Int[Tensor, " _"]],
        draws: torch.Generator,
    ) -> float:
        """Makes a step on each part of these rows; gives the mean objective."""
        total = 0.0
        for part in parts:
            objective = model.objective(rows.take(part, model.dtype), draws).mean()
            value = float(objective.detach())
            if not math.isfinite(value):
                raise ValueError(
                    "`learning_rate` must be low enough for the objective to stay finite, "
                    f"got {optimizer.param_groups[0]['lr']} and an objective of {value}."
                )
            optimizer.zero_grad()
            (-objective).backward()
            optimizer.step()
            total += value * len(part)
        return total / sum(map(len, parts)) + rows.log_volume

    def _keep(
        self, model: DiscreteVAE, rows: "Rows", seed: int, history: list[dict[str, float]]
    ) -> None:
        self.model_, self.mean_, self.scale_ = model, rows.mean, rows.scale
        self.history_, self.n_iter_ = history, len(history)
        self._seed = seed
        self._optimizer = None

    def _decode(self, codes: Int[Tensor, "n D"]) -> Tensor:
        return self.model_.likelihood.point(self.model_.decode(codes))

    def _bound(self, x: Float64[Tensor, "n F"]) -> Float64[Tensor, " n"]:
        """Weighs the codes that one draw of Gumbel noise gives to each row."""
        model, logits = self.model_, self.model_.logits(x)
        shape = (SAMPLES, 1, *self._sizes)
        noise = categorical.gumbel(shape, logits, generator("score_samples", 0))
        z = categorical.one_hot_argmax(logits + noise)
        log_joint = model.decode_one_hot(z).log_prob(x) + model.prior.log_prob(z)
        return importance_weighted_bound(log_joint - categorical.log_prob(z, logits))

    def _require_options(self) -> None:
        least = {"num_latents": 1, "num_categories": 2, "epochs": 1, "batch_size": 1, "patience": 1}
        for name, minimum in least.items():
            if getattr(self, name) is not None:
                _require_whole(name, getattr(self, name), minimum)
        if self.optimizer is not None:
            resolve("optimizer", self.optimizer, OPTIMIZERS)
        if not isinstance(self.widths, Sequence) or isinstance(self.widths, str):
            raise ValueError(f"`widths` must be a sequence of whole numbers, got {self.widths!r}.")
        for width in self.widths:
            _require_whole("widths", width, 1)
        rate, fraction = self.learning_rate, self.validation_fraction
        if not (rate is None or (isinstance(rate, Real) and math.isfinite(rate) and rate > 0)):
            raise ValueError(f"`learning_rate` must be a positive number, got {rate!r}.")
        if not (isinstance(fraction, Real) and 0 <= fraction < 1):
            raise ValueError(f"`validation_fraction` must lie in [0, 1), got {fraction!r}.")
        resolve("output", self.output, OUTPUTS)


def _likelihood_of(X: Any) -> str:
    """Names the likelihood that suits the values of a table."""
    values = X.data if issparse(X) else X  # what a sparse one leaves out is 0
    return "bernoulli" if bool(((values == 0) | (values == 1)).all()) else "gaussian"


def _require_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"`{name}` must be a whole number of at least {least}, got {value!r}.")


def _whole(value: Any) -> int | None:
    """Makes Python's number of one of numpy's."""
    return None if value is None else int(value)


def _optimizer(model: DiscreteVAE, rule: Budget) -> Optimizer:
    trained = [p for p in model.parameters() if p.requires_grad]  # not an estimator's own
    return OPTIMIZERS[rule.optimizer](trained, rule.learning_rate)


def _elbo(
    model: DiscreteVAE, rows: Rows, index: Int[Tensor, " n"], draws: torch.Generator
) -> float:
    """The mean of the true bound on these rows: hard samples, β = 1."""
    model.eval()
    with torch.no_grad():
        blocks = (rows.take(part, model.dtype) for part in index.split(BLOCK))
        elbos = [model.elbo_terms(x, VALIDATION_SAMPLES, draws).elbo for x in blocks]
    model.train()
    return float(torch.cat(elbos).mean()) + rows.log_volume


def _in_words(row: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in row.items())


@contextmanager
def _training(model: DiscreteVAE) -> Iterator[None]:
    """Trains in float32, twice as fast; evaluation is in float64."""
    model.float().train()
    try:
        yield
    finally:
        model.zero_grad()
        model.double().eval()


@contextmanager
def _all_or_nothing(estimator: BaseEstimator) -> Iterator[None]:
    """Lets an estimator whose training fails keep the attributes that it had."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Lets PyTorch draw from this seed, and leaves its own random state as it was."""
    with _RANDOM_STATE, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
