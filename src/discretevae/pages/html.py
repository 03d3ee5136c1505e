"""Pages that need no other file and no network, from the templates."""

import base64
import hashlib
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from discretevae.texts import for_markdown, visible

__all__ = ["Script", "render", "script"]


def render(template: str, **content: Any) -> str:
    """Fills in a template; all texts are escaped, as its ending asks, and none may be missing."""
    markdown = template.endswith(".md.j2")
    strict = Environment(
        autoescape=lambda name: name is not None and not name.endswith(".css") and not markdown,
        finalize=_for_markdown if markdown else _for_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        loader=PackageLoader("discretevae", "pages/templates"),
    )
    return strict.get_template(template).render(**content)


def _for_html(value: Any) -> Any:
    plain = isinstance(value, str) and not isinstance(value, Markup)
    return visible(value, keep="\n\t") if plain else value


def _for_markdown(value: Any) -> Any:
    return for_markdown(value) if isinstance(value, str) else value


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
