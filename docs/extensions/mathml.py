"""Formulas as MathML, which browsers show by themselves: no script, no font, no network."""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
SPELLINGS = {
    r"\\(big|Big|bigg|Bigg)(?![a-zA-Z])": r"\\\1l",
    r"…|\\dots(?![a-zA-Z])": r"\\ldots ",
    "½": r"\\tfrac12 ",
}
"""What LaTeX knows and docutils spells otherwise."""
NO_SPACE = re.compile(r"<mo>&ApplyFunction;</mo>(?!\s*(?:<mrow>\s*)?<mo[^>]*>[(\[|])")
SPACE = '<mspace width="0.17em"></mspace>'
"""Between a function and its argument, where no bracket parts them."""


def to_mathml(tex: str, block: bool = False) -> str:
    """Turns LaTeX into MathML; the LaTeX stays within, for those who copy it."""
    for pattern, spelling in SPELLINGS.items():
        tex = re.sub(pattern, spelling, tex)
    found = str(tex2mathml(" ".join(tex.split()), as_block=block))
    return NO_SPACE.sub(SPACE, found)


def _show(translator: Any, node: nodes.Element, block: bool) -> None:
    try:
        found = to_mathml(node.astext(), block)
    except MathError as error:
        logger.warning("formula: %s (%s)", error, node.astext(), location=node)
        found = f"<code>{translator.encode(node.astext())}</code>"
    if block:
        number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
        translator.body.append(f'<div class="formula">{found}{number}</div>')
    else:
        translator.body.append(found)
    raise nodes.SkipNode


def visit_inline(translator: Any, node: nodes.Element) -> None:
    """Writes a formula within a line."""
    _show(translator, node, block=False)


def visit_block(translator: Any, node: nodes.Element) -> None:
    """Writes a formula of its own line."""
    _show(translator, node, block=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
