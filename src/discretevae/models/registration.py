"""Parts of one's own under a name: a model that has them is saved and loaded like any other."""

from collections.abc import Callable, MutableMapping
from typing import Any

from discretevae.estimators import ESTIMATORS
from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
from discretevae.latents.quantisers import QUANTISERS
from discretevae.latents.variables import VARIABLES
from discretevae.likelihoods import LIKELIHOODS
from discretevae.models.pretrained import MODELS
from discretevae.names import resolve
from discretevae.networks import NETWORK_KINDS
from discretevae.priors import PRIORS

__all__ = ["TABLES", "register"]

TABLES: dict[str, MutableMapping[str, Any]] = {
    "estimator": ESTIMATORS,
    "multi-sample estimator": MULTISAMPLE_ESTIMATORS,
    "likelihood": LIKELIHOODS,
    "model": MODELS,
    "network": NETWORK_KINDS,
    "prior": PRIORS,
    "quantiser": QUANTISERS,
    "variable": VARIABLES,
}
"""Part → its table: name → what makes one."""


def register(part: str, name: str, make: Callable[..., Any]) -> None:
    """Gives a part of one's own a name, by which models are built, saved and loaded.

    A model that was saved with it is loaded by `from_pretrained` once it is registered again.

    Arguments:
        part: A name in `TABLES`.
        name: As `kind`, `name` or `config` of the part has it.
        make: Makes one, called as the others of its table are: a likelihood with the dimensions
            of an observation, a prior with D and K, an estimator with its options, a network, a
            quantiser and a model with what their `config` or `architecture` says, a variable as
            :class:`~discretevae.latents.variables.Categorical`.

    Raises:
        ValueError: If there is no such part, or the name is taken by another.

    Example:
        >>> from discretevae.priors import LearnedPrior
        >>> class MyPrior(LearnedPrior):
        ...     kind = "mine"
        >>> register("prior", "mine", MyPrior)
        >>> PRIORS.pop("mine").__name__
        'MyPrior'
    """
    table = resolve("part", part, TABLES)
    if table.get(name, make) is not make:
        raise ValueError(f"`name` must not be that of another {part}, got {name!r}.")
    table[name] = make
