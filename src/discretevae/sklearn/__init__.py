"""Models as estimators of scikit-learn: rows of a table to codes and back."""

from discretevae.sklearn.categorical_vae import OUTPUTS, CategoricalVAE, Output
from discretevae.sklearn.semantic_ids import SemanticIds

__all__ = ["OUTPUTS", "CategoricalVAE", "Output", "SemanticIds"]
