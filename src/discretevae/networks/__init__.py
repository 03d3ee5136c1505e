"""Encoders x → features and decoders features → h, for data of any shape."""

from discretevae.networks.cnn import CNN
from discretevae.networks.columns import ColumnsNetwork
from discretevae.networks.group_norm_cnn import GroupNormCNN
from discretevae.networks.mlp import MLP
from discretevae.networks.network import ACTIVATIONS, Network
from discretevae.networks.own import OwnNetwork
from discretevae.networks.residual import ResidualNetwork
from discretevae.networks.residual_cnn import ResidualCNN
from discretevae.networks.text import READERS, TextNetwork

__all__ = [
    "ACTIVATIONS",
    "CNN",
    "MLP",
    "NETWORKS",
    "NETWORK_KINDS",
    "READERS",
    "ColumnsNetwork",
    "GroupNormCNN",
    "Network",
    "OwnNetwork",
    "ResidualCNN",
    "ResidualNetwork",
    "TextNetwork",
    "network_from_config",
]

NETWORKS: dict[str, Network] = {
    "tutorial": MLP((512, 256)),
    "report-mlp": MLP((256, 128)),
    "report-cnn": CNN((16, 32)),
    "image": GroupNormCNN(),
    "mlp": MLP(),
    "cnn": CNN(),
    "residual": ResidualNetwork(),
    "residual-image": ResidualCNN(),
}
"""Name → architecture; `tutorial` and the report's two are fixed by their sources."""

NETWORK_KINDS: dict[str, type[Network]] = {
    kind.kind: kind
    for kind in (MLP, CNN, GroupNormCNN, ResidualCNN, ResidualNetwork, ColumnsNetwork, TextNetwork)
}
"""Kind → class, as a saved model names it."""


def network_from_config(config: dict[str, object]) -> Network:
    """Rebuilds what :meth:`Network.config` describes.

    Raises:
        ValueError: If the kind is unknown or an option does not belong to it.

    Example:
        >>> network_from_config({"kind": "mlp", "widths": [512, 256]})
        MLP(widths=(512, 256), activation='relu')
    """
    options = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in dict(config).items()
    }
    kind = options.pop("kind", None)
    if kind not in NETWORK_KINDS:
        raise ValueError(f"`network.kind` must be one of {sorted(NETWORK_KINDS)}, got {kind!r}.")
    made = NETWORK_KINDS[str(kind)]
    try:
        return made(**{**made.once, **options})
    except TypeError as error:
        raise ValueError(f"`network` does not fit a {kind}: {error}.") from None
