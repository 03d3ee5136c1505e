"""Modules of one's own in the place of an encoder or a decoder."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from discretevae.networks.network import Network

__all__ = ["OwnNetwork"]

TRIED = 2
"""Examples on which a module is tried."""


@dataclass(frozen=True)
class OwnNetwork(Network):
    """An architecture whose encoder, decoder or both are given as modules.

    The encoder maps (*B, *shape) to (*B, features), the decoder (*B, features) to what the
    likelihood takes, (*B, *shape) for most. They are tried with a batch of zeros. Their weights are
    saved with the model; the modules are to be given again when it is loaded.

    Arguments:
        base: Makes what is not given, and what describes a context.
        own_encoder: The user's encoder.
        own_decoder: The user's decoder.

    Raises:
        ValueError: Where a network is made, if the module gives another shape.

    Example:
        >>> from discretevae.networks import MLP
        >>> network = OwnNetwork(MLP((5,)), own_encoder=nn.Linear(3, 8))
        >>> network.encoder((3,), 8), type(network.decoder(8, (3,))).__name__
        (Linear(in_features=3, out_features=8, bias=True), 'Sequential')
        >>> network.encoder((3,), 9)
        Traceback (most recent call last):
        ValueError: `encoder` must map (2, 3) to (2, 9), got (2, 8).
    """

    base: Network
    own_encoder: nn.Module | None = None
    own_decoder: nn.Module | None = None

    takes_gaps: ClassVar[bool] = True  # its own affair
    kind: ClassVar[str] = "own"

    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Module:
        if self.own_encoder is None:
            return self.base.encoder(shape, features)
        return _tried("encoder", self.own_encoder, tuple(shape), (features,))

    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Module:
        if self.own_decoder is None:
            return self.base.decoder(features, shape)
        return _tried("decoder", self.own_decoder, (features,), tuple(shape))

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        return self.base.grid(shape)

    @property
    def of_contexts(self) -> Network:
        return self.base

    def config(self) -> dict[str, Any]:
        given = {"encoder": self.own_encoder, "decoder": self.own_decoder}
        modules = [name for name, module in given.items() if module is not None]
        return {"kind": self.kind, "modules": modules, "base": self.base.config()}


@torch.no_grad()
def _tried(
    name: str, module: nn.Module, takes: tuple[int, ...], gives: tuple[int, ...]
) -> nn.Module:
    was_training = module.training
    some = next((p for p in module.parameters()), torch.zeros(()))
    x = torch.zeros((TRIED, *takes), dtype=some.dtype, device=some.device)
    try:
        found = tuple(module.eval()(x).shape)
    except Exception as error:
        raise ValueError(
            f"`{name}` must map {(TRIED, *takes)} to {(TRIED, *gives)}, got: {error}"
        ) from None
    finally:
        module.train(was_training)
    if found != (TRIED, *gives):
        raise ValueError(f"`{name}` must map {(TRIED, *takes)} to {(TRIED, *gives)}, got {found}.")
    return module
