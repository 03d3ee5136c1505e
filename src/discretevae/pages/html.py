"""Pages that need no other file and no network, from the templates."""

import base64
import hashlib
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["Script", "render", "script"]


def render(template: str, **content: Any) -> str:
    """Fills in a template; all texts are escaped, and none may be missing."""
    strict = Environment(
        autoescape=lambda name: name is not None and not name.endswith(".css"),
        undefined=StrictUndefined,
        trim_blocks=True,
        loader=PackageLoader("discretevae", "pages/templates"),
    )
    return strict.get_template(template).render(**content)


class Script(NamedTuple):
    """A program of a page, and the digest by which the page's policy lets it run."""

    text: str
    digest: str


def script(template: str) -> Script:
    """Reads a program from the templates.

    Example:
        >>> script("explorer.js").digest.startswith("sha256-")
        True
    """
    text = (files("discretevae") / "pages" / "templates" / template).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Script(text, f"sha256-{digest}")
