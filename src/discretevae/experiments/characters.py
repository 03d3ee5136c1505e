"""A small network of text that is at hand: activations to take apart without a download."""

import json
import pydoc_data.topics
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from discretevae.data.errors import DataError
from discretevae.data.seeding import generator
from discretevae.files import atomic_path, write_text
from discretevae.names import shorten

__all__ = ["CharacterNetwork", "Demo", "open_demo", "prepare_demo", "text_at_hand"]

WIDTH, HEADS, LAYERS, CONTEXT = 128, 4, 2, 64
TAKEN_AFTER = 1
"""Layers after which the activations are taken."""
STEPS, BATCH, RATE = 600, 32, 3e-3
HELD_OUT = 0.1
"""The last part of the text, on which the network is measured."""
MOST = 300_000
"""Characters whose activations are written."""
SCORED = 20_000
"""Characters, about, on which an autoencoder in its place is measured."""

Replace = Callable[[Tensor], Tensor]


def text_at_hand() -> str:
    """Gives the reference of the Python language, which every Python brings along.

    Example:
        >>> "compound statement" in text_at_hand().lower()
        True
    """
    topics: dict[str, str] = pydoc_data.topics.topics
    text = "\n".join(topics[name] for name in sorted(topics))
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(sign for sign in plain if sign == "\n" or sign.isprintable())


class Block(nn.Module):
    """Attention to what came before, and a perceptron.

    Arguments:
        width: Of the residual stream.
        heads: Of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "B T F"]) -> Float[Tensor, "B T F"]:
        rows, length, width = x.shape
        parts = self.mix(self.before(x)).reshape(rows, length, 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(rows, length, width))
        return x + self.down(torch.nn.functional.gelu(self.up(self.between(x))))


class CharacterNetwork(nn.Module):
    """A transformer that foretells characters.

    Arguments:
        signs: How many there are.

    Example:
        >>> network = CharacterNetwork(signs=90)
        >>> tokens = torch.randint(90, (2, 64))
        >>> network(tokens).shape, network.activations(tokens).shape
        (torch.Size([2, 64, 90]), torch.Size([2, 64, 128]))
    """

    def __init__(self, signs: int) -> None:
        super().__init__()
        self.signs = signs
        self.embed, self.place = nn.Embedding(signs, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS) for _ in range(LAYERS))
        self.last, self.read = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, signs)

    def activations(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T F"]:
        """Gives the residual stream after the first layers."""
        x = self.embed(tokens) + self.place.weight[: tokens.shape[1]]
        for block in list(self.blocks)[:TAKEN_AFTER]:
            x = block(x)
        return x

    def forward(
        self, tokens: Int64[Tensor, "B T"], replace: Replace = lambda x: x
    ) -> Float[Tensor, "B T V"]:
        """Gives the logits of each next character.

        Arguments:
            tokens: At most 64 of each text.
            replace: Is applied to the activations.
        """
        x = replace(self.activations(tokens))
        for block in list(self.blocks)[TAKEN_AFTER:]:
            x = block(x)
        return self.read(self.last(x))


class Demo:
    """A trained network, its text, and the files of its activations.

    Arguments:
        folder: Where they are.

    Attributes:
        activations: The file of the activations, (N, 128).
        shown: The file of the characters that they belong to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.activations, self.shown = folder / "activations.npy", folder / "tokens.json"
        self.weights = folder / "network.safetensors"
        text = text_at_hand()
        signs = sorted(set(text))
        number = {sign: i for i, sign in enumerate(signs)}
        self.text, self.signs = text, signs
        self.tokens = torch.tensor([number[sign] for sign in text])
        self.known = int((1 - HELD_OUT) * len(text))
        self.network = CharacterNetwork(len(signs)).eval()

    def windows(self, first: int, end: int) -> Int64[Tensor, "n T1"]:
        """Gives texts of 64 characters, each with the one that follows."""
        return self.tokens[first:end].unfold(0, CONTEXT + 1, CONTEXT)

    @torch.no_grad()
    def scored(self, replace: Replace) -> Iterator[tuple[Tensor, Tensor]]:
        """Gives logits and targets of the text held out, the activations replaced."""
        for rows in self.windows(self.known, self.known + SCORED).split(64):
            logits = self.network(rows[:, :-1], replace)
            yield logits.flatten(0, 1), rows[:, 1:].flatten()

    @torch.no_grad()
    def foretold(self, rows: Int64[Tensor, " n"], replace: Replace) -> Float[Tensor, "n V"]:
        """Gives log-probabilities of the character that follows rows of the activations.

        Arguments:
            rows: Numbers of rows, as they were written.
            replace: Is applied to all activations of a text.
        """
        texts = self.windows(0, min(self.known, MOST))[rows // CONTEXT, :-1]
        logits = self.network(texts, replace)[torch.arange(len(rows)), rows % CONTEXT]
        return logits.log_softmax(-1)

    def train(self, say: Callable[[str], None]) -> None:
        """Trains the network; a minute or two on one core."""
        steps = STEPS
        torch.manual_seed(0)
        self.network = CharacterNetwork(len(self.signs)).train()
        optimizer = torch.optim.AdamW(self.network.parameters(), RATE, weight_decay=0.01)
        plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
        draws = generator("characters", 0)
        for step in range(steps):
            starts = torch.randint(self.known - CONTEXT - 1, (BATCH,), generator=draws)
            rows = self.tokens[starts[:, None] + torch.arange(CONTEXT + 1)]
            loss = cross_entropy(self.network(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            plan.step()
            if (step + 1) % max(1, steps // 4) == 0:
                say(f"network: step {step + 1}, {float(loss.detach()):.2f} nats per character")
        self.network.eval()

    def save(self) -> None:
        """Writes the network, and the activations of the text that it was trained on."""
        with atomic_path(self.weights) as path:
            save_file({n: v.contiguous() for n, v in self.network.state_dict().items()}, path)
        rows = self.windows(0, min(self.known, MOST))[:, :-1]
        with torch.no_grad():
            found = [self.network.activations(some).flatten(0, 1) for some in rows.split(64)]
        with atomic_path(self.activations) as path, path.open("wb") as file:
            np.save(file, torch.cat(found).half().numpy())
        write_text(self.shown, json.dumps([self.signs[i] for i in rows.flatten().tolist()]))

    def load(self) -> None:
        """Reads the network back.

        Raises:
            DataError: If it is missing or damaged.
        """
        try:
            self.network.load_state_dict(load_file(self.weights))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise DataError(
                f"{self.weights} must hold the network of the demonstration, got: "
                f"{shorten(str(error))}"
            ) from None


def prepare_demo(folder: str | Path, say: Callable[[str], None] = lambda line: None) -> Demo:
    """Trains a small network of text and writes its activations, or finds them written.

    Arguments:
        folder: Where they go.
        say: Is told how it goes.
    """
    demo = Demo(Path(folder))
    if not demo.shown.exists():
        demo.train(say)
        demo.save()
    demo.load()
    return demo


def open_demo(folder: str | Path) -> Demo:
    """Finds what :func:`prepare_demo` has written, and writes nothing.

    Raises:
        DataError: If it is not there, or damaged.

    Example:
        >>> open_demo("no/such")
        Traceback (most recent call last):
        discretevae.data.errors.DataError: no/such/network.safetensors must hold the network of \
the demonstration, got: No such file or directory: no/such/network.safetensors
    """
    demo = Demo(Path(folder))
    demo.load()
    return demo
