"""Variational autoencoders with D independent categorical latents of K classes each."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discretevae.data import load as load_data
    from discretevae.estimators import ESTIMATORS, Estimator
    from discretevae.evaluation import evaluate
    from discretevae.laboratory import measure_gradients
    from discretevae.likelihoods import LIKELIHOODS
    from discretevae.models import VAE, DiscreteVAE, GaussianVAE, from_pretrained
    from discretevae.multisample import MULTISAMPLE_ESTIMATORS, MultiSampleEstimator
    from discretevae.networks import CNN, MLP, NETWORKS
    from discretevae.priors import CategoricalPrior, UniformPrior
    from discretevae.training import TrainingOptions, train

__all__ = [
    "CNN",
    "ESTIMATORS",
    "LIKELIHOODS",
    "MLP",
    "MULTISAMPLE_ESTIMATORS",
    "NETWORKS",
    "VAE",
    "CategoricalPrior",
    "DiscreteVAE",
    "Estimator",
    "GaussianVAE",
    "MultiSampleEstimator",
    "TrainingOptions",
    "UniformPrior",
    "evaluate",
    "from_pretrained",
    "load_data",
    "measure_gradients",
    "train",
]

__version__ = "0.1.0"

_HOMES = {
    "CNN": "networks",
    "ESTIMATORS": "estimators",
    "LIKELIHOODS": "likelihoods",
    "MLP": "networks",
    "MULTISAMPLE_ESTIMATORS": "multisample",
    "NETWORKS": "networks",
    "VAE": "models",
    "CategoricalPrior": "priors",
    "DiscreteVAE": "models",
    "Estimator": "estimators",
    "GaussianVAE": "models",
    "MultiSampleEstimator": "multisample",
    "TrainingOptions": "training",
    "UniformPrior": "priors",
    "evaluate": "evaluation",
    "from_pretrained": "models",
    "load_data": "data",
    "measure_gradients": "laboratory",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    """Imports on first use: the command answers `--help` without loading torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'discretevae' has no attribute {name!r}")
    home = import_module(f"discretevae.{_HOMES[name]}")
    return getattr(home, "load" if name == "load_data" else name)
