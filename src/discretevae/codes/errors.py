"""The one error of this package."""

__all__ = ["CodesError"]


class CodesError(ValueError):
    """Raised where a model, a file or data do not go together; nothing is left half-written."""
