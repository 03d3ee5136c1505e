"""The network that suits what is observed."""

from collections.abc import Callable, Mapping
from typing import Any

from discretevae.names import resolve
from discretevae.networks.columns import ColumnsNetwork
from discretevae.networks.mlp import MLP
from discretevae.networks.network import Network
from discretevae.networks.text import TextNetwork
from discretevae.schema.vocabulary import Vocabulary

__all__ = ["SUITED", "suited"]


def _text(likelihood: Mapping[str, Any]) -> Network:
    size = Vocabulary.from_config(likelihood["vocabulary"]).size
    kind, width = str(likelihood.get("network", "gru")), int(likelihood.get("width", 256))
    return TextNetwork(size, kind, width)


SUITED: dict[str, Callable[[Mapping[str, Any]], Network]] = {
    "columns": lambda likelihood: ColumnsNetwork(tuple(likelihood["columns"])),
    "tokens": _text,
}
"""Likelihood → the network of its observations; all others have a perceptron."""


def suited(
    network: str | Network, likelihood: str | Mapping[str, Any], known: Mapping[str, Network]
) -> Network:
    """Resolves a network; "auto" is the one that suits the likelihood.

    Arguments:
        network: A name, "auto" among them, or a network.
        likelihood: As its `config` describes it.
        known: Name → network.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> suited("auto", "bernoulli", {})
        MLP(widths=(512, 256), activation='relu')
    """
    if network != "auto":
        return resolve("network", network, known)
    if isinstance(likelihood, str) or likelihood["kind"] not in SUITED:
        return MLP()
    return SUITED[likelihood["kind"]](likelihood)
