"""Everything public, each with arguments that are right."""

import inspect
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scenes import Scene

__all__ = ["EXEMPT", "ROOMS", "Target", "targets", "untouched"]

ROOMS = (
    *("data", "evaluation", "codes", "models", "networks", "objectives", "priors", "likelihoods"),
    *("training", "studies.laboratory", "schema.columns", "schema.vocabulary", "latents"),
    *("latents.categorical", "export", "estimators.multisample", "estimators", "sklearn"),
    *("choices", "choices.conditional_poisson", "choices.plackett_luce"),
)
"""Modules whose `__all__` is public."""
EXEMPT = {
    "abstract or an interface": (
        *("VAE", "Network", "Likelihood", "Prior", "FactorisedPrior", "GridPrior"),
        *("LocalLikelihood",),
        *("Estimator", "Baseline"),
        *("MultiSampleEstimator", "Similarity", "Schedule", "Column", "DiscreteColumn"),
        *("CodeFunction", "Point", "Term", "Cell", "Schema", "SubsetEstimator"),
    ),
    "a record that holds what it is given": (
        *("Batch", "Binarizer", "DatasetInfo", "MixedTable", "Splits", "TextSplits", "Rows"),
        *(
            "AnomalyScores",
            "Bounds",
            "Clustering",
            "CodeHealth",
            "CodeUsage",
            "Figure",
            "ELBO",
            "Evaluation",
            "History",
            "Output",
            "Stream",
        ),
        *("LogPartition", "Prepared", "OwnNetwork", "PointLayer", "Keys", "Loaded", "Part"),
        *("SparseResult", "Phase"),
        *("Diagnosis", "QuantileColumn"),
        *("GradientReport", "GradientRow", "Sentences", "TextCounts", "Blocks"),
    ),
    "takes one of the records alone, or nothing": (
        *(
            "require_suitable",
            "umap_installed",
            "best_row",
            "suitable_estimators",
            "num_classes",
            "as_values",
            "binarized",
            "is_local",
            "learn_schema",
            "read_by",
            "diagnose",
            "gain_in_words",
            "gzip_in_words",
            "improve_prior",
            "log_prob_without_code",
            "reference_figures",
            "reference_in_words",
            "verdict_in_words",
        ),
        *(
            "model_identity",
            "batch_size",
            "is_available",
            "as_batch",
            "in_memory",
            "Encoder",
            "Decoder",
        ),
    ),
    "an error": (
        *("DataError", "NotInstalledError", "CodesError", "ModelError", "TrainingError"),
        *("EnumerationError", "ExportError"),
    ),
    "a module": ("conditional_poisson", "plackett_luce"),
    "takes no arguments": ("DisARM", "Simple"),
    "checks for `train`, which is called": ("check", "prepare"),
    "runs a file, as it says": ("read_problem",),
    "takes functions and names, tested where models are": (
        *("as_code_function", "log_probabilities", "register"),
    ),
    "slow to import, and as `tsne` in what it refuses": ("umap",),
}
"""Why → what is public and not called with bad arguments."""


@dataclass(frozen=True)
class Target:
    """Something public.

    Arguments:
        room: Its module.
        name: What it is called.
        call: It.
        good: Makes arguments that are right.
        loose: Whether it takes tensors of which only types and shapes in the signature speak,
            checked at every call while testing.
    """

    room: str
    name: str
    call: Callable[..., Any]
    good: Callable[[], dict[str, Any]]
    loose: bool = False

    def ours(self, error: Exception) -> bool:
        """Whether this package worded an error, not a library above which it is a façade."""
        return self.room != "sklearn" or "`" in str(error)


def targets(scene: Scene | None, folder: Path) -> list[Target]:
    """Everything public that is called, with a run and files where they are needed."""
    found: list[Target] = []
    found += _by_defaults()
    found += [
        Target(room, name, call, good, loose)
        for room, name, call, good, loose in (*_small(), *_models(), *_files(scene, folder))
    ]
    return found


def untouched() -> list[str]:
    """Public names that are neither called nor exempt."""
    with tempfile.TemporaryDirectory() as folder:
        called = {t.name.split(".")[0].split("(")[0] for t in targets(None, Path(folder))}
    exempt = {name for names in EXEMPT.values() for name in names}
    names = {name for room in ROOMS for name in import_module(f"discretevae.{room}").__all__}
    return sorted(n for n in names - called - exempt if not n.isupper())


def _by_defaults() -> list[Target]:
    """Classes all of whose arguments have defaults."""
    from discretevae.data import Augmentation
    from discretevae.estimators import ESTIMATORS, ConstantBaseline, MovingAverageBaseline
    from discretevae.estimators.multisample import IWAE, VIMCO
    from discretevae.likelihoods import (
        BernoulliLikelihood,
        ContinuousBernoulliLikelihood,
        DiscretisedLogisticLikelihood,
        GaussianLikelihood,
        LevelsLikelihood,
        LocalBernoulliLikelihood,
        LocalMixtureLikelihood,
        LogisticMixtureLikelihood,
    )
    from discretevae.networks import CNN, MLP, GroupNormCNN, ResidualCNN, ResidualNetwork
    from discretevae.training import SparseOptions, TrainingOptions

    rooms: Mapping[str, tuple[Any, ...]] = {
        "estimators": (
            *dict.fromkeys(ESTIMATORS.values()),
            ConstantBaseline,
            MovingAverageBaseline,
        ),
        "multisample": (IWAE, VIMCO),
        "networks": (MLP, CNN, GroupNormCNN, ResidualCNN, ResidualNetwork),
        "likelihoods": (
            BernoulliLikelihood,
            ContinuousBernoulliLikelihood,
            DiscretisedLogisticLikelihood,
            GaussianLikelihood,
            LevelsLikelihood,
            LocalBernoulliLikelihood,
            LocalMixtureLikelihood,
            LogisticMixtureLikelihood,
        ),
        "data": (Augmentation,),
        "training": (TrainingOptions, SparseOptions),
    }
    found = []
    for room, kinds in rooms.items():
        for kind in kinds:
            good = partial(_defaults, kind)
            if good():
                found.append(Target(room, kind.__name__, kind, good))
            if room == "estimators" and not kind.__name__.endswith("Baseline"):
                found.append(Target(room, f"{kind.__name__}(…)", partial(_estimate, kind), good))
                _ = found.pop() if not good() else None
    return found


def _defaults(kind: Any) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters.values()
    good = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    usual = {"tuple": (3, 3), "int": 3, "float": 0.5, "str": "1"}
    for p in parameters:
        if p.default is None:
            words = str(p.annotation)
            good[p.name] = next((v for k, v in usual.items() if k in words), None)
        if p.default is inspect.Parameter.empty:
            good[p.name] = 0.5
    return {k: v for k, v in good.items() if v is not None}


def _estimate(kind: Any, **options: Any) -> None:
    """Makes an estimator and estimates with it, value and gradient."""
    estimator = kind(**options)
    logits = torch.zeros(2, 2, 2 if estimator.binary_only else 3, requires_grad=True)
    if hasattr(estimator, "prepare"):
        estimator.prepare(*logits.shape[1:])
    estimator(lambda z: z.square().sum((-1, -2)), logits).sum().backward()


Row = tuple[str, str, Callable[..., Any], Callable[[], dict[str, Any]], bool]


def _small() -> list[Row]:
    """Functions of numbers, arrays and tensors, and classes with required arguments."""
    from discretevae import choices, evaluation, latents, objectives, priors
    from discretevae.data import (
        BINARIZERS,
        Batches,
        Blocks,
        Examples,
        class_context,
        conditioned,
        examples_from_arrays,
        generator,
        partly_labelled,
        share_of,
        split,
        stream_split,
        table_rows,
        text_examples,
    )
    from discretevae.data.text import Sentences
    from discretevae.estimators import recommended
    from discretevae.latents import categorical
    from discretevae.likelihoods import ColumnsLikelihood, TokenLikelihood, likelihood_from_config
    from discretevae.networks import ColumnsNetwork, TextNetwork, network_from_config
    from discretevae.schema.columns import (
        BinaryColumn,
        CategoricalColumn,
        Cells,
        NumericColumn,
        as_columns,
    )
    from discretevae.schema.vocabulary import Vocabulary, inside, token_counts
    from discretevae.training import cosine, draw_codes, fit_prior, linear, parse_schedule
    from discretevae.training.schedules import constant, require_range

    logits = torch.zeros(4, 2, 3)
    codes = torch.zeros(4, 2, dtype=torch.int64)
    z = latents.to_one_hot(codes, 3)
    x = np.random.default_rng(0).random((20, 3))
    y = np.arange(20) % 2
    sizes = {"num_latents": 2, "num_categories": 3}
    chosen = {"logits": logits[:, 0], "num_chosen": 2}
    columns = (NumericColumn("a", 0.0, 1.0), BinaryColumn("b", ("no", "yes")))
    configs = [column.config() for column in columns]
    vocabulary = Vocabulary(["a", "b", "c"])
    sentences = Sentences("file.txt", ("ab", "ca"), (1, 2))

    def examples() -> Examples:
        return Examples(torch.rand(20, 3), torch.arange(20) % 2)

    def splits() -> Any:
        return split(examples())

    def rows(
        room: str, loose: bool, **calls: tuple[Callable[..., Any], dict[str, Any]]
    ) -> list[Row]:
        return [
            (room, name, call, partial(dict, good), loose) for name, (call, good) in calls.items()
        ]

    return [
        *rows(
            "latents",
            False,
            code_chunks=(
                lambda **k: list(latents.code_chunks(**k)),
                sizes | {"chunk": 4, "budget": 100},
            ),
            enumerate_codes=(latents.enumerate_codes, sizes | {"start": 0, "stop": 4}),
            is_enumerable=(latents.is_enumerable, sizes | {"budget": 100}),
            num_codes=(latents.num_codes, sizes),
            require_enumerable=(latents.require_enumerable, sizes | {"budget": 100}),
            require_sizes=(latents.require_sizes, sizes),
            to_one_hot=(latents.to_one_hot, {"codes": codes, "num_categories": 3}),
        ),
        *rows(
            "latents",
            True,
            codes_between=(latents.codes_between, {"code": codes[0], "target": codes[1]}),
        ),
        *rows("estimators", False, recommended=(recommended, sizes)),
        *rows(
            "choices",
            False,
            GumbelTopK=(choices.GumbelTopK, {"temperature": 0.5}),
            RelaxedTopK=(choices.RelaxedTopK, {"temperature": 0.5}),
            OneHotChoice=(
                choices.OneHotChoice,
                sizes | {"estimator": "reinmax", "temperature": 0.5, "uniform": 0.1},
            ),
            SubsetChoice=(
                choices.SubsetChoice,
                {"num_items": 4, "num_chosen": 2, "estimator": "simple"},
            ),
            require_chosen=(
                choices.conditional_poisson.require_chosen,
                {"num_items": 4, "num_chosen": 2},
            ),
        ),
        *rows(
            "choices",
            True,
            balanced_kl=(
                choices.balanced_kl,
                {"logits": logits, "prior_logits": logits, "dyn": 0.8, "rep": 0.2}
                | {"free_nats": 1.0},
            ),
            entropy=(choices.conditional_poisson.entropy, chosen),
            expected=(
                partial(choices.expected, lambda z: z[..., 0].sum(-1)),
                {"logits": logits, "estimator": "rloo", "samples": 2},
            ),
            kl_divergence=(
                choices.conditional_poisson.kl_divergence,
                chosen | {"prior_logits": logits[:, 0]},
            ),
            log_partition=(choices.conditional_poisson.log_partition, chosen),
            log_prob=(
                choices.conditional_poisson.log_prob,
                chosen | {"z": torch.tensor([1.0, 1.0, 0.0]).expand(4, 3)},
            ),
            marginals=(choices.conditional_poisson.marginals, chosen),
            mix_uniform=(choices.mix_uniform, {"logits": logits, "uniform": 0.1}),
            sample=(choices.conditional_poisson.sample, chosen | {"samples": 2}),
        ),
        *rows(
            "plackett_luce",
            True,
            sample=(choices.plackett_luce.sample, chosen | {"samples": 2}),
            log_prob=(
                choices.plackett_luce.log_prob,
                {"order": codes, "logits": logits[:, 0]},
            ),
        ),
        *rows("latents", True, to_codes=(latents.to_codes, {"z": z})),
        *rows(
            "categorical",
            True,
            entropy=(categorical.entropy, {"logits": logits}),
            gumbel=(categorical.gumbel, {"shape": (2, 3), "like": logits}),
            kl_divergence=(
                categorical.kl_divergence,
                {"logits": logits, "prior_logits": logits[0]},
            ),
            log_prob=(categorical.log_prob, {"z": z[None], "logits": logits}),
            log_prob_of_codes=(categorical.log_prob_of_codes, {"codes": codes, "logits": logits}),
            one_hot_argmax=(categorical.one_hot_argmax, {"scores": logits}),
            sample=(categorical.sample, {"logits": logits, "samples": 2}),
        ),
        *rows(
            "objectives",
            True,
            batch_mutual_information=(objectives.batch_mutual_information, {"logits": logits}),
            beta_elbo=(
                objectives.beta_elbo,
                {"reconstruction": logits[:, 0, 0], "kl": logits[:, 0, 0], "beta": 1.0},
            ),
            free_bits=(objectives.free_bits, {"kl": logits[..., 0], "floor": 0.5}),
            importance_weighted_bound=(
                objectives.importance_weighted_bound,
                {"log_weights": logits[..., 0]},
            ),
            info_nce=(
                objectives.info_nce,
                {"first": torch.rand(4, 3), "second": torch.rand(4, 3), "temperature": 0.1},
            ),
        ),
        *rows(
            "evaluation",
            False,
            code_usage=(evaluation.code_usage, {"codes": codes, "num_codes": 3}),
            collisions=(evaluation.collisions, {"codes": codes}),
            occurrences=(evaluation.occurrences, {"codes": codes}),
        ),
        *rows(
            "priors",
            False,
            AutoregressivePrior=(priors.AutoregressivePrior, sizes | {"widths": (4,)}),
            BoltzmannPrior=(
                priors.BoltzmannPrior,
                sizes | {"chains": 5, "steps": 1, "budget": 100},
            ),
            CategoricalPrior=(priors.CategoricalPrior, {"logits": logits[0]}),
            ConditionalPrior=(
                priors.ConditionalPrior,
                sizes | {"context_features": 2, "widths": (4,)},
            ),
            LearnedPrior=(priors.LearnedPrior, sizes),
            PixelCNNPrior=(
                priors.PixelCNNPrior,
                sizes | {"grids": None, "width": 4, "layers": 1},
            ),
            TransformerPrior=(
                priors.TransformerPrior,
                sizes | {"grids": None, "width": 4, "layers": 1},
            ),
            UniformPrior=(priors.UniformPrior, sizes),
            is_over_grids=(priors.is_over_grids, {"name": "pixelcnn"}),
            prior_from_config=(
                priors.prior_from_config,
                sizes | {"config": {"kind": "learned"}, "context_features": 0},
            ),
        ),
        *rows(
            "columns",
            False,
            BinaryColumn=(BinaryColumn, {"name": "b", "categories": ("no", "yes")}),
            CategoricalColumn=(CategoricalColumn, {"name": "c", "categories": ("x", "y", "z")}),
            NumericColumn=(NumericColumn, {"name": "a", "mean": 0.0, "scale": 1.0}),
            as_columns=(as_columns, {"columns": configs}),
            Cells=(Cells, {"columns": columns}),
        ),
        *rows(
            "vocabulary",
            True,
            Vocabulary=(Vocabulary, {"symbols": ["a", "b", "ab"], "merges": [("a", "b")]}),
            inside=(inside, {"x": torch.zeros(2, 3)}),
            token_counts=(token_counts, {"x": torch.zeros(2, 3)}),
        ),
        *rows(
            "likelihoods",
            False,
            ColumnsLikelihood=(
                ColumnsLikelihood,
                {"columns": configs, "least_scale": 0.05, "event_dims": 1},
            ),
            TokenLikelihood=(
                TokenLikelihood,
                {
                    "vocabulary": vocabulary,
                    "length": 4,
                    "network": "gru",
                    "features": 4,
                    "width": 4,
                    "layers": 1,
                    "word_dropout": 0.1,
                },
            ),
            likelihood_from_config=(
                likelihood_from_config,
                {"config": "bernoulli", "event_dims": 1},
            ),
        ),
        *rows(
            "networks",
            False,
            ColumnsNetwork=(ColumnsNetwork, {"columns": configs, "widths": (4,), "hidden": 0.1}),
            TextNetwork=(
                TextNetwork,
                {"vocabulary_size": 6, "reader": "gru", "width": 4, "layers": 1, "widths": (4,)},
            ),
            network_from_config=(
                network_from_config,
                {"config": {"kind": "mlp", "widths": [3], "activation": "relu"}},
            ),
        ),
        *rows(
            "training",
            False,
            constant=(constant, {"value": 1.0}),
            linear=(lambda **k: linear(**k)(1), {"start": 0.0, "end": 1.0, "steps": 3}),
            cosine=(lambda **k: cosine(**k)(1), {"start": 0.0, "end": 1.0, "steps": 3}),
            parse_schedule=(
                lambda **k: parse_schedule(**k)(1),
                {"argument": "beta", "value": "0:1:4", "steps": 3},
            ),
            require_range=(require_range, {"argument": "beta", "value": "0:1", "positive": False}),
            draw_codes=(
                lambda **k: draw_codes(_model(), examples(), BINARIZERS["threshold"], **k),
                {"draws": 2, "seed": 0},
            ),
            fit_prior=(
                lambda **k: fit_prior(priors.LearnedPrior(2, 3), **k),
                {
                    "codes": codes,
                    "epochs": 1,
                    "batch_size": 2,
                    "learning_rate": 0.1,
                    "seed": 0,
                    "validation": codes,
                },
            ),
        ),
        *rows(
            "data",
            False,
            examples_from_arrays=(examples_from_arrays, {"x": x, "labels": y, "where": "x"}),
            Examples=(
                Examples,
                {"x": torch.rand(4, 3), "labels": torch.arange(4), "context": torch.rand(4, 2)},
            ),
            class_context=(
                class_context,
                {"labels": torch.arange(4), "classes": 4, "where": "labels"},
            ),
            generator=(lambda **k: generator(*k.values()), {"one": "x", "other": 3}),
            Batches=(
                lambda **k: list(Batches(examples(), binarizer=BINARIZERS["none"], **k)),
                {"batch_size": 5, "seed": 0, "epoch": 0, "shuffle": True},
            ),
            conditioned=(lambda **k: conditioned(splits(), **k), {"condition": "labels"}),
            partly_labelled=(
                lambda **k: partly_labelled(splits(), **k),
                {"labelled": 4, "seed": 0},
            ),
            split=(
                lambda **k: split(examples(), **k),
                {"validation": 0.1, "test": 0.1, "seed": 0, "name": "x"},
            ),
            stream_split=(
                lambda **k: stream_split(Blocks.of(x), **k),
                {"validation": 0.1, "test": 0.1, "seed": 0, "name": "x"},
            ),
            share_of=(share_of, {"rows": 7, "process": 1, "processes": 3}),
            text_examples=(
                text_examples,
                {
                    "sentences": sentences,
                    "vocabulary": vocabulary,
                    "max_tokens": 4,
                    "truncate": True,
                },
            ),
        ),
        *rows("data", True, table_rows=(table_rows, {"x": torch.zeros(2, 2), "columns": columns})),
        *rows(
            "evaluation",
            True,
            bits_per_token=(
                evaluation.bits_per_token,
                {"bound": torch.zeros(3), "tokens": torch.ones(3, dtype=torch.int64)},
            ),
            perplexity=(
                evaluation.perplexity,
                {"bound": torch.zeros(3), "tokens": torch.ones(3, dtype=torch.int64)},
            ),
            mean_figure=(
                evaluation.mean_figure,
                {"values": torch.rand(5), "unit": "nats", "note": "x"},
            ),
        ),
        *rows(
            "evaluation",
            True,
            cluster_metrics=(evaluation.cluster_metrics, {"labels": y, "clusters": y}),
            embedded_rows=(evaluation.embedded_rows, {"rows": 20, "seed": 0}),
            kmeans_clustering=(
                evaluation.kmeans_clustering,
                {"x": x, "clusters": 2, "labels": y, "seeds": [0, 1]},
            ),
            kmeans_scores=(
                evaluation.kmeans_scores,
                {"x": x, "clusters": 2, "labels": y, "seed": 0},
            ),
            knn_probe=(
                evaluation.knn_probe,
                {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "k": 2, "seed": 0},
            ),
            label_silhouette=(evaluation.label_silhouette, {"x": x, "labels": y, "seed": 0}),
            latent_metrics=(evaluation.latent_metrics, {"labels": y, "codes": np.stack([y, y], 1)}),
            linear_probe=(
                evaluation.linear_probe,
                {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "seed": 0},
            ),
            tsne=(evaluation.tsne, {"x": x[:6], "seed": 0}),
        ),
    ]


def _model() -> Any:
    from discretevae.models import DiscreteVAE
    from discretevae.networks import MLP

    return DiscreteVAE((3,), 2, 3, MLP((4,)))


def _models() -> list[Row]:
    """Constructors of models, and what is asked of one."""
    from discretevae import models
    from discretevae.data import Examples, split
    from discretevae.evaluation import (
        code_health,
        evaluate,
        evaluate_bounds,
        representations,
    )
    from discretevae.networks import MLP
    from discretevae.sklearn import CategoricalVAE, SemanticIds
    from discretevae.sparse import TopKAutoencoder
    from discretevae.studies.laboratory import (
        OwnProblem,
        measure_gradients,
        measure_gradients_of,
    )
    from discretevae.training import SparseOptions, TrainingOptions, train, train_sparse

    common = {"shape": (3,), "network": "mlp", "likelihood": "bernoulli", "beta": 1.0}
    code = {"num_latents": 2, "num_categories": 3, "prior": "uniform", "estimator": "auto"}
    more = {"free_bits": 0.1, "context_shape": (2,)}
    grid = {"shape": (1, 4, 4), "network": "residual", "num_codes": 4, "dim": 2, "rate": False}
    grid |= {"quantiser": "vq", "prior": "pixelcnn"}
    kinds: dict[str, dict[str, Any]] = {
        "DiscreteVAE": common | code | more | {"embedding_size": 2},
        "BlockwiseVAE": common | code | more | {"embedding_size": 2, "blocks": 2},
        "GaussianVAE": common | {"num_latents": 2, "context_shape": (2,)},
        "HierarchicalVAE": common
        | code
        | {"num_latents": (3, 2), "free_bits": 0.1, "inference": "top-down"},
        "JointVAE": common | code | more | {"num_continuous": 2, "embedding_size": 2},
        "SemiSupervisedVAE": common | code | {"num_classes": 2, "alpha": 0.1, "classifier": "mlp"},
        "QuantisedVAE": common | grid | {"num_quantisers": 2, "groups": 1},
        "TwoLevelVAE": common | grid,
    }
    found: list[Row] = [
        ("models", name, partial(_built, getattr(models, name)), partial(dict, good), False)
        for name, good in kinds.items()
    ]
    x = torch.rand(4, 3).round()
    small = MLP((4,))
    made = {
        "DiscreteVAE": lambda: models.DiscreteVAE((3,), 2, 3, small),
        "BlockwiseVAE": lambda: models.BlockwiseVAE((3,), 2, 3, 2, small),
        "GaussianVAE": lambda: models.GaussianVAE((3,), 2, small),
        "HierarchicalVAE": lambda: models.HierarchicalVAE((3,), (3, 2), 2, small),
        "JointVAE": lambda: models.JointVAE((3,), 2, 3, 2, small),
        "SemiSupervisedVAE": lambda: models.SemiSupervisedVAE((3,), 2, 2, 3, small),
    }
    asked: dict[str, dict[str, Any]] = {
        "encode": {"x": x},
        "posterior": {"x": x},
        "reconstruct": {"x": x},
        "objective": {"x": x},
        "elbo": {"x": x, "samples": 2},
        "log_likelihood": {"x": x, "samples": 2},
        "sample": {"count": 2},
        "sample_codes": {"count": 2},
        "decode": {},
    }
    for kind, make in made.items():
        codes = make().sample_codes(2)
        for method, good in asked.items():
            good = good or {"codes": codes}
            call = partial(_ask, make, method)
            found.append(("models", f"{kind}.{method}", call, partial(dict, good), False))

    def splits() -> Any:
        return split(Examples(torch.rand(20, 3).round(), torch.arange(20) % 2))

    def fit(X: Any, **options: Any) -> None:
        vae = CategoricalVAE(**{"epochs": 1, "widths": (4,), **options})
        vae.fit(X)
        vae.inverse_transform(vae.transform(X))
        vae.score_samples(X)

    def ids(X: Any, **options: Any) -> None:
        found = SemanticIds(**{"epochs": 1, "widths": (4,), **options})
        found.inverse_transform(found.fit(X).transform(X))

    def apart(x: Any, **options: Any) -> None:
        options = {"steps": 2, "batch_size": 4, "accelerator": "cpu", **options}
        checked = SparseOptions(**{**options, "progress_bar": False})
        checked = replace(checked, steps=min(checked.steps, 3))
        train_sparse(TopKAutoencoder(dim=3, width=6, k=2), x, options=checked)

    def trained(**options: Any) -> None:
        options = {"epochs": 1, "accelerator": "cpu", "progress_bar": False, **options}
        TrainingOptions(**options)
        for name in ("epochs", "batch_size"):
            options[name] = min(options[name], 3)
        train(made["DiscreteVAE"](), splits(), TrainingOptions(**options))

    rows = np.random.default_rng(0).random((12, 3))
    model = made["DiscreteVAE"]
    found += [
        (
            "training",
            "train_sparse",
            apart,
            lambda: {
                "x": np.random.default_rng(0).random((40, 3)).astype(np.float32),
                "steps": 2,
                "batch_size": 4,
                "learning_rate": 1e-3,
                "dead_after": 100,
                "seed": 0,
            },
            False,
        ),
        (
            "sklearn",
            "SemanticIds",
            ids,
            lambda: {
                "X": rows,
                "num_digits": 2,
                "num_codes": 4,
                "widths": (4,),
                "epochs": 1,
                "batch_size": 4,
                "learning_rate": 1e-3,
                "random_state": 0,
            },
            False,
        ),
        (
            "sklearn",
            "CategoricalVAE",
            fit,
            lambda: {
                "X": rows,
                "num_latents": 2,
                "num_categories": 3,
                "widths": (4,),
                "likelihood": "auto",
                "estimator": "auto",
                "output": "codes",
                "epochs": 1,
                "batch_size": 4,
                "learning_rate": 1e-3,
                "validation_fraction": 0.2,
                "patience": 2,
                "random_state": 0,
            },
            False,
        ),
        (
            "evaluation",
            "evaluate",
            lambda **k: evaluate(model(), splits(), **k),
            lambda: {"samples": 2, "seed": 0},
            False,
        ),
        (
            "evaluation",
            "evaluate_bounds",
            lambda batches, **k: evaluate_bounds(model(), [batches], **k),
            lambda: {"batches": x, "samples": 2},
            False,
        ),
        (
            "evaluation",
            "code_health",
            lambda batches: code_health(model(), [batches]),
            lambda: {"batches": x},
            False,
        ),
        (
            "evaluation",
            "representations",
            lambda batches: representations(model(), [batches]),
            lambda: {"batches": x},
            False,
        ),
        (
            "laboratory",
            "measure_gradients",
            lambda **k: measure_gradients(model(), **k),
            lambda: {"x": x, "replicates": 40, "fit_steps": 0, "truth_replicates": 40, "seed": 0},
            False,
        ),
        (
            "laboratory",
            "OwnProblem",
            lambda logits: OwnProblem(lambda z: z[..., 0].sum(-1), logits),
            lambda: {"logits": torch.zeros(2, 3)},
            False,
        ),
        (
            "laboratory",
            "measure_gradients_of",
            lambda **k: measure_gradients_of(
                OwnProblem(lambda z: z[..., 0].sum(-1), torch.zeros(2, 3)), **k
            ),
            lambda: {"replicates": 40, "fit_steps": 0, "truth_replicates": 40, "seed": 0},
            False,
        ),
        (
            "training",
            "train",
            trained,
            lambda: {
                "beta": "0:1",
                "contrastive_temperature": 0.1,
                "learning_rate": 1e-3,
                "batch_size": 5,
                "patience": 1,
                "temperature": 0.5,
                "balance": 0.1,
                "seed": 0,
                "decay": "linear",
                "optimizer": "adam",
                "accelerator": "cpu",
                "precision": "32-true",
                "devices": 1,
            },
            False,
        ),
    ]
    return found


def _built(kind: Any, **arguments: Any) -> None:
    """Builds a model, unless it would be a huge one that is none the worse for it."""
    sizes = [v for v in arguments.values() if isinstance(v, (int, np.integer))]
    sizes += [math.prod(v) for v in arguments.values() if _whole(v)]
    if any(10**6 < abs(int(size)) < 10**10 for size in sizes):
        return
    kind(**arguments)


def _whole(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(i, int) for i in value)


def _ask(make: Callable[[], Any], method: str, **arguments: Any) -> None:
    count = arguments.get("count", arguments.get("samples", 1))
    if isinstance(count, (int, np.integer)) and 10**5 < count < 2**50:
        return  # right, and slow
    with torch.no_grad():
        getattr(make(), method)(**arguments)


def _files(scene: Scene | None, folder: Path) -> list[Row]:
    """Functions that read and write."""
    from discretevae import codes, data, export, from_pretrained
    from discretevae.data.blocks import Blocks
    from discretevae.evaluation import anomaly_scores, cached_array, impute, interpolate
    from discretevae.likelihoods import ColumnsLikelihood
    from discretevae.models import DiscreteVAE
    from discretevae.networks import ColumnsNetwork
    from discretevae.schema.columns import BinaryColumn, NumericColumn

    run = scene.runs["whole"] if scene else folder
    np.save(folder / "x.npy", np.random.default_rng(0).random((30, 3)))
    (folder / "t.csv").write_text("a,b\n" + "1.5,no\n2.5,yes\n" * 15)
    (folder / "s.txt").write_text("to be\nor not\nto bee\n" * 10)
    columns = (NumericColumn("a", 0.0, 1.0), BinaryColumn("b", ("no", "yes")))

    def model() -> Any:
        return from_pretrained(run / "model")

    def tabular() -> Any:
        return DiscreteVAE((2,), 2, 3, ColumnsNetwork(columns, (4,)), ColumnsLikelihood(columns))

    def blocks() -> Blocks:
        return Blocks.of(np.zeros((4, 8, 8), np.uint8))

    part = {"validation": 0.1, "test": 0.1, "seed": 0}
    x = torch.tensor([[1.0, float("nan")], [2.0, 1.0]])
    path = folder / "x.npy"
    out = folder / "out"
    return [
        (
            "data",
            "load",
            data.load,
            lambda: part | {"data": path, "binarize": "none", "limit": 3, "condition": "none"},
            False,
        ),
        (
            "data",
            "load of a named set",
            data.load,
            lambda: part | {"data": "digits", "binarize": "fresh", "limit": 30, "labelled": 10},
            False,
        ),
        (
            "data",
            "load_table",
            data.load_table,
            lambda: part | {"data": folder / "t.csv", "categorical": ("b",), "numeric": ("a",)},
            False,
        ),
        (
            "data",
            "load_text",
            data.load_text,
            lambda: (
                part
                | {
                    "path": folder / "s.txt",
                    "pieces": 20,
                    "max_tokens": 8,
                    "truncate": True,
                    "limit": 9,
                }
            ),
            False,
        ),
        ("data", "read_file", data.read_file, lambda: {"path": path}, False),
        (
            "data",
            "open_source",
            lambda **k: data.learn_schema(data.open_source(**k)),
            lambda: {"data": path, "likelihood": "gaussian"},
            False,
        ),
        (
            "data",
            "given",
            lambda **k: data.given(likelihood="gaussian", **k),
            lambda: {"data": [[0.5, 1.0]]},
            False,
        ),
        (
            "data",
            "given_whole",
            lambda **k: data.given_whole(likelihood="gaussian", **k),
            lambda: {"data": torch.rand(30, 2), "seed": 0},
            False,
        ),
        (
            "data",
            "given_splits",
            lambda **k: data.given_splits(likelihood="gaussian", **k),
            lambda: {"data": torch.rand(30, 2), "seed": 0},
            False,
        ),
        (
            "data",
            "ReadingOptions",
            data.ReadingOptions,
            lambda: {"drop": ("a",), "label": "b", "levels": 255, "size": 8, "decimal": ","},
            False,
        ),
        (
            "data",
            "schema_from_config",
            data.schema_from_config,
            lambda: {"config": data.learn_schema(data.open_source(path)).config()},
            False,
        ),
        (
            "codes",
            "encode",
            lambda **k: codes.encode(DiscreteVAE((3,), 2, 3), **k),
            lambda: {"data": torch.zeros(3, 3)},
            False,
        ),
        (
            "data",
            "read_sentences",
            data.read_sentences,
            lambda: {"path": folder / "s.txt", "column": "text"},
            False,
        ),
        (
            "data",
            "open_blocks",
            lambda **k: list(data.open_blocks(**k).rows(2)),
            lambda: {"path": path},
            False,
        ),
        (
            "data",
            "read_rows",
            data.read_rows,
            lambda: {"data": folder / "t.csv", "columns": columns, "unseen_as_missing": True},
            False,
        ),
        (
            "models",
            "from_pretrained",
            from_pretrained,
            lambda: {"folder": run / "model", "estimator": "rloo", "beta": 1.0},
            False,
        ),
        (
            "codes",
            "encode_file",
            lambda **k: codes.encode_file(model(), blocks(), **_inside(out, k)),
            lambda: {"path": out / "c.npz"},
            False,
        ),
        (
            "codes",
            "decode_file",
            lambda **k: codes.decode_file(model(), **_inside(out, k)),
            lambda: {"codes": run / "given.npz", "path": out / "d.npy"},
            False,
        ),
        (
            "codes",
            "compress_file",
            lambda **k: codes.compress_file(model(), blocks(), **_inside(out, k)),
            lambda: {"path": out / "c.dvae"},
            False,
        ),
        (
            "codes",
            "compress_codes",
            lambda **k: codes.compress_codes(model(), blocks(), **_inside(out, k)),
            lambda: {"path": out / "l.dvae"},
            False,
        ),
        (
            "codes",
            "decompress_file",
            lambda **k: codes.decompress_file(model(), **_inside(out, k)),
            lambda: {"file": run / "given.dvae", "path": out / "e.npy"},
            False,
        ),
        (
            "evaluation",
            "impute",
            lambda **k: impute(tabular(), **k),
            lambda: {"x": x, "samples": 3},
            False,
        ),
        (
            "evaluation",
            "anomaly_scores",
            lambda **k: anomaly_scores(tabular(), **k),
            lambda: {"x": x, "samples": 3},
            False,
        ),
        (
            "evaluation",
            "interpolate",
            lambda **k: interpolate(tabular(), **k),
            lambda: {"x": x[0], "y": x[1]},
            False,
        ),
        (
            "evaluation",
            "cached_array",
            lambda **k: cached_array(compute=lambda: np.zeros(2), **_inside(out, k)),
            lambda: {"path": out / "a.npz", "key": {"a": 1}},
            False,
        ),
        ("export", "export", lambda kind: export.export(kind, out), lambda: {"kind": None}, False),
    ]


def _inside(folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Keeps what is written inside a folder, whatever it is called."""
    path = arguments.get("path")
    if isinstance(path, str) and "\0" not in path:
        arguments["path"] = str(folder / path.strip("./~"))
    return arguments
