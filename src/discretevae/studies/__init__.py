"""Studies: architectures compared with each other, and estimators measured."""
