"""Cells of shell commands are shown as such, without the line that makes them cells."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

MAGIC = re.compile(r"%%bash[^\n]*\n")


class ShellCells(SphinxPostTransform):
    """Takes `%%bash -e` away from what readers see."""

    default_priority = 5

    def run(self) -> None:
        """Changes the literal blocks of cells."""
        for node in self.document.findall(nodes.literal_block):
            text = node.astext()
            if MAGIC.match(text):
                shown = MAGIC.sub("", text, count=1)
                node["language"] = "bash"
                node.rawsource = shown
                node.children = [nodes.Text(shown)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the transform."""
    app.add_post_transform(ShellCells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
