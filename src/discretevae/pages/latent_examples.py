"""What there is to see of latents: where each is strongest, how often, and what is near."""

import base64
import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from PIL import Image
from torch import Tensor

from discretevae.data.activations import Activations
from discretevae.evaluation.sparse import Latents, nearest
from discretevae.experiments.sparse_run import Shown
from discretevae.pages.report import format_value
from discretevae.sparse import SparseAutoencoder

__all__ = ["Example", "LatentShown", "Mark", "Near", "as_sign", "in_sight", "latents_shown"]

AROUND = 24
"""Tokens before and after the one of an example."""
SIDE = 64
"""Pixels of a small image, at least."""


class Mark(NamedTuple):
    """A piece of text, and how strongly a latent is active there, from 0 to 1."""

    text: str
    strength: float


class Example(NamedTuple):
    """An activation in which a latent is strong."""

    amplitude: str
    row: int
    marks: list[Mark]
    image: str | None


class Near(NamedTuple):
    """A latent whose direction is near."""

    number: int
    cosine: str


class LatentShown(NamedTuple):
    """What a page says of a latent."""

    number: int
    density: str
    strength: str
    near: list[Near]
    examples: list[Example]


@torch.no_grad()
def latents_shown(
    model: SparseAutoencoder,
    data: Activations,
    of: Latents,
    chosen: Int64[Tensor, " n"],
    shown: Shown,
) -> list[LatentShown]:
    """Gives what there is to see of the latents chosen.

    Arguments:
        model: In evaluation mode.
        data: The activations that were looked at.
        of: What is known of all latents.
        chosen: Their numbers.
        shown: What rows are of.
    """
    if not len(chosen):
        return []
    cosines, others = nearest(model, chosen)
    amplitudes = _around(model, data, of.rows[chosen], chosen, shown)
    return [
        LatentShown(
            int(latent),
            format_value(float(of.density[latent]) * 100),
            format_value(float(of.strength[latent])),
            [Near(int(o), f"{float(c):.2f}") for c, o in zip(cosines[i], others[i], strict=True)],
            [
                _example(float(a), int(row), int(latent), shown, amplitudes)
                for a, row in zip(of.strongest[latent], of.rows[latent], strict=True)
                if row >= 0
            ],
        )
        for i, latent in enumerate(chosen)
    ]


def _example(
    a: float, row: int, latent: int, shown: Shown, amplitudes: Mapping[tuple[int, int], float]
) -> Example:
    marks, image = [], None
    if shown.tokens is not None:
        around = range(max(0, row - AROUND), min(len(shown.tokens), row + AROUND + 1))
        marks = [
            Mark(in_sight(shown.tokens[i]), round(amplitudes.get((i, latent), 0.0) / a, 2))
            for i in around
        ]
    if shown.images is not None:
        image = _as_link(shown.images[row])
    return Example(format_value(a), row, marks, image)


def in_sight(token: str) -> str:
    r"""Shows a line's end as a sign.

    Example:
        >>> in_sight("end.\n")
        'end.⏎'
    """
    return token.replace("\n", "⏎")


def as_sign(token: str) -> str:
    """Shows a token by itself, where a blank would not be seen.

    Example:
        >>> as_sign(" "), as_sign(" the")
        ('␣', ' the')
    """
    return in_sight(token) if token.strip(" ") else "␣" * len(token)


def _around(
    model: SparseAutoencoder,
    data: Activations,
    rows: torch.Tensor,
    latents: torch.Tensor,
    shown: Shown,
) -> dict[tuple[int, int], float]:
    """How strongly latents are active in the tokens around their strongest examples."""
    if shown.tokens is None:
        return {}
    wanted: dict[int, set[int]] = {}
    for latent, strongest in zip(latents.tolist(), rows.tolist(), strict=True):
        for row in strongest:
            if row >= 0:
                for i in range(max(0, row - AROUND), min(len(shown.tokens), row + AROUND + 1)):
                    wanted.setdefault(i, set()).add(latent)
    found: dict[tuple[int, int], float] = {}
    order = np.array(sorted(wanted))
    start = 0
    for part, size in enumerate(data.blocks.parts):
        here = order[np.searchsorted(order, start) : np.searchsorted(order, start + size)]
        if len(here):
            x, _ = data.pair(data.blocks.part(part).x[torch.from_numpy(here - start)])
            a, support = model.active(x)
            entries = zip(support.rows.tolist(), support.latents.tolist(), a.tolist(), strict=True)
            for i, latent, value in entries:
                if latent in wanted[int(here[i])]:
                    found[int(here[i]), latent] = value
        start += size
    return found


def _as_link(image: np.ndarray) -> str:
    """A small PNG as a link; numbers are stretched to what can be seen."""
    values = np.asarray(image, np.float64)
    low, high = float(values.min()), float(values.max())
    levels = np.zeros_like(values) if high == low else (values - low) / (high - low)
    drawn = Image.fromarray((255 * levels).round().astype(np.uint8))
    scale = max(1, SIDE // max(drawn.size))
    drawn = drawn.resize((scale * drawn.width, scale * drawn.height), Image.Resampling.NEAREST)
    file = io.BytesIO()
    drawn.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
