"""The VQ-VAE-2: a coarse grid of quantised codes, and a finer one given it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from discretevae.latents.quantisers import Quantiser
from discretevae.latents.variables import Known, beside
from discretevae.likelihoods import Likelihood
from discretevae.models.quantised import QuantisedVAE
from discretevae.names import resolve
from discretevae.networks import NETWORKS, Network, ResidualNetwork
from discretevae.priors import Prior

__all__ = ["TwoLevelVAE"]


class TwoLevelVAE(QuantisedVAE):
    r"""A VAE with two grids of quantised codes, the top at half the sides of the bottom.

    .. math:: \log p(x) \ge \log p(x | t, b) + \log p(t) + \log p(b | t), \qquad
        t = \mathrm{Q}_1(f(h(x))), \quad b = \mathrm{Q}_2(g(h(x), d(t)))

    The encoder says h at each position of the bottom grid; f makes of it half as many rows and
    columns, d brings the vectors of the top codes back to the bottom grid, and the decoder sees
    those beside the bottom's. Codes are those of the top, row by row, then those of the bottom.

    Arguments are those of :class:`QuantisedVAE`, with one quantiser a level.

    Raises:
        ValueError: As :class:`QuantisedVAE` does.

    Reference: Razavi, van den Oord & Vinyals, Generating diverse high-fidelity images with
    VQ-VAE-2, 2019, algorithm 1.

    Example:
        >>> import torch
        >>> model = TwoLevelVAE((1, 28, 28), num_codes=64, dim=8)
        >>> x = torch.bernoulli(torch.full((5, 1, 28, 28), 0.2))
        >>> (-model.objective(x)).mean().backward()
        >>> [codes.shape for codes in model.on_grids(model.encode(x))]
        [torch.Size([5, 4, 4]), torch.Size([5, 7, 7])]
    """

    kind: ClassVar[str] = "TwoLevelVAE"
    vectors_seen: ClassVar[int] = 2
    said: ClassVar[int] = 2

    def __init__(
        self,
        shape: Sequence[int],
        num_codes: int = 512,
        dim: int = 64,
        quantiser: str | Mapping[str, Any] | Quantiser = "vq",
        network: str | Network = "residual",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        prior: str | Mapping[str, Any] | Prior = "pixelcnn",
        rate: bool = False,
        beta: float = 1.0,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        whitened: bool | None = None,
    ) -> None:
        network = ResidualNetwork() if network == "auto" else resolve("network", network, NETWORKS)
        if network.grid(tuple(shape)) is None:
            raise ValueError(f"`network` must have a grid, as residual has, got {network.kind}.")
        super().__init__(
            shape, num_codes, dim, quantiser, 1, network, likelihood, prior, rate, beta,
            encoder, decoder, whitened,
        )  # fmt: skip
        between = ResidualNetwork(down=2, blocks=1)
        (rows, columns), bottom = self.grids[0], (self.dim, *self.grids[1])
        self.coarser = between.encoder(bottom, rows * columns * self.dim)
        self.finer = between.decoder(rows * columns * self.dim, bottom)
        self.joined = nn.Linear(2 * self.dim, self.dim)

    def grids_of(self, grid: tuple[int, int]) -> list[tuple[int, int]]:
        return [(-(-grid[0] // 2), -(-grid[1] // 2)), grid]

    def _vectors_of(self, level: int) -> Callable[[Known], Tensor]:
        return self._vectors_of_bottom if level else self._vectors_of_top

    def _vectors_of_top(self, known: Known) -> Float[Tensor, "*SB D E"]:
        h = known.features.unflatten(-1, (-1, self.dim)).mT.unflatten(-1, self.grids[1])
        return self._white(0, self.coarser(h).unflatten(-1, (-1, self.dim)))

    def _vectors_of_bottom(self, known: Known) -> Float[Tensor, "*SB D E"]:
        h = known.features.unflatten(-1, (-1, self.dim))
        return self._white(1, self.joined(beside(h, self._top_in_place(known))))

    def _white(self, level: int, vectors: Float[Tensor, "*SB D E"]) -> Float[Tensor, "*SB D E"]:
        return self.whitening[level](vectors) if self.whitened else vectors

    def _top_in_place(self, known: Known) -> Float[Tensor, "*SB D E"]:
        """The vectors of the top codes, brought to the positions of the bottom grid."""
        top = known.values["z1"][..., :-1]
        return self.finer(top.flatten(-2)).flatten(-2).mT

    def _decode(self, known: Known) -> Tensor:
        bottom = known.values["z2"][..., :-1]
        return self._decoded(beside(bottom, self._top_in_place(known)).flatten(-2))

    def describe(self) -> str:
        (rows, columns), _ = self.grids
        return f"{rows} × {columns} codes above {super().describe()}"

    def architecture(self) -> dict[str, Any]:
        found = super().architecture()
        del found["num_quantisers"], found["groups"]
        return found
