"""A prior under which each latent depends on those before it."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from discretevae.latents import require_sizes
from discretevae.networks.network import require_widths
from discretevae.priors.prior import Prior, drawn

__all__ = ["AutoregressivePrior", "MaskedLinear"]


class MaskedLinear(nn.Linear):
    """A linear layer in which some weights have no effect, whatever their value.

    Arguments:
        mask: True where an output sees an input, shape (outputs, inputs). No part of the weights
            that are saved: whoever builds the layer builds it again.

    Example:
        >>> layer = MaskedLinear(torch.tensor([[True, False]]))
        >>> torch.equal(layer(torch.tensor([3.0, 1.0])), layer(torch.tensor([3.0, torch.pi])))
        True
    """

    def __init__(self, mask: Bool[Tensor, "outputs inputs"]) -> None:
        outputs, inputs = mask.shape
        super().__init__(inputs, outputs)
        self.mask: Tensor
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Float[Tensor, "*B inputs"]) -> Float[Tensor, "*B outputs"]:
        return nn.functional.linear(x, self.weight.masked_fill(~self.mask, 0), self.bias)


class AutoregressivePrior(Prior):
    r"""Each latent given those before it, by one masked perceptron; uniform at first.

    .. math:: p(z) = \prod_d \mathrm{Cat}(z_d; \mathrm{softmax}(l_d(z_{<d})))

    Units stand in groups, one for each latent but the last: those of group d see the latents up
    to d and units of groups up to d, and are seen by the logits of later latents. These also see
    the earlier latents directly, so that no dependence is lost where a layer has fewer units than
    there are groups. `log_prob` takes one pass, exact and normalised; `sample` takes D.

    Arguments:
        num_latents: D.
        num_categories: K.
        widths: Hidden units of each layer; with none, each latent is a logistic regression on
            those before it.

    Raises:
        ValueError: If a size or a width is out of range.

    Reference: Germain, Gregor, Murray & Larochelle, MADE: masked autoencoder for distribution
    estimation, 2015, with K classes for two.

    Example:
        >>> prior = AutoregressivePrior(4, 8)
        >>> round(prior.log_prob_of_codes(torch.tensor([0, 1, 2, 3])).item(), 4)  # −4 log 8
        -8.3178
        >>> prior.sample(5).shape
        torch.Size([5, 4])
    """

    kind: ClassVar[str] = "autoregressive"

    def __init__(
        self, num_latents: int, num_categories: int, widths: Sequence[int] = (128, 128)
    ) -> None:
        super().__init__()
        require_sizes(num_latents, num_categories)
        self.sizes, self.widths = (num_latents, num_categories), tuple(int(w) for w in widths)
        require_widths("widths", self.widths)
        latents = torch.arange(num_latents).repeat_interleave(num_categories)
        self.hidden, below = nn.ModuleList(), latents
        for width in self.widths:
            groups = torch.arange(width) * max(1, num_latents - 1) // width
            self.hidden.append(MaskedLinear(groups[:, None] >= below))
            below = groups
        seen = torch.cat([below, latents]) if self.widths else latents
        self.output = MaskedLinear(latents[:, None] > seen)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    @property
    def shape(self) -> tuple[int, int]:
        return self.sizes

    def logits_along(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB D K"]:
        """Gives the unnormalised log p(z_d | z_<d) of every class of every latent."""
        with torch.autocast(z.device.type, enabled=False):
            x = h = z.flatten(-2)
            for layer in self.hidden:
                h = layer(h).relu()
            logits = self.output(torch.cat([h, x], -1) if self.widths else x)
        return logits.unflatten(-1, self.sizes)

    def log_prob(
        self, z: Float[Tensor, "*SB D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "*SB"]:
        return (z * self.logits_along(z).log_softmax(-1)).sum((-2, -1))

    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Float[Tensor, "count C"] | None = None,
    ) -> Int[Tensor, "count D"]:
        return self.one_by_one(count, drawn(generator))

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind, "widths": list(self.widths)}
