"""Sentences, written token by token."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import cross_entropy

from discretevae.latents.categorical import gumbel
from discretevae.likelihoods.likelihood import Learned, Likelihood, LogProb
from discretevae.names import resolve
from discretevae.networks.text import ROWS, WRITERS, longest_first
from discretevae.schema.columns import Cell
from discretevae.schema.vocabulary import (
    END,
    PADDING,
    UNKNOWN,
    Vocabulary,
    inside,
    token_counts,
)

__all__ = ["SentenceDistribution", "TokenLikelihood"]

LONGEST = 2**16
"""Tokens of a sentence, which are predicted one after the other."""


class TokenLikelihood(Likelihood):
    r"""Observes a sentence of at most T − 1 tokens and its end, each token given those before.

    .. math:: p(x | h) = \prod_{t=1}^{n} \mathrm{Cat}(x_t | x_{<t}, h), \qquad x_n = \text{end}

    An observation has shape (T,): tokens, the end (id 1), padding (id 0). A sentence of T − 1
    tokens must end: the end at position T has probability 1, so that the sum over all sentences
    that fit is 1. Padding is never predicted and contributes exactly 0; whatever follows the end
    is ignored. A batch may have fewer positions than T, and then none of its padding.

    The autoregressive network is part of the likelihood; the decoder need only say H numbers,
    what the sentence is about. Word dropout takes tokens from the network's input, never from
    what it predicts, so that it must rely on h. It happens in training mode only; which tokens
    are taken is a function of the batch `x`, alike for all codes: f(z) stays one function, and
    a resumed run repeats it.

    Arguments:
        vocabulary: Of the tokens, or its `config`.
        length: T, from 2 to 65,536.
        network: A name in `WRITERS`.
        features: H ≥ 1.
        width: Units of each layer and of the embedding.
        layers: Of the network.
        word_dropout: The probability in [0, 1] that an input token is replaced by "unknown".

    Raises:
        ValueError: If a size or the probability is out of range or the network unknown.

    Reference: Bowman et al., Generating Sentences from a Continuous Space, 2016, §3.1.

    Example:
        >>> p = TokenLikelihood(Vocabulary.of_characters(["to be"]), length=8, width=16)
        >>> x = p.vocabulary.to_rows(["to", "be"], length=8)
        >>> p(torch.zeros(2, 64)).log_prob(x).shape
        torch.Size([2])
    """

    name: ClassVar[str] = "tokens"
    unit: ClassVar[str] = "token"
    apart: ClassVar[str] = "tokens"
    sequential: ClassVar[bool] = True
    autoregressive: ClassVar[bool] = True
    cheap_codes: ClassVar[int] = 2**6
    """Each pair of a code and a sentence is a pass of the network."""

    def __init__(
        self,
        vocabulary: Vocabulary | Mapping[str, Any],
        length: int,
        network: str = "gru",
        features: int = 64,
        width: int = 256,
        layers: int = 1,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__(event_dims=1)
        if not isinstance(vocabulary, Vocabulary):
            vocabulary = Vocabulary.from_config(vocabulary)
        sizes = {"length": length, "features": features, "width": width, "layers": layers}
        for name, size in sizes.items():
            if size < 1 + (name == "length"):
                raise ValueError(f"`{name}` must be at least {1 + (name == 'length')}, got {size}.")
        if length > LONGEST:
            raise ValueError(f"`length` must be at most {LONGEST}, got {length}.")
        if not 0 <= word_dropout <= 1:
            raise ValueError(f"`word_dropout` must lie in [0, 1], got {word_dropout}.")
        self.vocabulary, self.length, self.features = vocabulary, length, features
        self.word_dropout = word_dropout
        self.options = {"network": network, "width": width, "layers": layers}
        kind = resolve("network", network, WRITERS)
        self.writer = kind(vocabulary.size, length, features, width, layers)
        self.head = nn.Linear(width, vocabulary.size - 1)  # all ids but the padding

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if tuple(shape) != (self.length,):
            raise ValueError(f"`shape` must be ({self.length},), got {tuple(shape)}.")
        return (self.features,)

    def suits(self, found: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        return len(found) == 1 and 1 <= found[0] <= self.length

    def whole(self, x: Float[Tensor, "*B n"]) -> Float[Tensor, "*B T"]:
        return nn.functional.pad(x, (0, self.length - x.shape[-1]))

    def forward(self, h: Float[Tensor, "*SB H"]) -> "SentenceDistribution":
        return SentenceDistribution(self, h)

    def point(self, p: Distribution) -> Tensor:
        """Gives the sentence whose every token is the most probable after those before."""
        return p.mode

    def dimensions(self, x: Float[Tensor, "*B T"]) -> Int64[Tensor, "*B"]:
        """Counts the tokens of each sentence, its end included; padding is none."""
        return token_counts(x)

    @property
    def header(self) -> tuple[str, ...]:
        return ("sentence",)

    def written(self, x: Float[Tensor, "N T"]) -> list[list[Cell]]:
        return [[text] for text in self.vocabulary.to_sentences(x)]

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.name,
            "vocabulary": self.vocabulary.config(),
            "length": self.length,
            "features": self.features,
            "word_dropout": self.word_dropout,
            **self.options,
        }

    def learned(self, x: Float[Tensor, "N T"], least: int = 0) -> Learned:
        kept = self.vocabulary.without_rare(x.tolist(), least) if least else self.vocabulary
        pairs = zip(self.vocabulary.symbols, kept.symbols, strict=True)
        left_out = sum(before != after for before, after in pairs)
        says = (
            f"the vocabulary, {len(kept.symbols) - left_out:,} characters and pieces of words of "
            "the training sentences"
        )
        return Learned({**self.config(), "vocabulary": kept.config()}, says, left_out)

    def without_code(self, seen: Float[Tensor, "N T"]) -> LogProb:
        """Draws tokens one by one, as often as `seen` has each; padding and a last end are sure."""
        counts = seen[inside(seen)].long().bincount(minlength=self.vocabulary.size) + 0.5
        log_p = counts.log() - counts[1:].sum().log()

        def log_prob(x: Float[Tensor, "*B T"]) -> Float[Tensor, "*B"]:
            predicted = inside(x)
            predicted[..., -1] = False
            return log_p[x.long()].where(predicted, 0).sum(-1)

        return log_prob

    def log_prob_pairs(
        self, h: Float[Tensor, "S H"], x: Float[Tensor, "*B T"]
    ) -> Float[Tensor, "S *B"]:
        return self(h.view(len(h), *[1] * (x.ndim - 1), self.features)).log_prob(x)

    def check(self, x: Tensor) -> None:
        if x.ndim < 1 or not 1 <= x.shape[-1] <= self.length:
            raise ValueError(f"`x` must end in at most T = {self.length}, got {tuple(x.shape)}.")
        known = (x >= 0) & (x < self.vocabulary.size) & (x == x.floor())
        if not bool(known.all()):
            raise ValueError(
                f"`x` must hold whole token ids in [0, {self.vocabulary.size}), "
                f"got {float(x[~known][0]):g}."
            )
        if not bool((x == END).any(-1).all()):
            raise ValueError("`x` must hold an end (id 1) in every sentence, got one without.")
        if not bool((inside(x) == (x != PADDING)).all()):
            raise ValueError("`x` must have padding (id 0) after each end and only there.")

    def next_logits(self, features: Float[Tensor, "*B W"]) -> Float[Tensor, "*B V"]:
        """Gives the unnormalised log-probabilities of the ids 1, …, V − 1, in float32 at least."""
        logits = self.head(features)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def inputs(self, x: Int64[Tensor, "*B n"]) -> Int64[Tensor, "*B m"]:
        """Gives the token before each, a start before the first; in training some are dropped."""
        tokens = x[..., : self.length - 2]
        if self.training and self.word_dropout:
            draws = torch.Generator().manual_seed(zlib.crc32(x.cpu().numpy().tobytes()))
            dropped = torch.rand(tokens.shape, generator=draws) < self.word_dropout
            tokens = tokens.masked_fill(dropped.to(x.device), UNKNOWN)
        return torch.cat([torch.full_like(x[..., :1], END), tokens], -1)


class SentenceDistribution(Distribution):
    """p(x | h) of sentences x, (*SB, n) with n of at most T, given h, (*SB, H)."""

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, likelihood: TokenLikelihood, h: Float[Tensor, "*SB H"]) -> None:
        super().__init__(h.shape[:-1], torch.Size((likelihood.length,)), validate_args=False)
        self.likelihood, self.h = likelihood, h

    def log_prob(self, value: Float[Tensor, "*B n"]) -> Float[Tensor, "*SB"]:
        # The networks see no further than the longest sentence, the head no padding at all.
        scored = inside(value)
        longest = int(scored.sum(-1).max()) if scored.numel() else 1
        scored = scored[..., :longest]
        x = value[..., :longest].long().masked_fill(~scored, PADDING)
        inputs = self.likelihood.inputs(x)
        scored = scored[..., : inputs.shape[-1]]  # the end at position T is certain
        shape = torch.broadcast_shapes(self.batch_shape, x.shape[:-1])
        of_h, of_x = (_rows(batch, shape, x.device) for batch in (self.batch_shape, x.shape[:-1]))
        h, x, scored, inputs = (t.reshape(-1, t.shape[-1]) for t in (self.h, x, scored, inputs))
        lengths = scored.sum(-1)
        parts = longest_first(lengths[of_x])
        terms = [
            self._log_prob(h[of_h[i]], *(t[of_x[i]] for t in (x, scored, inputs, lengths)))
            for i in parts
        ]
        return torch.cat(terms)[torch.cat(parts).argsort()].view(shape)

    def _log_prob(
        self,
        h: Float[Tensor, "N H"],
        x: Int64[Tensor, "N T"],
        scored: Bool[Tensor, "N n"],
        inputs: Int64[Tensor, "N m"],
        lengths: Int64[Tensor, " N"],
    ) -> Float[Tensor, " N"]:
        """Scores sentences of which the longest is the first."""
        longest = int(lengths[0]) if len(lengths) else 1
        x, scored, inputs = (t[:, :longest] for t in (x, scored, inputs))
        logits = self.likelihood.next_logits(self.likelihood.writer.along(h, inputs, scored))
        terms = -cross_entropy(logits, x.T[scored.T] - 1, reduction="none")
        return terms.new_zeros(x.T.shape).masked_scatter(scored.T, terms).sum(0)

    @torch.no_grad()
    def sample(
        self,
        sample_shape: torch.Size | list[int] | tuple[int, ...] = (),
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*SB T"]:
        """Draws sentences, token by token."""
        return self._written(
            self.h.expand(*sample_shape, *self.h.shape),
            lambda logits: (logits + gumbel(logits.shape, logits, generator)).argmax(-1),
        )

    @property
    @torch.no_grad()
    def mode(self) -> Float[Tensor, "*SB T"]:
        """Takes the most probable token each time; the result need not be the best sentence."""
        return self._written(self.h, lambda logits: logits.argmax(-1))

    def _written(
        self, h: Float[Tensor, "*SB H"], choose: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "*SB T"]:
        flat = h.reshape(-1, h.shape[-1])
        x = torch.cat([self._rows_written(part, choose) for part in flat.split(ROWS)])
        return x.view(*h.shape[:-1], -1).to(h.dtype)

    def _rows_written(
        self, h: Float[Tensor, "N H"], choose: Callable[[Tensor], Tensor]
    ) -> Int64[Tensor, "N T"]:
        x = torch.full((len(h), self.likelihood.length), PADDING, device=h.device)
        token, state = torch.full((len(h), 1), END, device=h.device), None
        writing = torch.ones(len(h), dtype=torch.bool, device=h.device)
        for t in range(self.likelihood.length - 1):
            features, state = self.likelihood.writer(h, token, state)
            token = choose(self.likelihood.next_logits(features)) + 1
            x[writing, t] = token[writing, 0]
            writing = writing & (token[:, 0] != END)
            if not bool(writing.any()):
                return x
        x[writing, -1] = END
        return x


def _rows(batch: torch.Size, shape: torch.Size, device: torch.device) -> Int64[Tensor, " N"]:
    """Gives, for each element of a broadcast batch, the row of the batch it comes from."""
    return torch.arange(batch.numel(), device=device).view(batch).expand(shape).reshape(-1)
