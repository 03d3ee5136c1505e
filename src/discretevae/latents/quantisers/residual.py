"""Residual quantisation: each quantiser takes what those before it left."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from discretevae.latents.quantisers.quantiser import Quantisation, Quantiser

__all__ = ["ResidualQuantiser"]


class ResidualQuantiser(nn.Module):
    r"""A sum of Q quantised vectors, of which every prefix is a coarser one.

    .. math:: r_0 = z, \quad q_i = Q_i(r_{i-1}), \quad r_i = r_{i-1} - q_i, \qquad
        v = \sum_{i \le n} q_i

    The gradient is that of these lines with each quantiser's own, **biased** as they are: where
    each copies it, z has that of v, and not Q times as much. n is Q; with `dropout` it is, while
    training and with that probability, drawn from 1 to Q alike, once for each row of the first
    axis. All quantisers learn and cost all the same: only the sum ends early.

    As a model this is a chain of `Quantised` variables, each of whose posteriors subtracts the
    values known before it.

    Arguments:
        quantisers: Q of them, all of one E.
        dropout: The probability of a drawn prefix, from 0 to 1.

    Raises:
        ValueError: If there is none, they differ in E, or `dropout` is no probability.

    Reference: Zeghidour et al., SoundStream: an end-to-end neural audio codec, 2021, §III-C.

    Example:
        >>> from discretevae.latents.quantisers import VectorQuantiser
        >>> quantiser = ResidualQuantiser([VectorQuantiser(16, 4) for _ in range(3)]).eval()
        >>> values, codes, cost = quantiser(torch.randn(5, 7, 4))
        >>> codes.shape, bool(quantiser.lookup(codes).isclose(values).all())
        (torch.Size([5, 7, 3]), True)
        >>> quantiser.lookup(codes[..., :1]).shape  # a third of the bits
        torch.Size([5, 7, 4])
    """

    quantisers: Sequence[Quantiser]

    def __init__(self, quantisers: Sequence[Quantiser], dropout: float = 0.0) -> None:
        super().__init__()
        dims = sorted({quantiser.dim for quantiser in quantisers})
        if len(dims) != 1:
            raise ValueError(f"`quantisers` must be at least one, all of one E, got E = {dims}.")
        if not 0 <= dropout <= 1:
            raise ValueError(f"`dropout` must be a probability, got {dropout}.")
        self.quantisers = nn.ModuleList(quantisers)  # type: ignore[assignment]
        self.dropout = dropout

    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        """Quantises vectors; the codes are (*B, Q), the cost the sum of all Q."""
        lengths = self._lengths(z)
        residual, values, codes, cost = z, torch.zeros_like(z), [], []
        for i, quantiser in enumerate(self.quantisers):
            found = quantiser(residual)
            residual = residual - found.values
            values = values + found.values * (i < lengths)
            codes.append(found.codes)
            cost.append(found.cost)
        return Quantisation(values, torch.stack(codes, -1), torch.stack(cost).sum(0))

    def _lengths(self, z: Float[Tensor, "*B E"]) -> Int64[Tensor, "..."]:
        """Draws how many quantised vectors are summed, for each row of the first axis."""
        rows = z.shape[:-1][:1]
        most = torch.full(rows, len(self.quantisers), device=z.device)
        if self.training and self.dropout:
            drawn = torch.randint(1, len(self.quantisers) + 1, rows, device=z.device)
            most = torch.where(torch.rand(rows, device=z.device) < self.dropout, drawn, most)
        return most.view(*rows, *[1] * (z.ndim - len(rows)))

    def lookup(self, codes: Int[Tensor, "*B P"]) -> Float[Tensor, "*B E"]:
        """Gives the sum of the vectors of the first P codes, 1 ≤ P ≤ Q.

        Raises:
            ValueError: If there are more than Q or none, or one lies outside its codebook.
        """
        given = codes.shape[-1]
        if not 1 <= given <= len(self.quantisers):
            raise ValueError(
                f"`codes` must have from 1 to {len(self.quantisers)} columns, got {given}."
            )
        parts = zip(self.quantisers, codes.unbind(-1), strict=False)
        return torch.stack([quantiser.lookup(column) for quantiser, column in parts]).sum(0)
