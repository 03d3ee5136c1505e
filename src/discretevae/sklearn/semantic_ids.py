"""Residual quantisation as a scikit-learn transformer: embeddings to semantic ids and back."""

import math
from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data
from torch import Tensor

from discretevae.data.seeding import generator
from discretevae.evaluation import collisions
from discretevae.models import QuantisedVAE
from discretevae.names import require_count
from discretevae.networks import MLP
from discretevae.sklearn.options import takes_anything
from discretevae.training.schedules import cosine

__all__ = ["SemanticIds"]

BLOCK = 4096
"""Rows that are encoded or decoded at a time."""
DIM = 32
"""Numbers of a vector of a codebook, at most; of rows with fewer, as many as they have."""


class SemanticIds(TransformerMixin, BaseEstimator):
    r"""Gives rows ids of L digits from 0 to K − 1: near rows share the first ones.

    .. math:: z_l = \arg\min_k \Big\lVert h(x) - \sum_{m < l} e^{(m)}_{z_m} - e^{(l)}_k \Big\rVert

    Columns are standardised; a :class:`~discretevae.models.QuantisedVAE` without a grid is trained
    under a Gaussian likelihood. The gradient for the encoder is **biased** (straight-through).

    Arguments:
        num_digits: L ≥ 1.
        num_codes: K ≥ 2, of each digit.
        widths: Units of the encoder's hidden layers, from the data inwards; the decoder's are the
            same, from the code outwards.
        epochs: Passes over the rows.
        batch_size: Rows a step.
        learning_rate: Of Adam, which falls to 0 by a cosine.
        random_state: Of weights and order: a number, a `RandomState` or None.

    Attributes:
        model_: The trained model, of standardised rows.
        collisions_: Share of the training rows whose id another has, between 0 and 1.
        mean_: Of each column.
        scale_: Its standard deviation; 1 where it is constant.
        n_features_in_: Columns.

    Raises:
        ValueError: If an option is out of range or rows are no finite numbers.

    Reference: Rajput et al., Recommender systems with generative retrieval, 2023, §3.1.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(200, 8)).repeat(2, 0)
        >>> ids = SemanticIds(num_digits=2, num_codes=16, epochs=5, random_state=0).fit(X)
        >>> ids.transform(X).shape, ids.inverse_transform(ids.transform(X)).shape
        ((400, 2), (400, 8))
    """

    @takes_anything
    def __init__(
        self,
        num_digits: int = 3,
        num_codes: int = 256,
        widths: tuple[int, ...] = (128, 64),
        epochs: int = 50,
        batch_size: int = 100,
        learning_rate: float = 2e-3,
        random_state: Any = None,
    ) -> None:
        self.num_digits = num_digits
        self.num_codes = num_codes
        self.widths = widths
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "SemanticIds":
        """Trains on all rows; `y` is not looked at."""
        self._require_options()
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        scaler = StandardScaler().fit(X)
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rows = torch.from_numpy((X - self.mean_) / self.scale_).float()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model_ = self._trained(rows, seed)
        self.collisions_ = collisions(self._encoded(rows))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Gives the id of each row, (n, L) whole numbers."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        rows = torch.from_numpy((X - self.mean_) / self.scale_).float()
        return self._encoded(rows).numpy()

    @torch.no_grad()
    def inverse_transform(self, X: Any) -> np.ndarray:
        """Gives the row that stands for each id, in the units of the data.

        Raises:
            ValueError: If these are no ids of this model.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=np.float64)
        if X.shape[1] != self.num_digits or not (X.round() == X).all():
            raise ValueError(
                f"`X` must hold ids of {self.num_digits} whole numbers, got {X.shape[1]} columns."
            )
        codes = torch.from_numpy(X).long()
        decoded = torch.cat([self.model_.decode(part).mean for part in codes.split(BLOCK)])
        found: np.ndarray = decoded.double().numpy() * self.scale_ + self.mean_
        return found

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Gives the names of the digits: z0, z1, …"""
        check_is_fitted(self)
        _check_feature_names_in(self, input_features)
        return np.array([f"z{i}" for i in range(self.num_digits)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # ids are whole numbers
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.num_digits)

    def _trained(self, rows: Tensor, seed: int) -> QuantisedVAE:
        dim = min(DIM, rows.shape[1])
        network = MLP(tuple(self.widths))
        sizes = int(self.num_codes), dim, "vq", int(self.num_digits)
        model = QuantisedVAE((rows.shape[1],), *sizes, network, "gaussian")
        model.start_at(rows)
        optimizer = torch.optim.Adam(model.parameters(), float(self.learning_rate))
        rate = cosine(float(self.learning_rate), 0.0, int(self.epochs))
        for epoch in range(int(self.epochs)):
            for group in optimizer.param_groups:
                group["lr"] = rate(epoch)
            order = torch.randperm(len(rows), generator=generator("fit", seed, epoch))
            for part in order.split(int(self.batch_size)):
                loss = -model.objective(rows[part]).mean()
                if not math.isfinite(float(loss)):
                    raise ValueError(
                        "`learning_rate` must be low enough for the objective to stay finite, got "
                        f"{self.learning_rate}."
                    )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return model.eval()

    @torch.no_grad()
    def _encoded(self, rows: Tensor) -> Tensor:
        return torch.cat([self.model_.encode(part) for part in rows.split(BLOCK)])

    def _require_options(self) -> None:
        least = {"num_digits": 1, "num_codes": 2, "epochs": 1, "batch_size": 1}
        for name, minimum in least.items():
            require_count(name, getattr(self, name), minimum)
        rate = self.learning_rate
        if not isinstance(rate, Real) or not 0 < float(rate) < math.inf:
            raise ValueError(f"`learning_rate` must be positive and finite, got {rate}.")
