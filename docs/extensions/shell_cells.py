"""Cells of shell commands are shown as such; their output as a terminal leaves it."""

import re
from typing import Any

import myst_nb.core.render
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


def merged(outputs: list[Any]) -> list[Any]:
    """Joins what a cell has printed, which arrives in pieces, and leaves what a terminal would.

    MyST-NB's own way puts a line end after every piece of a hundred bytes.
    """
    printed: dict[str, Any] = {}
    others = []
    for output in outputs:
        if output["output_type"] != "stream":
            others.append(output)
        elif output["name"] in printed:
            printed[output["name"]]["text"] += output["text"]
        else:
            printed[output["name"]] = output
    for output in printed.values():
        output["text"] = as_left(output["text"]).strip("\n") + "\n"
    streams = [printed[name] for name in sorted(printed)]  # what went wrong, then what came out
    return [output for output in streams if output["text"].strip()] + others


class ShellCells(SphinxPostTransform):
    """Takes `%%bash -e` away, and `exec 2>&1`, which keeps what is printed in its order."""

    default_priority = 5

    def run(self) -> None:
        """Changes the literal blocks of cells."""
        for node in self.document.findall(nodes.literal_block):
            text = node.astext()
            if MAGIC.match(text):
                node["language"] = "bash"
                shown = MAGIC.sub("", text, count=1)
                node.rawsource = shown
                node.children = [nodes.Text(shown)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the transform."""
    app.add_post_transform(ShellCells)
    myst_nb.core.render.coalesce_streams = merged
    return {"parallel_read_safe": True, "parallel_write_safe": True}
