"""Networks that read and write sentences of token ids."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from discretevae.names import resolve
from discretevae.networks.mlp import perceptron
from discretevae.networks.network import Network, Unflatten, require_widths
from discretevae.networks.recurrent import Packing, layer_states
from discretevae.schema.vocabulary import PADDING, SPECIAL, inside

__all__ = [
    "READERS",
    "ROWS",
    "WRITERS",
    "Reader",
    "TextNetwork",
    "TransformerBlock",
    "Writer",
    "longest_first",
]

ROWS = 2**10
"""Sentences that a network is given at a time."""
PLACES = 2**14
"""Tokens, their padding counted, that a network is given at a time; one sentence may have more."""

Past = tuple[Tensor, Tensor]
"""Keys and values of the positions before, (N, heads, P, width / heads)."""


class TransformerBlock(nn.Module):
    """Attention and a perceptron, each added to what comes in after a normalisation.

    Arguments:
        width: Numbers at each position; four heads share them where 4 divides it.

    Reference: Radford et al., Language Models are Unsupervised Multitask Learners, 2019, §2.3.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = math.gcd(width, 4)
        self.attend_norm, self.think_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(*perceptron([width, 4 * width, width], nn.GELU))

    def forward(
        self,
        x: Float[Tensor, "N n W"],
        seen: Bool[Tensor, "#N 1 #n P"],
        past: Past | None = None,
    ) -> tuple[Float[Tensor, "N n W"], Past]:
        """Gives the new positions, and the keys and values of all so far.

        Arguments:
            x: The new positions.
            seen: Which of all positions, the past ones first, each new one attends to.
            past: What an earlier call gave.
        """
        query, key, value = self.projected(x)
        if past is not None:
            key, value = torch.cat([past[0], key], -2), torch.cat([past[1], value], -2)
        attended = scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return self.joined(x, attended), (key, value)

    def projected(self, x: Float[Tensor, "N n W"]) -> tuple[Tensor, Tensor, Tensor]:
        """Gives queries, keys and values of each head, (N, heads, n, width / heads)."""
        parts = self.project(self.attend_norm(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        return query, key, value

    def joined(
        self, x: Float[Tensor, "N n W"], attended: Float[Tensor, "N heads n d"]
    ) -> Float[Tensor, "N n W"]:
        """Adds what the heads found, and what the perceptron makes of it."""
        x = x + self.join(attended.transpose(1, 2).flatten(-2))
        return x + self.think(self.think_norm(x))


class Reader(nn.Module, ABC):
    """Maps a sentence to features: (*B, T) → (*B, F), whatever follows its end."""

    def forward(self, x: Float[Tensor, "*B T"]) -> Float[Tensor, "*B F"]:
        seen = inside(x).reshape(-1, x.shape[-1])
        tokens = x.long().reshape(seen.shape).masked_fill(~seen, PADDING)
        lengths = seen.sum(-1)
        parts = longest_first(lengths)
        found = [self._read(tokens[rows], seen[rows], lengths[rows]) for rows in parts]
        features = torch.cat(found)[torch.cat(parts).argsort()]
        return features.reshape(*x.shape[:-1], features.shape[-1])

    def _read(self, tokens: Tensor, seen: Tensor, lengths: Tensor) -> Tensor:
        longest = int(lengths[0]) if len(lengths) else 1
        return self.read(tokens[:, :longest], seen[:, :longest])

    @abstractmethod
    def read(self, tokens: Int64[Tensor, "N n"], seen: Bool[Tensor, "N n"]) -> Tensor:
        """Maps the tokens that are to be seen of each row, the longest first, to features."""


def longest_first(lengths: Int64[Tensor, " N"]) -> list[Int64[Tensor, " n"]]:
    """Parts sentences into such as are about equally long, the longest first.

    Example:
        >>> [rows.tolist() for rows in longest_first(torch.tensor([3, 2**16, 4]))]
        [[1], [2, 0]]
    """
    order = lengths.argsort(descending=True, stable=True)
    ordered, sizes, start = lengths[order].tolist(), [], 0
    while start < len(ordered):
        sizes.append(min(max(1, PLACES // max(1, ordered[start])), ROWS, len(ordered) - start))
        start += sizes[-1]
    return list(order.split(sizes)) if sizes else [order]


def mean_of_seen(x: Float[Tensor, "N n W"], seen: Bool[Tensor, "N n"]) -> Float[Tensor, "N W"]:
    """Averages over the positions of a sentence."""
    weights = seen.to(x.dtype) / seen.sum(-1, keepdim=True)
    return torch.einsum("nt,ntw->nw", weights, x)


def embeddings(tokens: int, length: int, width: int) -> tuple[nn.Embedding, nn.Embedding]:
    """Makes the vectors of tokens and of positions that a transformer adds, small at first."""
    both = nn.Embedding(tokens, width), nn.Embedding(length, width)
    for embedding in both:
        nn.init.normal_(embedding.weight, std=0.02)
    return both


def table(
    embed: nn.Embedding, tokens: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, "M W"], Int64[Tensor, " n"]]:
    """Gives vectors of tokens, and which of them each token has; no more than there are tokens."""
    if embed.num_embeddings <= len(tokens):
        return embed.weight, tokens
    found, index = tokens.unique(return_inverse=True)
    return embed(found), index


def on_cpu(x: Tensor) -> bool:
    """Whether the steps of a GRU are better taken one by one, over packed sentences."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


class GRUReader(Reader):
    """A bidirectional GRU; its last states and the mean of all of them become features."""

    def __init__(
        self, vocabulary_size: int, length: int, width: int, layers: int, features: int
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary_size, width)
        self.gru = nn.GRU(width, width, layers, batch_first=True, bidirectional=True)
        self.head = nn.Linear(4 * width, features)

    def read(self, tokens: Int64[Tensor, "N n"], seen: Bool[Tensor, "N n"]) -> Tensor:
        if not len(tokens):
            return self.head.weight.new_zeros(0, self.head.out_features)
        if on_cpu(tokens):
            return self._read_packed(tokens, seen)
        packed = pack_padded_sequence(
            self.embed(tokens), seen.sum(-1).cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, last = self.gru(packed)
        states, _ = pad_packed_sequence(outputs, batch_first=True)
        mean = mean_of_seen(states, seen)
        return self.head(torch.cat([last[-2], last[-1], mean], -1))

    def _read_packed(self, tokens: Int64[Tensor, "N n"], seen: Bool[Tensor, "N n"]) -> Tensor:
        packing = Packing.of(seen)
        inputs, index = table(self.embed, packing.pack(tokens))
        for layer in range(self.gru.num_layers):
            there = layer_states(self.gru, f"l{layer}", inputs, index, packing.sizes)
            backwards = f"l{layer}_reverse", inputs, index[packing.reverse]
            back = layer_states(self.gru, *backwards, packing.sizes)
            inputs = torch.cat([there, back[packing.reverse]], -1)
            index = torch.arange(len(index))
        total = inputs.new_zeros(len(seen), inputs.shape[-1]).index_add(0, packing.rows, inputs)
        mean = total / seen.sum(-1, keepdim=True)
        return self.head(torch.cat([there[packing.last], back[packing.last], mean], -1))


class TransformerReader(Reader):
    """A transformer that sees the whole sentence at every position; their mean becomes features."""

    def __init__(
        self, vocabulary_size: int, length: int, width: int, layers: int, features: int
    ) -> None:
        super().__init__()
        self.embed, self.position = embeddings(vocabulary_size, length, width)
        self.blocks = nn.ModuleList(TransformerBlock(width) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, features)

    def read(self, tokens: Int64[Tensor, "N n"], seen: Bool[Tensor, "N n"]) -> Tensor:
        x = self.embed(tokens) + self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            x, _ = block(x, seen[:, None, None])
        return self.head(mean_of_seen(self.norm(x), seen))


READERS: dict[str, type[GRUReader] | type[TransformerReader]] = {
    "gru": GRUReader,
    "transformer": TransformerReader,
}
"""Name → what reads a sentence."""


class Writer(nn.Module, ABC):
    """An autoregressive network: from h and the tokens so far to what predicts the next."""

    @abstractmethod
    def forward(
        self, h: Float[Tensor, "N H"], tokens: Int64[Tensor, "N n"], state: Any = None
    ) -> tuple[Float[Tensor, "N n W"], Any]:
        """Gives features of the next token after each of these, and the state to go on from.

        Arguments:
            h: What the sentence is about.
            tokens: The first n, or with a state the next n.
            state: What an earlier call gave.
        """

    def along(
        self, h: Float[Tensor, "N H"], tokens: Int64[Tensor, "N n"], seen: Bool[Tensor, "N n"]
    ) -> Float[Tensor, "tokens W"]:
        """Gives features of the next token after each that is seen, those of each step together.

        Arguments:
            h: What each sentence is about, the longest first.
            tokens: Of each sentence.
            seen: Which of them there are, those of a sentence without a gap.
        """
        features, _ = self(h, tokens)
        return features.transpose(0, 1)[seen.T]


class GRUWriter(Writer):
    """A GRU that h starts and that sees it beside each token."""

    def __init__(
        self, vocabulary_size: int, length: int, features: int, width: int, layers: int
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary_size, width)
        self.start = nn.Linear(features, layers * width)
        self.gru = nn.GRU(width + features, width, layers, batch_first=True)

    def forward(
        self, h: Float[Tensor, "N H"], tokens: Int64[Tensor, "N n"], state: Tensor | None = None
    ) -> tuple[Float[Tensor, "N n W"], Tensor]:
        x = self.embed(tokens)
        state = self._start(h).to(x.dtype) if state is None else state.to(x.dtype)
        x = torch.cat([x, h.to(x.dtype)[:, None].expand(-1, tokens.shape[1], -1)], -1)
        return self.gru(x, state.contiguous())

    def along(
        self, h: Float[Tensor, "N H"], tokens: Int64[Tensor, "N n"], seen: Bool[Tensor, "N n"]
    ) -> Float[Tensor, "tokens W"]:
        if not (len(h) and on_cpu(tokens)):
            return super().along(h, tokens, seen)
        packing = Packing.of(seen)
        inputs, index = table(self.embed, packing.pack(tokens))
        about: Tensor | None = h.to(inputs.dtype)
        for layer, start in enumerate(self._start(h).to(inputs.dtype)):
            inputs = layer_states(self.gru, f"l{layer}", inputs, index, packing.sizes, start, about)
            index, about = torch.arange(len(index)), None
        return inputs

    def _start(self, h: Float[Tensor, "N H"]) -> Float[Tensor, "L N W"]:
        return self.start(h).tanh().unflatten(-1, (self.gru.num_layers, -1)).transpose(0, 1)


class TransformerWriter(Writer):
    """A causal transformer; h is added at every position."""

    def __init__(
        self, vocabulary_size: int, length: int, features: int, width: int, layers: int
    ) -> None:
        super().__init__()
        self.embed, self.position = embeddings(vocabulary_size, length, width)
        self.about = nn.Linear(features, width)
        self.blocks = nn.ModuleList(TransformerBlock(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        h: Float[Tensor, "N H"],
        tokens: Int64[Tensor, "N n"],
        state: list[Past] | None = None,
    ) -> tuple[Float[Tensor, "N n W"], list[Past]]:
        start = 0 if state is None else state[0][0].shape[-2]
        place = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        seen = torch.arange(start + len(place), device=tokens.device) <= place[:, None]
        x = self.embed(tokens) + self.position(place) + self.about(h)[:, None]
        past: list[Past] = []
        for i, block in enumerate(self.blocks):
            x, keys_and_values = block(x, seen[None, None], None if state is None else state[i])
            past.append(keys_and_values)
        return self.norm(x), past


WRITERS: dict[str, type[GRUWriter] | type[TransformerWriter]] = {
    "gru": GRUWriter,
    "transformer": TransformerWriter,
}
"""Name → what writes a sentence."""


@dataclass(frozen=True)
class TextNetwork(Network):
    """Reads sentences (T,) of token ids; its decoder, a perceptron, says what they are about.

    What writes the sentence, token by token, is part of the likelihood.

    Arguments:
        vocabulary_size: V, how many ids there are.
        reader: A name in `READERS`.
        width: Units of the reader's layers and of its embedding.
        layers: Of the reader.
        widths: Hidden units of the decoder, from the data inwards as everywhere.

    Raises:
        ValueError: If a size is out of range or the reader unknown.

    Example:
        >>> network = TextNetwork(vocabulary_size=30, width=16)
        >>> network.encoder((12,), 32)(torch.ones(5, 12)).shape  # five empty sentences
        torch.Size([5, 32])
    """

    vocabulary_size: int
    reader: str = "gru"
    width: int = 256
    layers: int = 1
    widths: tuple[int, ...] = (256,)

    kind: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        require_widths("widths", self.widths)
        if self.vocabulary_size <= SPECIAL:
            raise ValueError(
                f"`vocabulary_size` must be above {SPECIAL}, the ids without a symbol, "
                f"got {self.vocabulary_size}."
            )
        for name in ("width", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        resolve("reader", self.reader, READERS)

    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Module:
        if len(shape) != 1:
            raise ValueError(f"`shape` must be (T,) for a network that reads text, got {shape}.")
        sizes = self.vocabulary_size, shape[0], self.width, self.layers, features
        return READERS[self.reader](*sizes)

    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Sequential:
        sizes = [features, *reversed(self.widths), math.prod(shape)]
        return nn.Sequential(*perceptron(sizes), Unflatten(shape))
