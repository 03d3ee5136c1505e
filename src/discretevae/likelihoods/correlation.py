"""The correlation of the normal scores of numbers, any of which may be missing."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["Correlation"]


class Correlation:
    r"""A Gaussian copula: normal scores e of numbers that are N(0, C) together.

    .. math:: \log c(e) = -\tfrac12 e_o^\top (C_{oo}^{-1} - I)\, e_o - \tfrac12 \log |C_{oo}|,
        \qquad e_m | e_o \sim \mathcal{N}(C_{mo} C_{oo}^{-1} e_o,\;
        C_{mm} - C_{mo} C_{oo}^{-1} C_{om})

    with o those observed and m those missing. With the rows and columns of missing ones those of
    the identity, one inverse of N × N does for each pattern of gaps.

    Arguments:
        matrix: C, of ones on its diagonal.
        observed: Which numbers of each row are there.
    """

    def __init__(self, matrix: Float[Tensor, "N N"], observed: Bool[Tensor, "*B N"]) -> None:
        self.matrix, self.observed = matrix, observed
        rows = observed.reshape(observed.shape[:-1].numel(), observed.shape[-1])
        patterns, self.pattern = rows.unique(dim=0, return_inverse=True)
        both, exact = patterns[:, :, None] & patterns[:, None, :], matrix.double()
        eye = torch.eye(len(matrix), dtype=exact.dtype, device=exact.device)
        root = torch.linalg.cholesky(exact.where(both, eye))
        precision = torch.cholesky_inverse(root)
        self.precision = precision.to(matrix.dtype)
        gain = exact.where(patterns[:, None, :], 0) @ precision  # C_{·o} C_oo⁻¹
        left = 1 - (gain * exact.where(patterns[:, None, :], 0)).sum(-1)
        self.variance = self._rows(left.clamp_min(1e-6).to(matrix.dtype))
        self._gain, self._patterns = gain, patterns
        self.log_determinant = self._rows(root.diagonal(dim1=-2, dim2=-1).log().sum(-1) * 2)

    def log_prob(self, e: Float[Tensor, "*SB N"]) -> Float[Tensor, "*SB"]:
        """Gives log c of the scores that are observed."""
        e = e.where(self.observed, 0)
        quadratic = (e * (self._precise(e) - e)).sum(-1)
        return -0.5 * (quadratic + self.log_determinant.to(e.dtype))

    def log_prob_of_each(self, e: Float[Tensor, "*SB N"]) -> Float[Tensor, "*SB N"]:
        """Gives log p(e_f | the others) − log p(e_f) of each that is observed, else 0."""
        e = e.where(self.observed, 0)
        exactness = self._rows(self.precision.diagonal(dim1=-2, dim2=-1))
        surprise = self._precise(e).square() / exactness
        return 0.5 * (e.square() - surprise + exactness.log()).where(self.observed, 0)

    def given(
        self, e: Float[Tensor, "*SB N"]
    ) -> tuple[Float[Tensor, "*SB N"], Float[Tensor, "*SB N"]]:
        """Gives mean and variance of each missing score, given the others."""
        mean = self._precise(e.where(self.observed, 0)) @ self.matrix
        return mean, self.variance.expand(mean.shape)

    def missing_covariance(self) -> Float[Tensor, "N N"]:
        """Sums over all rows the covariance of their missing scores, given the others."""
        known = self._gain @ self.matrix.double().where(self._patterns[:, :, None], 0)
        gone = ~self._patterns
        left = (self.matrix - known).where(gone[:, :, None] & gone[:, None, :], 0)
        counts = self.pattern.bincount(minlength=len(left)).to(left.dtype)
        return torch.einsum("u,unm->nm", counts, left)

    def _precise(self, e: Float[Tensor, "*SB N"]) -> Float[Tensor, "*SB N"]:
        """C_oo⁻¹ e_o of every row."""
        if len(self.precision) == 1:
            return e @ self.precision[0]
        rows = self.pattern.reshape(self.observed.shape[:-1]).expand(e.shape[:-1])
        batch = max(1, self.pattern.numel())
        if rows.shape[-self.observed.ndim + 1 :] != self.observed.shape[:-1]:
            rows, batch = rows.contiguous(), rows.numel()  # one row for many: each for itself
        by_row = e.reshape(-1, batch, e.shape[-1]).transpose(0, 1)
        index = rows.reshape(-1, batch)[0]
        return (by_row @ self.precision[index]).transpose(0, 1).reshape(e.shape)

    def _rows(self, of_patterns: Tensor) -> Tensor:
        found = of_patterns[self.pattern]
        return found.reshape((*self.observed.shape[:-1], *of_patterns.shape[1:]))
