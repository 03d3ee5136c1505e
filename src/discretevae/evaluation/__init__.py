"""True bounds with their standard errors, the health of the code, and what codes mean."""

from discretevae.evaluation.bounds import Bounds, evaluate_bounds
from discretevae.evaluation.clustering import (
    Clustering,
    cluster_metrics,
    kmeans_clustering,
    kmeans_scores,
    label_silhouette,
    latent_metrics,
)
from discretevae.evaluation.code_health import CodeHealth, code_health
from discretevae.evaluation.code_usage import CodeUsage, code_usage, collisions, occurrences
from discretevae.evaluation.diagnosis import Diagnosis, diagnose
from discretevae.evaluation.embeddings import (
    NotInstalledError,
    cached_array,
    embedded_rows,
    tsne,
    umap,
    umap_installed,
)
from discretevae.evaluation.evaluation import Evaluation
from discretevae.evaluation.figure import Figure, mean_figure
from discretevae.evaluation.gzipped import gzip_in_words
from discretevae.evaluation.imputation import AnomalyScores, anomaly_scores, impute
from discretevae.evaluation.no_code import gain_in_words, log_prob_without_code
from discretevae.evaluation.probes import knn_probe, linear_probe
from discretevae.evaluation.record import evaluate
from discretevae.evaluation.reference import reference_figures, reference_in_words
from discretevae.evaluation.representations import representations
from discretevae.evaluation.text import bits_per_token, interpolate, perplexity
from discretevae.evaluation.verdict import verdict_in_words

__all__ = [
    "AnomalyScores",
    "Bounds",
    "Clustering",
    "CodeHealth",
    "CodeUsage",
    "Diagnosis",
    "Evaluation",
    "Figure",
    "NotInstalledError",
    "anomaly_scores",
    "bits_per_token",
    "cached_array",
    "cluster_metrics",
    "code_health",
    "code_usage",
    "collisions",
    "diagnose",
    "embedded_rows",
    "evaluate",
    "evaluate_bounds",
    "gain_in_words",
    "gzip_in_words",
    "impute",
    "interpolate",
    "kmeans_clustering",
    "kmeans_scores",
    "knn_probe",
    "label_silhouette",
    "latent_metrics",
    "linear_probe",
    "log_prob_without_code",
    "mean_figure",
    "occurrences",
    "perplexity",
    "reference_figures",
    "reference_in_words",
    "representations",
    "tsne",
    "umap",
    "umap_installed",
    "verdict_in_words",
]
