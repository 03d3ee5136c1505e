"""Routers of experts side by side, on images and on characters; writes results/routing.md.

Every router trains the same network from the same start on the same batches, one expert a token,
through the expected loss; what is measured is the loss in evaluation, at the most probable expert.
Steps count first; then expert evaluations, of which a router that evaluates all N experts has N a
token and step, so that it is read after 1/N of the steps. The cost of a step is CPU time beside
that of the chosen experts' products alone, both in turns. A run that is in the record is not made
again.

    OMP_NUM_THREADS=1 python benchmarks/routing.py [--parts cost images text unbalanced] [--seeds 5]
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from discretevae.data import in_memory, load
from discretevae.files import write_text
from discretevae.routing import (
    ROUTERS,
    MixtureOfExperts,
    MLPExperts,
    Router,
    SparseMixer,
    effective_experts,
)
from discretevae.routing import (
    load as shares,
)

PARTS = ("cost", "images", "text", "unbalanced")
RESULTS = Path(__file__).parent.parent / "results"
EXPERTS = 8
ALL: dict[str, tuple[Callable[[], Router], bool]] = {
    "exact": (ROUTERS["exact"], False),
    "exact, gated": (ROUTERS["exact"], True),
    "reinforce": (ROUTERS["reinforce"], False),
    "rloo": (ROUTERS["rloo"], False),
    "straight-through": (ROUTERS["straight-through"], False),
    "reinmax": (ROUTERS["reinmax"], False),
    "switch": (ROUTERS["switch"], True),
    "sparsemixer-v1": (ROUTERS["sparsemixer-v1"], True),
    "sparsemixer-v2": (ROUTERS["sparsemixer-v2"], True),
    "sparsemixer-v2, no argmax rule": (lambda: SparseMixer("v2", argmax_rule=False), True),
    "sparsemixer-v2*": (ROUTERS["sparsemixer-v2*"], True),
    "sparsemixer-v2*, no argmax rule": (lambda: SparseMixer("v2*", argmax_rule=False), True),
}
"""Name → its router, and whether outputs are multiplied with the probability."""
WARM, ROUNDS = 3, 12
"""Turns of a measurement of time that are not counted, and that are."""
PARTS_OF_A_RUN = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Where the loss is measured."""


def mixture(experts: MLPExperts, name: str, balance: float) -> MixtureOfExperts:
    """One expert a token."""
    router, gated = ALL[name]
    return MixtureOfExperts(experts, router(), balance=balance, gated=gated)


class Images:
    """MNIST, pooled to 14 × 14: the experts are the whole network."""

    batch, rate, title = (
        128,
        1e-3,
        "Images: MNIST, pooled to 14 × 14, 8 experts 196-32-10, batch 128",
    )

    def __init__(self) -> None:
        splits = load("mnist")
        self.train, self.test = (
            self.pooled(in_memory(part)) for part in (splits.train, splits.test)
        )

    @staticmethod
    def pooled(examples: Any) -> tuple[Tensor, Tensor]:
        x = nn.functional.avg_pool2d(examples.values(), 2).flatten(1)
        return x, examples.labels

    def network(self, router: str, balance: float) -> nn.Module:
        return Classifier(router, balance)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(self.train[0]), (self.batch,), generator=generator)
        return self.train[0][rows], self.train[1][rows]

    def tests(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield self.test


class Text:
    """Characters of a play, each predicted from those before it."""

    batch, length, tested, rate = 8, 64, 256, 3e-3
    title = (
        "Text: tinyshakespeare by characters, one layer of attention and one of 8 experts "
        "64-128-64, batch 8 × 64"
    )

    def __init__(self, path: Path) -> None:
        text = path.read_text()
        signs = sorted(set(text))
        codes = torch.tensor([signs.index(sign) for sign in text])
        self.size = len(signs)
        cut = int(0.95 * len(codes))
        self.train, self.test = codes[:cut], codes[cut:]

    def network(self, router: str, balance: float) -> nn.Module:
        return LanguageModel(self.size, self.length, router, balance)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        first = torch.randint(len(self.train) - self.length, (self.batch, 1), generator=generator)
        rows = self.train[first + torch.arange(self.length + 1)]
        return rows[:, :-1], rows[:, 1:]

    def tests(self) -> Iterator[tuple[Tensor, Tensor]]:
        rows = self.test.unfold(0, self.length + 1, self.length)[: self.tested]
        yield rows[:, :-1], rows[:, 1:]


class Classifier(nn.Module):
    """Experts that give the logits of the classes."""

    def __init__(self, router: str, balance: float) -> None:
        super().__init__()
        self.mixture = mixture(MLPExperts(EXPERTS, 196, 32, 10), router, balance)

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.mixture.expected(lambda logits: nll(logits, target), x)


class LanguageModel(nn.Module):
    """A block of a causal transformer whose second half is a mixture of experts."""

    def __init__(self, size: int, length: int, router: str, balance: float, dim: int = 64) -> None:
        super().__init__()
        self.embedding, self.place = nn.Embedding(size, dim), nn.Embedding(length, dim)
        self.before, self.within, self.after = (nn.LayerNorm(dim) for _ in range(3))
        self.inward, self.outward = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        experts = MLPExperts(EXPERTS, dim, 2 * dim, dim, nn.functional.gelu)
        self.mixture = mixture(experts, router, balance)
        self.head = nn.Linear(dim, size)

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.embedding(x) + self.place.weight
        q, k, v = self.inward(self.before(h)).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.outward(mixed.transpose(1, 2).flatten(-2))

        def loss(y: Tensor) -> Tensor:
            return nll(self.head(self.after(h + y)), target)

        return self.mixture.expected(loss, self.within(h))


def nll(logits: Tensor, target: Tensor) -> Tensor:
    """Gives −log p of the target, each by itself; samples lead."""
    goal = target.expand(logits.shape[:-1])
    return -logits.log_softmax(-1).gather(-1, goal.unsqueeze(-1)).squeeze(-1)


@torch.no_grad()
def measured(network: nn.Module, task: Images | Text) -> tuple[float, float]:
    """The test loss in nats, and the effective experts."""
    network.eval()
    total, count, experts = 0.0, 0, []
    for x, target in task.tests():
        value, chosen, _ = network(x, target)
        total, count = total + value.sum().item(), count + value.numel()
        experts.append(chosen.flatten())
    network.train()
    return total / count, effective_experts(shares(torch.cat(experts), EXPERTS)).item()


def trained(
    task: Images | Text, router: str, balance: float, seed: int, steps: int
) -> dict[str, Any]:
    """Trains once, with looks at the test loss on the way that cost no time."""
    torch.manual_seed(seed)
    network = task.network(router, balance)
    adam = torch.optim.Adam(network.parameters(), task.rate)
    generator = torch.Generator().manual_seed(seed)
    cost = ALL[router][0]().evaluations(EXPERTS)
    equal = math.ceil(steps / cost)
    looks = sorted({math.ceil(part * steps) for part in PARTS_OF_A_RUN} | {equal})
    losses: dict[int, float] = {}
    effective: dict[int, float] = {}
    seconds = 0.0
    for step in range(1, steps + 1):
        batch = task.draw(generator)
        start = time.process_time()
        value, _, balanced = network(*batch)
        adam.zero_grad()
        (value.mean() + balanced).backward()
        adam.step()
        seconds += time.process_time() - start
        if step in looks:
            losses[step], effective[step] = measured(network, task)
    return {
        "evaluations": cost,
        "steps": steps,
        "equal": equal,
        "losses": losses,
        "effective": effective,
        "seconds": seconds,
    }


TOKENS = 1024
SMALL, MEDIUM, LARGE = (64, 256), (128, 512), (256, 1024)
COSTS: list[tuple[str, int, tuple[int, int]]] = [
    *((name, 1, MEDIUM) for name in ROUTERS),
    *(("switch", top, size) for top, size in ((1, SMALL), (1, LARGE), (2, LARGE))),
    *(("sparsemixer-v2", top, size) for top, size in ((1, SMALL), (1, LARGE), (2, LARGE))),
]
"""Router, experts a token, and d = d_out and h."""


def step_cost(name: str, top: int, dim: int, hidden: int, rounds: int) -> list[float]:
    """Medians over turns: milliseconds of a router's step, of the products alone, their ratio."""
    torch.manual_seed(0)
    experts = MLPExperts(EXPERTS, dim, hidden, dim)
    router = ROUTERS[name]()
    layer = MixtureOfExperts(experts, router, top, balance=0.01)
    x = torch.randn(TOKENS, dim, requires_grad=True)
    g = torch.randn(TOKENS, dim)
    size = TOKENS * router.evaluations(EXPERTS, top) // EXPERTS
    shapes = ((size, dim), (dim, hidden), (hidden, dim))
    alone = [[torch.randn(*shape, requires_grad=True) for shape in shapes] for _ in range(EXPERTS)]
    gradient = torch.randn(size, dim)
    found = []
    for _ in range(WARM + rounds):
        start = time.process_time()
        value, _, cost = layer.expected(lambda y: (y * g).sum(-1), x)
        (value.sum() + cost).backward()
        whole = time.process_time() - start
        start = time.process_time()
        for block, inward, outward in alone:
            (torch.relu(block @ inward) @ outward).backward(gradient)
        found.append((whole, time.process_time() - start))
        for leaf in (x, *layer.parameters(), *(leaf for leaves in alone for leaf in leaves)):
            leaf.grad = None
    steps, products = zip(*found[WARM:], strict=True)
    ratio = statistics.median(step / product for step, product in found[WARM:])
    return [1e3 * statistics.median(steps), 1e3 * statistics.median(products), ratio]


def mean(values: list[float], digits: int = 3) -> str:
    """A mean over seeds with its standard error."""
    middle = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return f"{middle} (one seed)"
    return f"{middle} ± {statistics.stdev(values) / len(values) ** 0.5:.{digits}f}"


def section(title: str, balance: float, runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The two tables of one task."""
    steps = next(iter(runs.values()))[0]["steps"]
    looks = [math.ceil(part * steps) for part in PARTS_OF_A_RUN]
    seeds = len(next(iter(runs.values())))
    ranked = sorted(runs, key=lambda name: average(runs[name], "losses", steps))
    lines = [
        f"## {title}, balance {balance:g}",
        "",
        f"Equal steps: test loss in nats after so many, mean of {seeds} seeds ± standard error.",
        "",
        f"| router | {' | '.join(f'{look:,}' for look in looks)} | effective experts | seconds |",
        f"|---|{'---|' * (len(looks) + 2)}",
    ]
    for name in ranked:
        cells = [mean([run["losses"][str(look)] for run in runs[name]]) for look in looks]
        effective = mean([run["effective"][str(steps)] for run in runs[name]], 1)
        seconds = statistics.mean(run["seconds"] for run in runs[name])
        lines.append(f"| {name} | {' | '.join(cells)} | {effective} | {seconds:.1f} |")
    lines += [
        "",
        "Equal expert evaluations: the number of steps at which each has evaluated as many experts "
        "as one expert a token does in all of them.",
        "",
        "| router | evaluations a token and step | steps | test loss | effective experts |",
        "|---|---:|---:|---|---|",
    ]
    for name in sorted(
        runs, key=lambda name: average(runs[name], "losses", runs[name][0]["equal"])
    ):
        first = runs[name][0]
        loss, effective = (
            mean([run[kind][str(first["equal"])] for run in runs[name]], digits)
            for kind, digits in (("losses", 3), ("effective", 1))
        )
        cost = first["evaluations"]
        lines.append(f"| {name} | {cost} | {first['equal']:,} | {loss} | {effective} |")
    return [*lines, ""]


def average(runs: list[dict[str, Any]], kind: str, step: int) -> float:
    """Over seeds."""
    return statistics.mean(run[kind][str(step)] for run in runs)


KEYS = ("top", "evaluations", "tokens", "dim", "hidden")
CLAIMED = (
    "GRIN (2024, table 5) has, on MMLU, ARC-C and GSM-8K: 77.4, 89.6 and 89.5 with SparseMixer-v2; "
    "75.1, 88.9 and 79.1 with its control mixture; "
    "75.1, 89.8 and 85.3 with a dense model of 7B, 76.4, 89.8 and 85.9 with one of 14B. The "
    "recipes differ in more than the router. In its own comparison GShard leads up to half a "
    "trillion tokens and SparseMixer-v2 after."
)


def claims(tables: dict[tuple[str, float], dict[str, list[dict[str, Any]]]]) -> list[str]:
    """What was published, and where the same routers stand here."""
    lines = ["## What was published, and what was seen", "", CLAIMED, ""]
    for (title, balance), runs in tables.items():
        steps = next(iter(runs.values()))[0]["steps"]
        first, last = (
            sorted(runs, key=lambda name: average(runs[name], "losses", look))
            for look in (math.ceil(steps * PARTS_OF_A_RUN[0]), steps)
        )
        places = ", ".join(
            f"{name} {first.index(name) + 1} → {last.index(name) + 1}"
            for name in ("switch", "sparsemixer-v1", "sparsemixer-v2", "sparsemixer-v2*")
            if name in runs
        )
        lines += [
            f"- {title.split(':')[0]}, balance {balance:g}: the least loss at the end is that of "
            f"{last[0]}, the largest that of {last[-1]}. Places of {len(runs)} at an eighth of the "
            f"steps → at the end: {places}. "
            f"{apart(runs, steps)}",
        ]
    lines += [
        "",
        "Losses still fall at the last look: with longer training the order may be another.",
    ]
    return [*lines, ""]


def apart(runs: dict[str, list[dict[str, Any]]], steps: int) -> str:
    """The difference of SparseMixer-v2 and Switch, seed by seed."""
    pairs = zip(runs.get("sparsemixer-v2", []), runs.get("switch", []), strict=False)
    gaps = [v2["losses"][str(steps)] - switch["losses"][str(steps)] for v2, switch in pairs]
    if len(gaps) < 2:
        return ""
    return f"sparsemixer-v2 minus switch, seed by seed: {mean(gaps)}.".replace("-0", "−0")


def measured_at(record: dict[str, Any]) -> list[str]:
    """Says of which commits the runs are, where the record has it."""
    return [f"At commits {record['commits']}.", ""] if "commits" in record else []


def page(record: dict[str, Any]) -> str:
    """The page of results."""
    lines = [
        "# Routers of experts",
        "",
        'One expert a token. SparseMixer, Switch and "exact, gated" multiply its output with its '
        "probability; of the others the loss of the expert itself is expected. The same "
        "network, start and batches for every router of a seed; Adam at 0.001 for images and 0.003 "
        "for text, no schedule. "
        "The loss is that in "
        "evaluation, at the most probable expert; effective experts are e to the entropy of their "
        "shares there, of 8. Seconds are CPU time of the steps; two cores, shared, one thread. "
        "Losses still fall at the end: who leads so early is measured, no ranking is claimed.",
        "",
        *measured_at(record),
    ]
    tables: dict[tuple[str, float], dict[str, list[dict[str, Any]]]] = {}
    for run in record["runs"].values():
        table = tables.setdefault((run["title"], run["balance"]), {})
        table.setdefault(run["router"], []).append(run)
    for (title, balance), runs in tables.items():
        seeds = min(len(found) for found in runs.values())  # those that every router has
        tables[title, balance] = {name: found[:seeds] for name, found in runs.items()}
        lines += section(title, balance, tables[title, balance])
    lines += claims(tables)
    lines += [
        "## Cost of a step",
        "",
        "CPU time of a step of a mixture, forward and backward, with gate, choice, sorting, "
        "biases, gating and balance, over that of the products of the experts that it evaluates, "
        "forward and backward with their ReLU, in blocks that lie ready. The loss is a scalar "
        f"product; medians of {ROUNDS} turns of both in one process. At most 1.15 is asked; small "
        "experts do not keep it.",
        "",
        "| router | top | evaluations | tokens | d | h | step, ms | products, ms | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in record.get("cost", []):
        sizes = " | ".join(f"{row[key]:,}" for key in KEYS)
        whole, alone, ratio = row["found"]
        lines.append(f"| {row['router']} | {sizes} | {whole:.1f} | {alone:.1f} | {ratio:.2f} |")
    commands = ", ".join(f"`{command}`" for command in record["commands"].values())
    lines += ["", f"{commands}, torch {record['torch']}, {record['machine']}.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--image-steps", type=int, default=3000)
    parser.add_argument("--text-steps", type=int, default=600)
    given_text = Path(os.environ["DISCRETEVAE_DATA"]) / "text" / "tinyshakespeare.txt"
    parser.add_argument("--text", type=Path, default=given_text)
    parser.add_argument("--routers", nargs="+", choices=ALL, default=list(ALL))
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = given.output / "routing.json"
    record = json.loads(path.read_text()) if path.exists() else {"runs": {}}
    command = "python benchmarks/routing.py"
    parts = {part: f"{command} --parts {part} --seeds {given.seeds}" for part in given.parts}
    record |= {
        "commands": record.get("commands", {}) | parts,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }

    def keep() -> None:
        write_text(path, json.dumps(record, indent=1) + "\n")
        write_text(given.output / "routing.md", page(json.loads(json.dumps(record))))

    if "cost" in given.parts:
        record["cost"] = [
            {
                "router": name,
                "top": top,
                "tokens": TOKENS,
                "dim": size[0],
                "hidden": size[1],
                "evaluations": ROUTERS[name]().evaluations(EXPERTS, top),
                "found": step_cost(name, top, *size, ROUNDS),
            }
            for name, top, size in COSTS
        ]
        keep()
    plans: list[tuple[str, Images | Text, int, float]] = []
    if "images" in given.parts:
        plans.append(("images", Images(), given.image_steps, 0.01))
    if "text" in given.parts:
        plans.append(("text", Text(given.text), given.text_steps, 0.01))
    if "unbalanced" in given.parts:
        plans.append(("images", Images(), given.image_steps, 0.0))
    for part, task, steps, balance in plans:
        for seed in range(given.seeds):
            for name in given.routers:
                key = f"{part}, {balance}, {name}, {seed}"
                if key in record["runs"]:
                    continue
                run = trained(task, name, balance, seed, steps)
                named = {"title": task.title, "balance": balance, "router": name, "seed": seed}
                record["runs"][key] = named | run
                keep()
                print(key, {k: round(v, 4) for k, v in run["losses"].items()}, flush=True)
    keep()


if __name__ == "__main__":
    main()
