"""The optimisers a run can use."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, Muon, Optimizer, RAdam

__all__ = ["OPTIMIZERS", "MuonWithAdam"]

WEIGHT_DECAY = 0.1
"""Of the matrices; it took a nat from the gap between train and test ELBO on MNIST."""


class MuonWithAdam(Optimizer):
    r"""Orthogonalises the update of every matrix; Adam takes care of all that is no matrix.

    .. math:: W \leftarrow (1 - 0.1 \, \eta) W - 0.2 \, \eta \sqrt{\max(m, n)} \; U V^\top,
        \qquad U \Sigma V^\top = \text{momentum of the gradient}

    The factor gives the update the size that Adam's has, so both share one learning rate η.
    A step costs matrix products of the weights' own size, whatever the batch: use batches of
    some hundred examples.

    Arguments:
        parameters: What to train.
        lr: η > 0; good values are five to ten times Adam's.

    Reference: Jordan et al., Muon, 2024; the factor: Liu et al., Muon is scalable for LLM
    training, 2025, eq. 4.

    Example:
        >>> layer = torch.nn.Linear(3, 2)
        >>> optimizer = MuonWithAdam(layer.parameters(), lr=0.005)
        >>> layer(torch.ones(3)).sum().backward()
        >>> optimizer.step()
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        parameters = list(parameters)
        matrices = [p for p in parameters if p.ndim == 2]
        others = [p for p in parameters if p.ndim != 2]
        self.parts: list[Optimizer] = []
        if matrices:
            self.parts.append(
                Muon(
                    matrices,
                    lr,
                    weight_decay=WEIGHT_DECAY,
                    momentum=0.9,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        if others:
            self.parts.append(Adam(others, lr, fused=True))
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes one step with each part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Lets the parts work on the groups and the state that are scheduled and saved here."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state


OPTIMIZERS: dict[str, Callable[[Iterable[Tensor], float], Optimizer]] = {
    "adam": lambda parameters, lr: Adam(parameters, lr, fused=True),
    "radam": lambda parameters, lr: RAdam(parameters, lr, foreach=True),
    "muon": MuonWithAdam,
}
"""Name → optimiser, as a function of the parameters and the learning rate."""
