"""Sparse autoencoders beside SAELens': known directions, and a model of characters; `results/`.

Synthetic: activations of 128 known directions in 64 dimensions, by `sae_lens.synthetic`, six of
which are active on average. Every kind of ours and of SAELens' trainers takes the same number of
steps of the same batch size; SAELens' own evaluation scores both, ours from the files that we
write. Beside them what the true directions themselves score, read with x·W: the k largest, or all
above one threshold.

Characters: the residual stream of a transformer of two layers, a `HookedTransformer` trained on a
text, is taken apart by every kind of ours at three sparsities; FVU, L0 and CE score are ours and
those of SAELens' `run_evals` on the same files.

    python benchmarks/sparse.py TEXT [--parts synthetic characters] [--seeds 3] [--output results]

What was measured before is kept: a part that is interrupted goes on where it stopped.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from discretevae.data.activations import Activations, load_activations
from discretevae.evaluation.sparse import evaluate_sparse, look_at
from discretevae.files import write_text
from discretevae.sparse import SPARSE_KINDS, SparseAutoencoder, save_saelens
from discretevae.training.sparse_fit import train_sparse
from discretevae.training.sparse_options import SparseOptions

DIM, TRUE, ACTIVE = 64, 128, 6
STEPS, BATCH, ROWS = 1500, 1024, 600_000
SCORED = 50_000
SEED = 7
"""The first of them; not that of the truth."""
THEIR_RATE = 3e-4
"""That of SAELens' trainer, where nothing is said."""
TRAINERS = (
    ("topk", 10 * THEIR_RATE),
    ("batchtopk", 10 * THEIR_RATE),
    ("jumprelu", 10 * THEIR_RATE),
    ("matryoshka", 10 * THEIR_RATE),
)
"""SAELens' trainers and learning rates."""
ONCE = (("topk", THEIR_RATE), ("standard", 10 * THEIR_RATE))
"""Those of one seed."""
CONTEXT, WIDTH, LAYERS = 64, 128, 2
HOOK = "blocks.0.hook_resid_post"
SPARSITIES = (16, 8, 32)
"""The middle one first: all kinds have it where a run is cut short."""
LATENTS, CHARACTER_STEPS, CHARACTER_BATCH = 512, 500, 1024
NETWORK_STEPS, NETWORK_BATCH = 160, 32
TAKEN = 64_000
"""Activations of the model of characters."""
HELD_OUT = 8_000
"""Characters on which CE and KL scores are measured."""

Record = dict[str, Any]


class Kept:
    """What was measured, written after each entry.

    Arguments:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: Record = json.loads(path.read_text()) if path.exists() else {}

    def entry(self, part: str, name: str, measure: Callable[[], Record]) -> Record:
        """Measures what is not there yet."""
        entries = self.found.setdefault(part, {})
        if name not in entries:
            entries[name] = measure()
            print(part, name, entries[name], flush=True)
            write_text(self.path, json.dumps(self.found, indent=1) + "\n")
        return dict(entries[name])


def quiet(steps: int, size: int, seed: int = SEED) -> SparseOptions:
    return SparseOptions(
        steps=steps, batch_size=size, seed=seed, accelerator="cpu", progress_bar=False
    )


def synthetic(
    kept: Kept,
    kinds: Sequence[str],
    seeds: int,
    trainers: Sequence[tuple[str, float]] = TRAINERS,
) -> None:
    """All kinds of ours, and SAELens' trainers, seed by seed."""
    from sae_lens import SAE
    from sae_lens.synthetic import (
        ActivationGenerator,
        FeatureDictionary,
        eval_sae_on_synthetic_data,
        train_toy_sae,
    )

    torch.manual_seed(0)
    truth = FeatureDictionary(TRUE, DIM, seed=0)
    draws = ActivationGenerator(
        TRUE, ACTIVE / TRUE, std_firing_magnitudes=0.3, mean_firing_magnitudes=1.0
    )

    def scored(sae: Any, seconds: float) -> Record:
        torch.manual_seed(1)
        found = eval_sae_on_synthetic_data(sae, truth, draws, SCORED, batch_size=10_000)
        return {
            "mcc": found.mcc,
            "f1": found.classification.f1_score,
            "explained_variance": found.explained_variance,
            "l0": found.sae_l0,
            "dead": found.dead_latents,
            "shrinkage": found.shrinkage,
            "seconds": seconds,
        }

    with torch.no_grad():
        rows = torch.cat([truth(draws.sample(20_000)) for _ in range(ROWS // 20_000)])
    data = load_activations(rows)

    def ours(kind: str, seed: int) -> Record:
        torch.manual_seed(seed)
        start = time.process_time()
        model = SPARSE_KINDS[kind](DIM, TRUE, ACTIVE)
        found = train_sparse(model, data, options=quiet(STEPS, BATCH, seed)).model
        seconds = time.process_time() - start
        return reloaded(found, seconds)

    def reloaded(model: SparseAutoencoder, seconds: float = 0.0) -> Record:
        with tempfile.TemporaryDirectory() as folder:
            save_saelens(model, folder)
            return scored(SAE.load_from_disk(folder), seconds)

    def theirs(name: str, rate: float, seed: int) -> Record:
        torch.manual_seed(seed)
        start = time.process_time()
        sae = their_trainer(name)
        train_toy_sae(sae, truth, draws, STEPS * BATCH, BATCH, lr=rate)
        return scored(sae, time.process_time() - start)

    def of_truth(kind: str) -> Record:
        model = SPARSE_KINDS[kind](DIM, TRUE, ACTIVE).eval()
        with torch.no_grad():
            model.W_dec.copy_(truth.feature_vectors)
            model.W_enc.copy_(model.W_dec.T)
        model.calibrate(rows[:32_768])
        return reloaded(model)

    for kind in ("topk", "batch-topk"):
        kept.entry("truth", kind, lambda kind=kind: of_truth(kind))  # type: ignore[misc]
    for seed in range(SEED, SEED + seeds):
        for kind in kinds:
            kept.entry(
                "synthetic",
                f"ours: {kind}; {seed}",
                lambda kind=kind, seed=seed: ours(kind, seed),  # type: ignore[misc]
            )
        for name, rate in (*trainers, *(ONCE if trainers and seed == SEED else ())):
            kept.entry(
                "synthetic",
                f"SAELens: {name}, rate {rate:g}; {seed}",
                lambda name=name, rate=rate, seed=seed: theirs(name, rate, seed),  # type: ignore[misc]
            )


def their_trainer(name: str) -> Any:
    """A trainer of SAELens', k where it takes one; JumpReLU by its quadratic loss."""
    import sae_lens

    sizes = {"d_in": DIM, "d_sae": TRUE}
    if name == "topk":
        config = sae_lens.TopKTrainingSAEConfig(**sizes, k=ACTIVE)
        return sae_lens.TopKTrainingSAE(config)
    if name == "batchtopk":
        config = sae_lens.BatchTopKTrainingSAEConfig(**sizes, k=ACTIVE)
        return sae_lens.BatchTopKTrainingSAE(config)
    if name == "matryoshka":
        widths = [TRUE >> level for level in range(4, -1, -1)]
        config = sae_lens.MatryoshkaBatchTopKTrainingSAEConfig(
            **sizes, k=ACTIVE, matryoshka_widths=widths
        )
        return sae_lens.MatryoshkaBatchTopKTrainingSAE(config)
    if name == "jumprelu":
        config = sae_lens.JumpReLUTrainingSAEConfig(
            **sizes, jumprelu_sparsity_loss_mode="quadratic", target_l0=ACTIVE
        )
        return sae_lens.JumpReLUTrainingSAE(config)
    return sae_lens.StandardTrainingSAE(
        sae_lens.StandardTrainingSAEConfig(**sizes, l1_coefficient=0.1)
    )


class Characters:
    """A model of a text's characters, and its activations.

    Arguments:
        text: Of which the last tenth is held out.
    """

    def __init__(self, text: str) -> None:
        from transformer_lens import HookedTransformer, HookedTransformerConfig

        signs = sorted(set(text))
        number = {sign: i + 1 for i, sign in enumerate(signs)}  # 0 begins a text
        self.tokens = torch.tensor([number[sign] for sign in text])
        self.known = len(text) * 9 // 10
        torch.manual_seed(0)
        self.model = HookedTransformer(
            HookedTransformerConfig(
                n_layers=LAYERS,
                d_model=WIDTH,
                n_ctx=CONTEXT,
                d_head=32,
                n_heads=4,
                d_mlp=4 * WIDTH,
                d_vocab=len(signs) + 1,
                act_fn="gelu",
                device="cpu",
                seed=0,
            )
        )

    def windows(self, first: int, end: int) -> Tensor:
        return self.tokens[first:end].unfold(0, CONTEXT, CONTEXT)

    def train(self) -> float:
        rows = self.windows(0, self.known)
        optimizer = torch.optim.AdamW(self.model.parameters(), 3e-3, weight_decay=0.01)
        plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=NETWORK_STEPS)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
        for step in range(NETWORK_STEPS):
            some = rows[order[step * NETWORK_BATCH : (step + 1) * NETWORK_BATCH]]
            loss = self.model(some, return_type="loss")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            plan.step()
        self.model.eval()
        return float(loss.detach())

    @torch.no_grad()
    def activations(self) -> Activations:
        found = []
        for rows in self.windows(0, TAKEN).split(200):
            _, cache = self.model.run_with_cache(rows, names_filter=HOOK, return_type=None)
            found.append(cache[HOOK].flatten(0, 1))
        return load_activations(torch.cat(found))

    def held_out(self) -> Tensor:
        return self.windows(self.known, self.known + HELD_OUT)

    @torch.no_grad()
    def scored(self, replace: Callable[[Tensor], Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.held_out().split(50):
            logits = self.model.run_with_hooks(
                rows, fwd_hooks=[(HOOK, lambda x, hook: replace(x))], return_type="logits"
            )
            yield logits[:, :-1].flatten(0, 1), rows[:, 1:].flatten()


def by_saelens(characters: Characters, folder: str) -> Record:
    """SAELens' figures of a file of ours, by its own evaluation on the characters held out."""
    from datasets import Dataset
    from sae_lens import SAE, ActivationsStore
    from sae_lens.evals import EvalConfig, run_evals
    from sae_lens.training.activation_scaler import ActivationScaler

    rows = characters.held_out()
    sae = SAE.load_from_disk(folder)
    size = 25
    store = ActivationsStore.from_sae(
        characters.model,
        sae,
        Dataset.from_dict({"tokens": rows.tolist()}).with_format("torch"),
        streaming=False,
        context_size=CONTEXT,
        store_batch_size_prompts=size,
        n_batches_in_buffer=2,
        train_batch_size_tokens=size * CONTEXT,
        total_tokens=rows.numel(),
    )
    batches = len(rows) // size
    found, _ = run_evals(
        sae,
        store,
        characters.model,
        ActivationScaler(),
        EvalConfig(
            batch_size_prompts=size,
            n_eval_reconstruction_batches=batches,
            n_eval_sparsity_variance_batches=batches,
            compute_kl=True,
            compute_ce_loss=True,
            compute_sparsity_metrics=True,
            compute_variance_metrics=True,
        ),
        exclude_special_tokens=False,
    )
    return {
        "ce_score": found["model_performance_preservation"]["ce_loss_score"],
        "kl_score": found["model_behavior_preservation"]["kl_div_score"],
        "l0": found["sparsity"]["l0"],
        "explained_variance": found["reconstruction_quality"]["explained_variance"],
    }


def characters_part(kept: Kept, text: str, kinds: Sequence[str]) -> None:
    """Every kind at three sparsities."""
    characters = Characters(text)
    loss = characters.train()
    kept.entry("network", "training loss", lambda: {"nats per character": loss})
    data = characters.activations()
    where = {
        "hook_name": HOOK,
        "model_name": "characters",
        "context_size": CONTEXT,
        "prepend_bos": False,
    }

    def measured(kind: str, k: int) -> Record:
        torch.manual_seed(SEED)
        options = quiet(CHARACTER_STEPS, CHARACTER_BATCH)
        start = time.process_time()
        model = train_sparse(SPARSE_KINDS[kind](WIDTH, LATENTS, k), data, options=options).model
        seconds = time.process_time() - start
        found = evaluate_sparse(model, data, look_at(model, data), characters.scored)
        with tempfile.TemporaryDirectory() as folder:
            save_saelens(model, folder, where)
            theirs = by_saelens(characters, folder)
        ours = {name: figure.as_dict() for name, figure in found.items()}
        return {"ours": ours, "saelens": theirs, "seconds": seconds}

    for k in SPARSITIES:
        for kind in kinds:
            kept.entry(
                "characters",
                f"{kind}, k {k}",
                lambda kind=kind, k=k: measured(kind, k),  # type: ignore[misc]
            )


def page(found: Record) -> str:
    """The results as a page."""
    lines = [
        "# Sparse autoencoders",
        "",
        f"SAELens {found['versions']['sae-lens']}, torch {found['versions']['torch']}, "
        f"{found['versions']['machine']}. Command: `python benchmarks/sparse.py TEXT`; "
        "the figures behind this page: `sparse.json`."
        + (f" At commits {found['commits']}." if "commits" in found else ""),
    ]
    if "synthetic" in found:
        by_name: dict[str, list[Record]] = {}
        for name, entry in found["synthetic"].items():
            by_name.setdefault(name.partition(";")[0], []).append(entry)
        lines += [
            "",
            "## Directions that are known",
            "",
            f"`sae_lens.synthetic`: {TRUE} directions in {DIM} dimensions, {ACTIVE} active on "
            "average (amplitudes 1 ± 0.3), as many latents as directions, "
            f"{STEPS:,} steps of {BATCH:,}; ours at the rule's learning rate, SAELens' trainers at "
            f"its own, {THEIR_RATE:g}, or at {10 * THEIR_RATE:g}, which suits so few steps better. "
            "MCC (mean cosine after the best matching), F1 of latents as detectors, explained "
            "variance and L0 are SAELens', ours from the files that we write. "
            f"Means over seeds from {SEED} on, ± one standard error where there are several.",
            "",
            "| trainer | seeds | MCC | F1 | explained variance | L0 | dead | seconds of a core |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {len(entries)} | {over(entries, 'mcc', 3)} | {over(entries, 'f1', 3)} | "
            f"{over(entries, 'explained_variance', 3)} | {over(entries, 'l0', 2)} | "
            f"{over(entries, 'dead', 1)} | {mean_of(entries, 'seconds'):.0f} |"
            for name, entries in by_name.items()
        ]
    if "truth" in found:
        first, second = (found["truth"][kind]["f1"] for kind in ("topk", "batch-topk"))
        lines += [
            "",
            "What can be had: the true directions themselves, read with x·W, have an F1 of "
            f"{first:.3f} where the {ACTIVE} largest of each activation are taken, since not every "
            f"activation has {ACTIVE} active, and of {second:.3f} where all above one threshold "
            "are.",
        ]
    if "characters" in found:
        loss = found["network"]["training loss"]["nats per character"]
        lines += [
            "",
            "## A model of characters",
            "",
            f"The residual stream ({WIDTH} numbers) after the first of {LAYERS} layers of a "
            f"transformer of characters ({loss:.2f} nats per character after {NETWORK_STEPS} "
            f"steps), {TAKEN:,} activations; {LATENTS} latents, {CHARACTER_STEPS} steps of "
            f"{CHARACTER_BATCH:,}. FVU and bits are of activations held out, scores of "
            f"{HELD_OUT:,} characters of text held out; in brackets what SAELens' `run_evals` says "
            "of the same files (its L0 and scores are of the text held out). Bits per activation: "
            "minus a true lower bound on log p(x), amplitudes integrated out, with a full "
            "covariance of what the code leaves over; one Gaussian with a full covariance is the "
            "last column. ± is one standard error.",
            "",
            "| kind, k | FVU | L0 | CE score | KL score | dead | bits | of a Gaussian |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name, entry in sorted(found["characters"].items(), key=place):
            ours, theirs = entry["ours"], entry["saelens"]

            def cell(key: str, digits: int, ours: Record = ours) -> str:
                figure = ours[key]
                return f"{figure['value']:.{digits}f} ± {figure['se']:.{digits}f}"

            lines.append(
                f"| {name} | {cell('fvu', 4)} | {ours['l0']['value']:.1f} ({theirs['l0']:.1f}) | "
                f"{cell('ce_score', 4)} ({theirs['ce_score']:.4f}) | "
                f"{cell('kl_score', 4)} ({theirs['kl_score']:.4f}) | {ours['dead']['value']:.1%} | "
                f"{cell('bits', 1)} | {ours['bits_of_gaussian']['value']:.1f} |"
            )
        named = [f"{kind}, k {k}" for kind in SPARSE_KINDS for k in sorted(SPARSITIES)]
        if missing := [name for name in named if name not in found["characters"]]:
            lines += ["", f"Not run here: {'; '.join(missing)}."]
        away = [name for name, entry in found["characters"].items() if not reached(name, entry)]
        if away:
            lines += ["", f"Not yet at its k after so few steps: {'; '.join(away)}."]
    return "\n".join(lines) + "\n"


def place(item: tuple[str, Record]) -> tuple[int, int]:
    """Where a kind and its k stand in the table."""
    kind, _, k = item[0].partition(", k ")
    return list(SPARSE_KINDS).index(kind), int(k)


def mean_of(entries: Sequence[Record], key: str) -> float:
    """Over seeds."""
    return statistics.mean(float(entry[key]) for entry in entries)


def over(entries: Sequence[Record], key: str, digits: int) -> str:
    """The mean over seeds, with its standard error where there are several."""
    found = f"{mean_of(entries, key):.{digits}f}"
    if len(entries) == 1:
        return found
    spread = statistics.stdev(float(entry[key]) for entry in entries)
    return f"{found} ± {spread / len(entries) ** 0.5:.{digits}f}"


def reached(name: str, entry: Record) -> bool:
    """Whether L0 is within a fifth of k."""
    k = int(name.rpartition(" ")[2])
    return abs(float(entry["ours"]["l0"]["value"]) / k - 1) < 0.2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("text", type=Path)
    parser.add_argument("--parts", nargs="+", default=["synthetic", "characters"])
    parser.add_argument("--kinds", nargs="+", default=list(SPARSE_KINDS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("results"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    kept = Kept(given.output / "sparse.json")
    packages = ("torch", "sae-lens", "numpy")
    kept.found["versions"] = {
        **{name: version(name) for name in packages},
        "machine": f"{platform.machine()}, two cores, shared, one thread",
    }
    if "synthetic" in given.parts:
        synthetic(kept, given.kinds, given.seeds, TRAINERS if given.peers else ())
    if "characters" in given.parts:
        characters_part(kept, given.text.read_text(), given.kinds)
    write_text(given.output / "sparse.md", page(kept.found))


if __name__ == "__main__":
    main()
