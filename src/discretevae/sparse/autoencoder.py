"""What is asked of a sparse autoencoder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize

from discretevae.names import require_count
from discretevae.sparse.dead import aux_k
from discretevae.sparse.median import geometric_median
from discretevae.sparse.products import Support, decoded, dense, preactivations
from discretevae.sparse.steered import started_biases

__all__ = ["Active", "Objective", "SparseAutoencoder"]


class Active(NamedTuple):
    """The latents that are active, and how strongly.

    Attributes:
        amplitudes: a at the support; those of latents that are looked at but not active are 0.
        support: Which latents of which rows.
    """

    amplitudes: Float[Tensor, " nnz"]
    support: Support


class Objective(NamedTuple):
    """What a batch adds to what is minimised.

    Attributes:
        loss: The mean over rows of squared error, penalty and what revives dead latents.
        squared_error: The mean of ‖y − ŷ‖².
        l0: The mean number of active latents.
        fired: Which latents were active in any row.
        error: y − ŷ, without its gradient.
    """

    loss: Float[Tensor, ""]
    squared_error: Float[Tensor, ""]
    l0: Float[Tensor, ""]
    fired: Bool[Tensor, " m"]
    error: Float[Tensor, "B e"]


class SparseAutoencoder(nn.Module, ABC):
    r"""Writes an activation as a sum of few of m directions.

    .. math:: h = (x - b_{dec}) W_{enc} + b_{enc}, \qquad a = \mathrm{act}(h), \qquad
        \hat x = a W_{dec} + b_{dec}

    A kind says which latents are active, how strongly, and what that costs. With `dim_out` it is a
    transcoder: it takes x to another activation y, and nothing is subtracted from x. The rows of
    W_dec have norm 1 while it is trained.

    Arguments:
        dim: d, the numbers of an activation.
        width: m, the number of latents.
        k: How many latents are active, each time or on average; at most m.
        dim_out: The numbers of y, of a transcoder.

    Raises:
        ValueError: If a size is out of range.
    """

    kind: ClassVar[str]
    architecture: ClassVar[str]
    """What SAELens calls the function that it is once it is trained."""
    in_units: ClassVar[tuple[str, ...]] = ("b_enc", "b_dec")
    """What has the units of the activations, and is scaled with them."""
    at_first: ClassVar[int] = 4
    """So many times k are active at the start of a training, and ever fewer: then fewer directions
    are found twice, and fewer not at all."""

    def __init__(self, dim: int, width: int, k: int, dim_out: int | None = None) -> None:
        super().__init__()
        require_count("dim", dim)
        require_count("width", width)
        require_count("k", k)
        if k > width:
            raise ValueError(f"`k` must be at most the width, {width}, got {k}.")
        self.dim, self.width, self.k, self.dim_out = dim, width, k, dim_out
        directions = normalize(torch.randn(width, dim_out or dim))
        self.W_dec = nn.Parameter(directions)
        encoder = normalize(torch.randn(dim, width), dim=0) if dim_out else directions.T.clone()
        self.W_enc = nn.Parameter(encoder.contiguous())
        self.b_enc = nn.Parameter(torch.zeros(width))
        self.b_dec = nn.Parameter(torch.zeros(dim_out or dim))

    @property
    def transcodes(self) -> bool:
        """Whether it takes activations to others."""
        return self.dim_out is not None

    @property
    def bias(self) -> Float[Tensor, " m"]:
        """What is added to x·W_enc."""
        return self.b_enc if self.transcodes else self.b_enc - self.b_dec @ self.W_enc

    @abstractmethod
    def picked(self, x: Float[Tensor, "B d"]) -> tuple[Support, Float[Tensor, " nnz"]]:
        """Finds the latents to look at, and their pre-activations; no gradient is asked of it.

        In training mode it may be by the whole batch, in evaluation mode each row is by itself.
        """

    @abstractmethod
    def amplitudes(self, h: Float[Tensor, " nnz"], support: Support) -> Float[Tensor, " nnz"]:
        """Gives a of the pre-activations at a support."""

    def penalty(
        self, h: Float[Tensor, " nnz"], a: Float[Tensor, " nnz"], support: Support
    ) -> Float[Tensor, ""]:
        """Gives what activity costs, on the scale of ‖y − ŷ‖²; the mean over rows."""
        return h.new_zeros(())

    def beside(
        self, h: Float[Tensor, " nnz"], support: Support, y: Float[Tensor, "B e"]
    ) -> Float[Tensor, ""]:
        """Gives what a kind adds to the loss besides; the mean over rows."""
        return h.new_zeros(())

    def options(self) -> dict[str, Any]:
        """Describes what a kind has of its own, in plain types."""
        return {}

    def config(self) -> dict[str, Any]:
        """Describes in plain types all that rebuilds it around its weights."""
        sizes = {"dim": self.dim, "width": self.width, "k": self.k, "dim_out": self.dim_out}
        return {"kind": self.kind, **sizes, **self.options()}

    def tensors(self) -> dict[str, Tensor]:
        """Names all that its function depends on as files do."""
        return {
            "W_enc": self.W_enc.data,
            "b_enc": self.b_enc.data,
            "W_dec": self.W_dec.data,
            "b_dec": self.b_dec.data,
        }

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes what :meth:`tensors` has given."""
        for name, value in self.tensors().items():
            value.copy_(tensors[name])

    def preactivations(self, x: Float[Tensor, "B d"]) -> tuple[Float[Tensor, " nnz"], Support]:
        """Gives h, with its gradient, of the latents that are looked at."""
        bias = self.bias
        support, values = self.picked(x)
        return preactivations(x, self.W_enc, bias, values, support), support

    def active(self, x: Float[Tensor, "B d"]) -> Active:
        """Gives the active latents of each row, sparse."""
        h, support = self.preactivations(x)
        a = self.amplitudes(h, support)
        on = a.detach() > 0
        return Active(a[on], support.where(on))

    def encode(self, x: Float[Tensor, "*B d"]) -> Float[Tensor, "*B m"]:
        """Gives a of all latents, most of which are 0.

        Raises:
            ValueError: If x has another width.
        """
        a, support = self.active(self._rows(x))
        return dense(a, support).reshape(*x.shape[:-1], self.width)

    def decode(self, a: Float[Tensor, "*B m"]) -> Float[Tensor, "*B e"]:
        """Gives x̂ of all amplitudes."""
        return a @ self.W_dec + self.b_dec

    def forward(self, x: Float[Tensor, "*B d"]) -> Float[Tensor, "*B e"]:
        """Gives x̂, or ŷ."""
        a, support = self.active(self._rows(x))
        found = decoded(a, self.W_dec, support) + self.b_dec
        return found.reshape(*x.shape[:-1], found.shape[-1])

    def _rows(self, x: Float[Tensor, "*B d"]) -> Float[Tensor, "N d"]:
        if x.shape[-1] != self.dim:
            raise ValueError(f"`x` must have rows of {self.dim} numbers, got {x.shape[-1]}.")
        return x.reshape(-1, self.dim)

    def objective(
        self,
        x: Float[Tensor, "B d"],
        y: Float[Tensor, "B e"] | None = None,
        dead: Bool[Tensor, " m"] | None = None,
    ) -> Objective:
        """Gives what a batch adds to what is minimised, and what became of its latents.

        Arguments:
            x: Activations.
            y: What a transcoder takes them to.
            dead: Latents that have not been active for long, which learn what is left over.
        """
        y = x if y is None else y
        h, support = self.preactivations(x)
        a = self.amplitudes(h, support)
        error, squared = self.errors(a, support, y)
        loss = squared + self.penalty(h, a, support) + self.beside(h, support, y)
        if dead is not None and bool(dead.any()):
            loss = loss + aux_k(self.W_enc, self.bias, self.W_dec, x, error.detach(), dead)
        on = a.detach() > 0
        fired = torch.zeros(self.width, dtype=torch.bool, device=x.device)
        fired[support.latents[on]] = True
        left = error.detach()
        return Objective(loss, left.square().sum(-1).mean(), on.sum() / len(x), fired, left)

    def errors(
        self, a: Float[Tensor, " nnz"], support: Support, y: Float[Tensor, "B e"]
    ) -> tuple[Float[Tensor, "B e"], Float[Tensor, ""]]:
        """Gives y − ŷ, and what is minimised of it, the mean over rows."""
        error = y - decoded(a, self.W_dec, support) - self.b_dec
        return error, error.square().sum(-1).mean()

    @torch.no_grad()
    def start_at(self, x: Float[Tensor, "N d"], y: Float[Tensor, "N e"] | None = None) -> None:
        """Starts the bias at the geometric median, a transcoder's rows where y follows x.

        Every latent is then active in the same share of rows: else those that start with the
        largest amplitudes would take all, and the others die.
        """
        target = x if y is None else y
        self.b_dec.copy_(geometric_median(target))
        if y is not None:
            together = (x - x.mean(0)).T @ (y - y.mean(0)) / len(x)
            self.W_dec.copy_(normalize(self.W_enc.T @ together))
        started_biases(self, x, torch.arange(self.width, device=x.device))

    @torch.no_grad()
    def restart(
        self,
        latents: Int64[Tensor, " n"],
        encoder: Float[Tensor, "n d"],
        decoder: Float[Tensor, "n e"],
        x: Float[Tensor, "N d"],
    ) -> None:
        """Gives latents new directions, and biases by some rows, as if they had just begun."""
        self.W_enc[:, latents] = encoder.T
        self.W_dec[latents] = decoder
        started_biases(self, x, latents)

    @torch.no_grad()
    def before_step(self) -> None:
        """Takes the part along the decoder's rows out of their gradient, which would be lost."""
        if self.W_dec.grad is not None:
            along = (self.W_dec.grad * self.W_dec).sum(1, keepdim=True)
            self.W_dec.grad.addcmul_(along, self.W_dec, value=-1)

    @torch.no_grad()
    def after_step(self, l0: float) -> None:
        """Gives the decoder's rows norm 1 again; `l0` is what the step has seen."""
        self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12))

    @torch.no_grad()
    def calibrate(self, x: Float[Tensor, "N d"]) -> None:
        """Fits what evaluation needs, and training does not, to examples."""

    @torch.no_grad()
    def scaled(self, x: float, y: float) -> "SparseAutoencoder":
        r"""Gives the same function of activations that were not multiplied by x and y before.

        .. math:: W_{enc} \leftarrow W_{enc} \, x / y, \qquad b \leftarrow b / y

        for all biases and thresholds b; amplitudes are then divided by y, and the rows of W_dec
        stay of norm 1. For an autoencoder x = y.
        """
        found = deepcopy(self)
        found.W_enc.mul_(x / y)
        for name in self.in_units:
            getattr(found, name).div_(y)
        return found
