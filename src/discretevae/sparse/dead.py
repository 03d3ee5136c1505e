"""Latents that are never active: counted, revived, and the reason why they stay so."""

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.optim import Optimizer

from discretevae.sparse.products import decoded, largest, of_row, preactivations

if TYPE_CHECKING:
    from discretevae.sparse.autoencoder import SparseAutoencoder

__all__ = ["DeadCount", "Reason", "aux_k", "resample", "why_dead"]

COEFFICIENT = 1 / 32
TWIN = 0.95
"""Cosine of two decoder rows that say the same."""


class DeadCount(nn.Module):
    """Counts for each latent the activations since it was active.

    Arguments:
        width: m.
        after: Activations after which a latent is dead.

    Example:
        >>> count = DeadCount(width=2, after=10)
        >>> for _ in range(2):
        ...     count.see(torch.tensor([True, False]), rows=5)
        >>> count.dead
        tensor([False,  True])
    """

    since: Int64[Tensor, " m"]

    def __init__(self, width: int, after: int) -> None:
        super().__init__()
        self.after = after
        self.register_buffer("since", torch.zeros(width, dtype=torch.int64))

    @property
    def dead(self) -> Bool[Tensor, " m"]:
        """Which are."""
        return self.since >= self.after

    def see(self, fired: Bool[Tensor, " m"], rows: int) -> None:
        """Goes on after a batch."""
        self.since.add_(rows).masked_fill_(fired, 0)


def aux_k(
    weight: Float[Tensor, "d m"],
    bias: Float[Tensor, " m"],
    decoder: Float[Tensor, "m e"],
    x: Float[Tensor, "B d"],
    error: Float[Tensor, "B e"],
    dead: Bool[Tensor, " m"],
) -> Float[Tensor, ""]:
    r"""Has dead latents learn what the living leave over.

    .. math:: \tfrac{1}{32} \min(n / k', 1) \lVert e - \hat e \rVert^2, \qquad
        \hat e = \mathrm{relu}(\mathrm{topk}_{k'}(h_{dead})) W_{dec}, \qquad k' = d / 2

    for n dead latents; :math:`\hat e` has no bias, and the error no gradient. The gradient reaches
    the encoder and the decoder of the dead latents alone.

    Arguments:
        weight: W_enc.
        bias: What is added to x·W_enc.
        decoder: W_dec.
        x: Activations.
        error: e, what is left over.
        dead: At least one.

    Returns:
        The mean over rows.

    Reference: Gao et al., Scaling and evaluating sparse autoencoders, 2024, appendix A.2.

    Example:
        >>> w = torch.ones(2, 3, requires_grad=True)
        >>> x, dead = torch.ones(1, 2), torch.tensor([False, True, False])
        >>> aux_k(w, torch.zeros(3), torch.ones(3, 2), x, x, dead).backward()
        >>> w.grad
        tensor([[0.0000, 0.1250, 0.0000],
                [0.0000, 0.1250, 0.0000]])
    """
    which = dead.nonzero().squeeze(1)
    most = max(1, error.shape[1] // 2)
    of_dead, bias_of_dead = weight[:, which], bias[which]
    support, values = largest(x, of_dead, bias_of_dead, of_row(min(most, len(which))))
    h = preactivations(x, of_dead, bias_of_dead, values, support)
    left = error - decoded(h.relu(), decoder[which], support)
    scale = COEFFICIENT * min(len(which) / most, 1.0)
    return scale * left.square().sum(-1).mean()


LATENTS_FIRST = ("W_dec", "b_enc", "threshold", "r_mag", "b_mag")
"""Parameters whose first dimension is that of the latents; of W_enc it is the second."""


@torch.no_grad()
def resample(
    model: "SparseAutoencoder",
    latents: Int64[Tensor, " n"],
    x: Float[Tensor, "B d"],
    error: Float[Tensor, "B e"],
    optimizer: Optimizer,
    draws: torch.Generator,
) -> None:
    """Has latents that stayed dead begin anew where reconstructions are worst.

    Each takes the direction of the error of a row, drawn in proportion to its square; that of x of
    a transcoder's encoder. They are active as often as when training began: with a bias of 0 they
    would be stronger than the living, and take their place. What the optimiser knows of them is
    forgotten.

    Reference: Bricken et al., Towards monosemanticity, 2023, appendix on neuron resampling.
    """
    weights = error.square().sum(1)
    rows = torch.multinomial(weights, len(latents), replacement=True, generator=draws)
    decoder = normalize(error[rows])
    encoder = normalize(x[rows] - x.mean(0)) if model.transcodes else decoder
    model.restart(latents, encoder, decoder, x)
    for name, parameter in model.named_parameters():
        for value in optimizer.state[parameter].values():
            if name == "W_enc" and value.shape == parameter.shape:
                value[:, latents] = 0.0
            elif name in LATENTS_FIRST and value.shape == parameter.shape:
                value[latents] = 0.0


class Reason(NamedTuple):
    """Why some latents are never active.

    Attributes:
        latents: Their numbers.
        says: The reason, in words.
        remedy: What may help.
    """

    latents: Int64[Tensor, " n"]
    says: str
    remedy: str


@torch.no_grad()
def why_dead(
    model: "SparseAutoencoder", x: Float[Tensor, "N d"], dead: Bool[Tensor, " m"]
) -> list[Reason]:
    """Says of latents that are never active on some activations why they are not.

    A latent is out of reach if its pre-activation is never positive; else a twin if another's
    direction is the same, and crowded out if others are always stronger.

    Example:
        >>> from discretevae.sparse.topk import TopKAutoencoder
        >>> model = TopKAutoencoder(dim=2, width=3, k=1)
        >>> _ = model.W_enc.data.copy_(torch.tensor([[1.0, 0.5, -1.0], [0.0, 0.0, 0.0]]))
        >>> _ = model.W_dec.data.copy_(torch.eye(3)[:, :2])
        >>> found = why_dead(model, torch.ones(4, 2), torch.tensor([False, True, True]))
        >>> [(reason.latents.tolist(), reason.says.split(":")[0]) for reason in found]
        [([2], 'out of reach'), ([1], 'crowded out')]
    """
    which = dead.nonzero().squeeze(1)
    if not len(which):
        return []
    reached = torch.full((len(which),), -torch.inf, device=x.device)
    for some in x.split(4096):
        h = some @ model.W_enc[:, which] + model.bias[which]
        reached = torch.maximum(reached, h.max(0).values)
    directions = normalize(model.W_dec)
    twin = torch.zeros(len(which), dtype=torch.bool, device=x.device)
    if bool((~dead).any()):
        living = directions[~dead]
        near = [(directions[some] @ living.T).max(1).values for some in which.split(1024)]
        twin = torch.cat(near) > TWIN
    out = reached <= 0
    found = [
        Reason(
            which[out],
            "out of reach: the pre-activation is below zero for every activation",
            "train for more steps, or with a lower learning rate: a large step has moved them away",
        ),
        Reason(
            which[~out & twin],
            f"twins: their direction is that of a living latent (cosine above {TWIN})",
            "lower --width: there is nothing left for them to say",
        ),
        Reason(
            which[~out & ~twin],
            "crowded out: others are always stronger",
            "raise --k or lower --width, or train for more steps",
        ),
    ]
    return [reason for reason in found if len(reason.latents)]
