"""Trains a code of sentences that is used, and writes results/text.json and its page.

1. The decoder alone, with a learned constant in the place of what the code says, for as many
   epochs as the whole of the VAE's training; the best on validation is kept. This is the baseline.
2. The VAE starts from the decoder of stage 1's first half. A floor under the KL of each latent
   (free bits) and a learned factorised prior make a code form.
3. The latents are redundant: an autoregressive prior makes that cost nothing, the floor goes, and
   a small β stays, in training only. Every figure on the page is a true bound, β = 1.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from discretevae.data.text import load_text
from discretevae.estimators import ReinMax
from discretevae.evaluation.text import bits_per_token, interpolate, perplexity
from discretevae.experiments.folder import versions
from discretevae.likelihoods.tokens import SentenceDistribution, TokenLikelihood
from discretevae.models import DiscreteVAE
from discretevae.networks.text import TextNetwork
from discretevae.schema.vocabulary import Vocabulary, token_counts

RESULTS = Path(__file__).parent.parent / "results"
PIECES, LATENTS, CATEGORIES = 1024, 3, 16
FREE_BITS, BETA = 1.4, 0.07
BATCH, READER_WIDTH = 128, 128
ALONE, ALONE_ON, FLOORS, LAST = 6, 5, 2, 3
"""Epochs of each stage."""
SAMPLES, WEIGHTED = 10, 100


class NoLatents(nn.Module):
    """The decoder, told the same learned constant of every sentence."""

    def __init__(self, vocabulary: Vocabulary, length: int) -> None:
        super().__init__()
        self.likelihood = TokenLikelihood(vocabulary, length)
        self.h = nn.Parameter(torch.zeros(self.likelihood.features))

    def log_prob(self, x: Tensor) -> Tensor:
        return self.likelihood(self.h.expand(len(x), -1)).log_prob(x)

    def start(self, model: DiscreteVAE) -> None:
        """Gives a VAE this decoder: what it writes is at first the same for every code."""
        model.likelihood.load_state_dict(self.likelihood.state_dict())
        last = [part for part in model.decoder.modules() if isinstance(part, nn.Linear)][-1]
        with torch.no_grad():
            last.bias.copy_(self.h)


def vae(vocabulary: Vocabulary, length: int, prior: str, **options: Any) -> DiscreteVAE:
    """The model; both of its stages differ in prior and objective alone."""
    network = TextNetwork(vocabulary.size, width=READER_WIDTH)
    likelihood = TokenLikelihood(vocabulary, length)
    sizes = LATENTS, CATEGORIES
    estimator = ReinMax(temperature=1.3)
    return DiscreteVAE((length,), *sizes, network, likelihood, estimator, prior, **options)


@torch.no_grad()
def over(x: Tensor, figure: Callable[[Tensor], Tensor], size: int = 512) -> Tensor:
    """Figures of all sentences, a part of them at a time: (…, N)."""
    return torch.cat([figure(part) for part in x.split(size)], -1)


def bound(model: DiscreteVAE, samples: int) -> Callable[[Tensor], Tensor]:
    """The true ELBO and the KL, by the same draws each time it is made."""
    draws = torch.Generator().manual_seed(1)

    def figures(x: Tensor) -> Tensor:
        terms = model.elbo_terms(x, samples, draws)
        return torch.stack([terms.elbo, terms.kl])

    return figures


class Fitting:
    """Fits modules to the training sentences, one stage after the other."""

    def __init__(self, train: Tensor, validation: Tensor, seed: int) -> None:
        self.train, self.validation = train, validation
        self.draws = torch.Generator().manual_seed(seed)
        self.started = time.perf_counter()
        self.history: list[dict[str, Any]] = []

    def __call__(
        self,
        stage: str,
        model: nn.Module,
        objective: Callable[[Tensor], Tensor],
        score: Callable[[], Callable[[Tensor], Tensor]],
        epochs: int,
        rate: float,
        keep_best: bool = True,
    ) -> None:
        """Maximises the objective and keeps the weights of the best epoch, or of the last."""
        steps = epochs * math.ceil(len(self.train) / BATCH)
        optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.05)
        best, state = -math.inf, model.state_dict()
        for epoch in range(epochs):
            model.train()
            for index in torch.randperm(len(self.train), generator=self.draws).split(BATCH):
                optimizer.zero_grad()
                (-objective(self.train[index]).mean()).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
                schedule.step()
            model.eval()
            figures = over(self.validation, score()).reshape(-1, len(self.validation)).mean(-1)
            if figures[0] > best or not keep_best:
                best = float(figures[0])
                state = {name: value.clone() for name, value in model.state_dict().items()}
            names = ("validation", "KL")[: len(figures)]
            row = {"stage": stage, "epoch": epoch + 1}
            row |= dict(zip(names, map(float, figures), strict=True))
            row |= {"seconds": round(time.perf_counter() - self.started, 1)}
            self.history.append(row)
            print(row, flush=True)
        model.load_state_dict(state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lines", nargs="?", help="a .txt file; by default tinyshakespeare's")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    lines = given.lines or Path(os.environ["DISCRETEVAE_DATA"]) / "text" / "tinyshakespeare.txt"
    torch.manual_seed(given.seed)
    text = load_text(lines, pieces=PIECES)
    vocabulary, (length,) = text.vocabulary, text.splits.shape
    train, validation, test = (
        getattr(text.splits, part).x for part in ("train", "validation", "test")
    )
    fit = Fitting(train, validation, given.seed)

    alone, started = (
        NoLatents(vocabulary, length),
        vae(vocabulary, length, "learned", free_bits=FREE_BITS),
    )
    fit("decoder alone", alone, alone.log_prob, lambda: alone.log_prob, ALONE, 2e-3)
    alone.start(started)
    fit("decoder alone, on", alone, alone.log_prob, lambda: alone.log_prob, ALONE_ON, 1e-3)
    baseline = over(test, alone.log_prob)

    def objective(model: DiscreteVAE) -> Callable[[Tensor], Tensor]:
        return lambda x: model.objective(x, fit.draws)

    fit("floors", started, objective(started), lambda: bound(started, 1), FLOORS, 1e-3, False)
    model = vae(vocabulary, length, "autoregressive", beta=BETA)
    for part in ("encoder", "decoder", "likelihood"):
        getattr(model, part).load_state_dict(getattr(started, part).state_dict())
    fit("autoregressive prior", model, objective(model), lambda: bound(model, 1), LAST, 1e-3)
    model.eval()

    elbo, kl = over(test, bound(model, SAMPLES))
    draws = torch.Generator().manual_seed(2)
    weighted = over(test, lambda x: model.log_likelihood(x, WEIGHTED, draws), 64)
    counts = token_counts(test)
    rows = {"decoder alone": baseline, "VAE, ELBO": elbo, f"VAE, S = {WEIGHTED}": weighted}
    record = {
        "versions": versions(),
        "seed": given.seed,
        "data": str(text),
        "sizes": {"T": length, "V": vocabulary.size, "D": LATENTS, "K": CATEGORIES},
        "free_bits": FREE_BITS,
        "beta": BETA,
        "figures": {name: _figures(value, counts) for name, value in rows.items()},
        "KL": _mean(kl),
        "ratio": float(elbo.mean() / baseline.mean()),
        "gap": _mean(baseline - elbo),
        "history": fit.history,
    }
    (RESULTS / "text.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    examples = _examples(model, test, draws)
    (RESULTS / "text.md").write_text(_page(record, examples), encoding="utf-8")


def _mean(x: Tensor) -> list[float]:
    """Mean and standard error."""
    return [float(x.mean()), float(x.double().std() / len(x) ** 0.5)]


def _figures(log_p: Tensor, counts: Tensor) -> dict[str, Any]:
    return {
        "nats": _mean(log_p),
        "bits_per_token": bits_per_token(log_p, counts),
        "perplexity": perplexity(log_p, counts),
    }


def _examples(model: DiscreteVAE, test: Tensor, draws: torch.Generator) -> dict[str, list[str]]:
    likelihood = model.likelihood
    assert isinstance(likelihood, TokenLikelihood)
    read = likelihood.vocabulary.to_sentences
    said = [f"{read(x[None])[0]} → {read(model.reconstruct(x[None]))[0]}" for x in test[:8]]
    codes = model.sample_codes(8, torch.Generator().manual_seed(3))
    written = model.decode(codes)
    assert isinstance(written, SentenceDistribution)
    drawn = read(written.sample(generator=draws))
    between = [" → ".join(interpolate(model, test[i], test[j])) for i, j in ((1, 2), (3, 5))]
    return {
        "Sentences, and the most probable one for the code of each": said,
        "Drawn from the prior": drawn,
        "From one code to another, a latent at a time": between,
    }


def _page(record: dict[str, Any], examples: dict[str, list[str]]) -> str:
    machine, torch_version = record["versions"]["machine"], record["versions"]["torch"]
    sizes, (kl, kl_error), (gap, gap_error) = record["sizes"], record["KL"], record["gap"]
    parts = [
        "# Sentences with a code",
        f"`python benchmarks/text.py`, seed {record['seed']}; {machine}, torch {torch_version}. "
        f"Lines of tinyshakespeare, {sizes['V']:,} pieces of words; {sizes['D']} × "
        f"{sizes['K']} latents before a GRU of 256 units. {record['data'].capitalize()}.",
        "| model | nats per line | bits per token | perplexity |\n|---|---|---|---|\n"
        + "\n".join(
            f"| {name} | {row['nats'][0]:.2f} ± {row['nats'][1]:.2f} | "
            f"{row['bits_per_token']:.3f} | {row['perplexity']:.2f} |"
            for name, row in record["figures"].items()
        ),
        f"KL of the code {kl:.2f} ± {kl_error:.2f} nats. −ELBO is {record['ratio']:.4f} of the "
        f"decoder's alone: {gap:.2f} ± {gap_error:.2f} nats a line more (the standard error is "
        "that of the differences, line by line). Both decoders are the same network, trained for "
        f"{ALONE + ALONE_ON} epochs. Figures are of the test lines, the KL included, on hard "
        "samples; bits and perplexity are of tokens and the end of the line.",
        f"How: the decoder alone for {ALONE} epochs; then with a code, free bits of "
        f"{record['free_bits']} nats a latent and a learned prior, for {FLOORS}; then with an "
        f"autoregressive prior and β = {record['beta']} in training, for {LAST}. Epochs and β "
        "were chosen on validation lines.",
    ]
    for title, found in examples.items():
        parts += [f"## {title}", "\n".join(f"- {line}" for line in found)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
