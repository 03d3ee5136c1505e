"""What the page of a run needs to be explored without a model: decoded codes, in few bytes."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from discretevae.data import Splits
from discretevae.latents import enumerate_codes, is_enumerable
from discretevae.models import VAE
from discretevae.pages.explorer.display import Pictures, sheet
from discretevae.pages.explorer.subject import ExplorerError, Subject, changes
from discretevae.pages.report import ReportExplorer

__all__ = ["BYTES", "EVERY", "of_subject", "precompute"]

EVERY = 4096
"""The most codes that are all decoded."""
SENTENCES = 1024
"""The most sentences, which are written one token after the other."""
BYTES = 1_500_000
"""The most that the decoded codes may add to a page."""
CELLS = 1024
"""The most categories, of all latents together, that a page offers."""
EXAMPLES = 8
"""Held-out examples to start from."""
SAMPLES = 64
"""Codes drawn from the prior, where every code is there to be shown."""
SHADES = (256, 64, 16)
"""How many are kept, fewer where the page would be too large otherwise."""

TITLE = "Explore the code"


class _Base(NamedTuple):
    """A code to start from, its name, the condition it has, and the example it is of."""

    code: Int[Tensor, " D"]
    name: str
    condition: int = 0
    example: int | None = None


def precompute(model: VAE, data: Splits, seed: int) -> ReportExplorer | None:
    """Decodes the codes that a reader may choose: all of them, or single changes of some.

    Every code is decoded where K^D is at most 4,096 (1,024 for sentences) and the pictures fit
    1.5 MB; else the codes of some examples and of samples from the prior, each with one latent
    changed to each category. What does not fit even so is left out, and the page says so.

    Arguments:
        model: Of the run; nothing is made of one that is not plainly discrete, or of grids.
        data: Of the run.
        seed: Of the samples from the prior.
    """
    try:
        subject = Subject.of(model, data, training=0)
    except ExplorerError:
        return None
    return of_subject(subject, seed) if len(subject.starts) else None


def of_subject(subject: Subject, seed: int) -> ReportExplorer | None:
    """Decodes as :func:`precompute` does; without examples, from samples of the prior alone."""
    if subject.model.grids or subject.num_categories > CELLS:
        return None
    generator = torch.Generator().manual_seed(seed)
    return _every_code(subject, generator) or _single_changes(subject, generator)


def _every_code(subject: Subject, generator: torch.Generator) -> ReportExplorer | None:
    model = subject.model
    sizes = subject.num_latents, subject.num_categories
    most = SENTENCES if model.likelihood.sequential else EVERY
    if len(subject.conditions) > 1 or not is_enumerable(*sizes, most):
        return None
    x = subject.decode(enumerate_codes(*sizes))
    for shades in SHADES:
        decoded = _shown(subject, x, shades)
        if _size(decoded) <= BYTES:
            break
    else:
        return None
    bases = [*_examples(subject, EXAMPLES), *_samples(subject, SAMPLES, generator)]
    caption = (
        f"All {subject.num_categories}^{subject.num_latents} = {len(x):,} codes are decoded in "
        "this page: change any latent to any category." + _few(shades)
    )
    return _explorer(subject, caption, bases, range(subject.num_latents), decoded, every=True)


def _single_changes(subject: Subject, generator: torch.Generator) -> ReportExplorer | None:
    model = subject.model
    latents = range(min(subject.num_latents, CELLS // subject.num_categories))
    examples, samples = _examples(subject, EXAMPLES), _samples(subject, EXAMPLES, generator)
    most = SENTENCES if model.likelihood.sequential else CELLS * EXAMPLES
    for count, shades in _attempts():
        bases = [*examples[:count], *samples[: count // 2 if examples else count]]
        if count > 1 and len(bases) * len(latents) * subject.num_categories > most:
            continue
        decoded = _changed(subject, bases, latents, shades)
        if _size(decoded) <= BYTES:
            break
    else:
        return None
    caption = (
        "Each change below is one step away from a code that is decoded in this page: choosing a "
        "category of one latent takes back the change of another. With the model at hand, "
        "discretevae explore has no such limit."
    )
    if len(latents) < subject.num_latents:
        caption += f" Shown are the first {len(latents)} of {subject.num_latents} latents."
    return _explorer(subject, caption + _few(shades), bases, latents, decoded, every=False)


def _few(shades: int) -> str:
    return f" Pictures have {shades} shades, to keep the page small." if shades < 256 else ""


def _attempts() -> Iterator[tuple[int, int]]:
    """How many examples to start from, and how many shades, the best first."""
    return ((count, shades) for shades in SHADES for count in (EXAMPLES, 4, 2, 1))


def _examples(subject: Subject, count: int) -> list[_Base]:
    """The first held-out examples, of different classes as far as there are."""
    bases = []
    for i in _varied(subject)[:count]:
        condition = subject.condition_of(subject.starts, i)
        code = subject.encode(subject.starts.values(slice(i, i + 1))[0], condition)
        bases.append(_Base(code, subject.name_of_start(i), condition, i))
    return bases


def _varied(subject: Subject) -> list[int]:
    """The first example of each class, then all others."""
    labels = subject.starts.labels
    if labels is None:
        return list(range(len(subject.starts)))
    first = {int(label): i for i, label in reversed(list(enumerate(labels.tolist())))}
    rest = [i for i in range(len(labels)) if i not in first.values()]
    return [*sorted(first.values()), *rest]


def _samples(subject: Subject, count: int, generator: torch.Generator) -> list[_Base]:
    conditions = [i % len(subject.conditions) for i in range(count)]
    names = [f" given {subject.names[c]}" if subject.names[c] else "" for c in conditions]
    return [
        _Base(subject.sample(generator, c), f"sample {i + 1} from the prior{name}", c)
        for i, (c, name) in enumerate(zip(conditions, names, strict=True))
    ]


def _changed(subject: Subject, bases: Sequence[_Base], latents: range, shades: int) -> Any:
    """Shows each single change of each base; those of one condition are decoded together."""
    categories = range(subject.num_categories)
    codes = [
        torch.cat([changes(base.code, latent, categories) for latent in latents]) for base in bases
    ]
    x: dict[int, Tensor] = {}
    for condition in {base.condition for base in bases}:
        places = [place for place, base in enumerate(bases) if base.condition == condition]
        found = subject.decode(torch.cat([codes[place] for place in places]), condition)
        x.update(zip(places, found.split(len(codes[0])), strict=True))
    return _shown(subject, torch.cat([x[place] for place in range(len(bases))]), shades)


def _shown(subject: Subject, x: Tensor, shades: int) -> Any:
    if isinstance(subject.display, Pictures):
        return sheet(subject.display.show(x), shades)
    return subject.display.show(x)


def _size(decoded: Any) -> int:
    if isinstance(decoded, dict):
        return len(decoded["source"])
    return sum(len(cell.encode()) + 3 for row in decoded for cell in row)


def _explorer(
    subject: Subject,
    caption: str,
    bases: Sequence[_Base],
    latents: range,
    decoded: Any,
    *,
    every: bool,
) -> ReportExplorer:
    shown = [base.example for base in bases if base.example is not None]
    given = subject.starts.values(torch.tensor(shown)) if shown else None
    data = {
        "every": every,
        "latents": list(latents),
        "categories": subject.num_categories,
        "header": None if isinstance(subject.display, Pictures) else subject.display.header,
        "bases": [
            {
                "name": base.name,
                "code": base.code[: len(latents)].tolist(),
                "input": None if base.example is None else shown.index(base.example),
            }
            for base in bases
        ],
        "decoded": decoded,
        "inputs": None if given is None else _shown(subject, given, 256),
    }
    return ReportExplorer(TITLE, caption, data)
