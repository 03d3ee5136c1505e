"""Pages that need no other file and no network, from the templates."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["render"]


def render(template: str, **content: Any) -> str:
    """Fills in a template; all texts are escaped, and none may be missing."""
    strict = Environment(
        autoescape=lambda name: name is not None and not name.endswith(".css"),
        undefined=StrictUndefined,
        trim_blocks=True,
        loader=PackageLoader("discretevae"),
    )
    return strict.get_template(template).render(**content)
