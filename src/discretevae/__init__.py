"""Variational autoencoders with D independent categorical latents of K classes each."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discretevae.choices import OneHotChoice, SubsetChoice, expected
    from discretevae.codes.encode import encode
    from discretevae.data import load as load_data
    from discretevae.data import load_table, load_text
    from discretevae.estimators import ESTIMATORS, CodeFunction, Estimator, Point, PointLayer
    from discretevae.estimators.functional import (
        darn,
        gst,
        gumbel_rao,
        gumbel_softmax,
        mve,
        overlapping_exponential,
        reinmax,
        reinmax_cv,
        reinmax_rao,
        st_gumbel_softmax,
        straight_through,
    )
    from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS, MultiSampleEstimator
    from discretevae.evaluation import anomaly_scores, evaluate, impute
    from discretevae.likelihoods import LIKELIHOODS
    from discretevae.models import (
        VAE,
        BlockwiseVAE,
        DiscreteVAE,
        GaussianVAE,
        HierarchicalVAE,
        JointVAE,
        QuantisedVAE,
        SemiSupervisedVAE,
        from_pretrained,
        register,
    )
    from discretevae.networks import CNN, MLP, NETWORKS, ResidualNetwork
    from discretevae.pages.explorer import explore
    from discretevae.priors import PRIORS, CategoricalPrior, UniformPrior
    from discretevae.routing import ROUTERS, MixtureOfExperts, MLPExperts
    from discretevae.studies.laboratory import measure_gradients
    from discretevae.training import TrainingOptions, fit_prior, train

__all__ = [
    "CNN",
    "ESTIMATORS",
    "LIKELIHOODS",
    "MLP",
    "MULTISAMPLE_ESTIMATORS",
    "NETWORKS",
    "PRIORS",
    "ROUTERS",
    "VAE",
    "BlockwiseVAE",
    "CategoricalPrior",
    "CodeFunction",
    "DiscreteVAE",
    "Estimator",
    "GaussianVAE",
    "HierarchicalVAE",
    "JointVAE",
    "MLPExperts",
    "MixtureOfExperts",
    "MultiSampleEstimator",
    "OneHotChoice",
    "Point",
    "PointLayer",
    "QuantisedVAE",
    "ResidualNetwork",
    "SemiSupervisedVAE",
    "SubsetChoice",
    "TrainingOptions",
    "UniformPrior",
    "anomaly_scores",
    "darn",
    "encode",
    "evaluate",
    "expected",
    "explore",
    "fit_prior",
    "from_pretrained",
    "gst",
    "gumbel_rao",
    "gumbel_softmax",
    "impute",
    "load_data",
    "load_table",
    "load_text",
    "measure_gradients",
    "mve",
    "overlapping_exponential",
    "register",
    "reinmax",
    "reinmax_cv",
    "reinmax_rao",
    "st_gumbel_softmax",
    "straight_through",
    "train",
]

__version__ = "0.1.0"

_HOMES = {
    "CNN": "networks",
    "ESTIMATORS": "estimators",
    "LIKELIHOODS": "likelihoods",
    "MLP": "networks",
    "MULTISAMPLE_ESTIMATORS": "estimators.multisample",
    "NETWORKS": "networks",
    "PRIORS": "priors",
    "ROUTERS": "routing",
    "VAE": "models",
    "CategoricalPrior": "priors",
    "CodeFunction": "estimators",
    "DiscreteVAE": "models",
    "Estimator": "estimators",
    "GaussianVAE": "models",
    "BlockwiseVAE": "models",
    "HierarchicalVAE": "models",
    "JointVAE": "models",
    "MLPExperts": "routing",
    "MixtureOfExperts": "routing",
    "MultiSampleEstimator": "estimators.multisample",
    "OneHotChoice": "choices",
    "Point": "estimators",
    "PointLayer": "estimators",
    "QuantisedVAE": "models",
    "ResidualNetwork": "networks",
    "SemiSupervisedVAE": "models",
    "SubsetChoice": "choices",
    "TrainingOptions": "training",
    "UniformPrior": "priors",
    "anomaly_scores": "evaluation",
    "darn": "estimators.functional",
    "encode": "codes",
    "evaluate": "evaluation",
    "expected": "choices",
    "explore": "pages.explorer",
    "fit_prior": "training",
    "from_pretrained": "models",
    "register": "models",
    "gst": "estimators.functional",
    "gumbel_rao": "estimators.functional",
    "gumbel_softmax": "estimators.functional",
    "impute": "evaluation",
    "load_data": "data",
    "load_table": "data",
    "load_text": "data",
    "measure_gradients": "studies.laboratory",
    "mve": "estimators.functional",
    "overlapping_exponential": "estimators.functional",
    "reinmax": "estimators.functional",
    "reinmax_cv": "estimators.functional",
    "reinmax_rao": "estimators.functional",
    "st_gumbel_softmax": "estimators.functional",
    "straight_through": "estimators.functional",
    "train": "training",
}


def __dir__() -> list[str]:
    """Lists what there is to use, loaded or not."""
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    """Imports on first use: the command answers `--help` without loading torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'discretevae' has no attribute {name!r}")
    home = import_module(f"discretevae.{_HOMES[name]}")
    return getattr(home, "load" if name == "load_data" else name)
