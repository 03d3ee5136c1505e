"""Cells of shell commands are shown as such; their output as a terminal leaves it."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

MAGIC = re.compile(r"%%bash[^\n]*\n(?:exec 2>&1\n)?")
BAR = re.compile(r"\d+%\||it/s|\?it/s")
"""Of a line that is a progress bar."""


def as_left(text: str) -> str:
    """Gives what a terminal shows in the end: the last state of each line, and no bars.

    Example:
        >>> as_left("Epoch 1:  50%|██\\rEpoch 1: 100%|████\\nreport: runs/a\\n")
        'report: runs/a\\n'
    """
    lines = [line.rstrip().split("\r")[-1].rstrip() for line in text.split("\n")]
    return "\n".join(line for line in lines if not BAR.search(line))


class ShellCells(SphinxPostTransform):
    """Takes `%%bash -e` (and `exec 2>&1`, which keeps what is printed in order) away from what
    readers see, and progress bars from what was printed.
    """

    default_priority = 5

    def run(self) -> None:
        """Changes the literal blocks of cells."""
        for node in self.document.findall(nodes.literal_block):
            text = node.astext()
            if MAGIC.match(text):
                node["language"] = "bash"
                self._show(node, MAGIC.sub("", text, count=1))
            elif "stream" in node.get("classes", []) and BAR.search(text):
                self._show(node, as_left(text).strip("\n"))

    def _show(self, node: nodes.literal_block, text: str) -> None:
        node.rawsource = text
        node.children = [nodes.Text(text)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the transform."""
    app.add_post_transform(ShellCells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
