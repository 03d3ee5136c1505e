"""Gaps, drawn rows and anomalies of ten tables beside peers; writes results/table_peers.md.

The tables come with scikit-learn and statsmodels; the peers are scikit-learn's imputers and
IsolationForest, and TVAE and CTGAN of the package `ctgan`, judged by `sdmetrics`:
`pip install 'discretevae[benchmarks]'`.
"""

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.metrics import roc_auc_score
from statsmodels import datasets

from discretevae.data import Splits, load, open_source
from discretevae.evaluation import anomaly_scores, impute
from discretevae.experiments.folder import versions
from discretevae.likelihoods import ColumnsLikelihood
from discretevae.models import DiscreteVAE
from discretevae.networks import ColumnsNetwork
from discretevae.training import TrainingOptions, train
from discretevae.training.prior import improve_prior

RESULTS = Path(__file__).parent.parent / "results"
HIDDEN = 0.2
"""The share of the cells that are hidden, to be filled."""
CORRUPTED = 2
"""Cells of a row that come from other rows, where it is an anomaly."""
DRAWN = 5000
"""Most rows that are drawn, and compared with as many real ones."""
PEERS_ROWS = 4000
"""Rows that each tree of a forest sees at most."""

Frame = pd.DataFrame


# The tables. Classes and codes are names, as a person would have them in a file.


def _of_sklearn(load: Callable[..., Any]) -> Frame:
    data = load(as_frame=True)
    return data.data.assign(target=data.target.map(lambda i: str(data.target_names[i])))


def _of_statsmodels(name: str, named: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> Frame:
    frame = getattr(datasets, name).load_pandas().data.drop(columns=list(drop))
    for column in named:
        frame[column] = f"{column} " + frame[column].astype(int).astype(str)
    return frame


def _diabetes() -> Frame:
    data = load_diabetes(as_frame=True, scaled=False)
    sex = data.data["sex"].map({1: "one", 2: "other"})
    return data.data.assign(sex=sex, progression=data.target)


def _schools() -> Frame:
    return _of_statsmodels("star98").iloc[:, :14]  # the others are products of these


TABLES: dict[str, Callable[[], Frame]] = {
    "iris": partial(_of_sklearn, load_iris),
    "wine": partial(_of_sklearn, load_wine),
    "grunfeld": partial(_of_statsmodels, "grunfeld"),
    "star98": _schools,
    "diabetes": _diabetes,
    "breast cancer": partial(_of_sklearn, load_breast_cancer),
    "modechoice": partial(_of_statsmodels, "modechoice", ("mode", "choice"), ("individual",)),
    "anes96": partial(_of_statsmodels, "anes96", ("vote",), ("logpopul",)),
    "fair": partial(_of_statsmodels, "fair", ("occupation", "occupation_husb")),
    "randhie": partial(_of_statsmodels, "randhie", ("idp", "hlthg", "hlthf", "hlthp")),
}
QUICK = ("iris", "grunfeld")


def is_named(cells: pd.Series) -> bool:
    return cells.dtype == object


# Ours.


def fitted(frame: Frame, seed: int, epochs: int | None) -> tuple[DiscreteVAE, Splits]:
    """Trains a model with the library's defaults."""
    data = load(frame, likelihood="columns", test=0.0, seed=seed)
    assert data.likelihood is not None
    torch.manual_seed(seed)
    columns = data.likelihood["columns"]
    network, likelihood = ColumnsNetwork(columns), ColumnsLikelihood(columns)
    model = DiscreteVAE(data.shape, network=network, likelihood=likelihood)
    options = TrainingOptions(seed=seed, epochs=epochs, accelerator="cpu", progress_bar=False)
    train(model, data, options)
    improve_prior(model, data)  # as the command does
    return model, data


def rows_of(data: Splits, frame: Frame) -> torch.Tensor:
    """Reads rows by what the training rows have taught."""
    assert data.schema is not None
    source = open_source(frame, likelihood="columns", schema=data.schema)
    return data.schema.read(source).examples.values()


def as_frame(data: Splits, x: torch.Tensor, frame: Frame) -> Frame:
    """Gives rows the columns and types of a table; a column that no model sees is its mode."""
    assert data.schema is not None
    names, rows = data.schema.written(x)
    found = pd.DataFrame(rows, columns=names)
    for name in frame:
        if name not in found:
            found[name] = frame[name].mode()[0]
        if not is_named(frame[name]):
            found[name] = pd.to_numeric(found[name])
    return found[list(frame)]


def ours_fill(holes: Frame, seed: int, epochs: int | None = None) -> Frame:
    model, data = fitted(holes, seed, epochs)
    x = impute(model, rows_of(data, holes), generator=torch.Generator().manual_seed(seed))
    return holes.where(holes.notna(), as_frame(data, x, holes).set_axis(holes.index))


# Filling gaps: the peers.


def means_fill(holes: Frame, seed: int) -> Frame:
    return holes.fillna(
        {n: holes[n].mode()[0] if is_named(holes[n]) else holes[n].mean() for n in holes}
    )


def standard(holes: Frame) -> tuple[np.ndarray, list[tuple[str, Any]]]:
    """Numbers standardised and categories one-hot, side by side; what undoes it."""
    parts, back = [], list[tuple[str, Any]]()
    for name in map(str, holes):
        cells = holes[name]
        if is_named(cells):
            kinds = sorted(cells.dropna().unique())
            part = np.stack([(cells == kind).astype(float) for kind in kinds], 1)
            part[cells.isna()] = np.nan
            back.append((name, kinds))
        else:
            mean, scale = cells.mean(), cells.std() or 1.0
            part = ((cells - mean) / scale).to_numpy()[:, None]
            back.append((name, (mean, scale)))
        parts.append(part)
    return np.concatenate(parts, 1), back


def knn_fill(holes: Frame, seed: int) -> Frame:
    x, back = standard(holes)
    x = KNNImputer(n_neighbors=10, weights="distance").fit_transform(x)
    filled, place = holes.copy(), 0
    for name, rule in back:
        width = len(rule) if isinstance(rule, list) else 1
        part, place = x[:, place : place + width], place + width
        if isinstance(rule, list):
            values = np.array(rule, object)[part.argmax(1)]
        else:
            values = part[:, 0] * rule[1] + rule[0]
        filled[name] = holes[name].where(holes[name].notna(), pd.Series(values, holes.index))
    return filled


def chained_fill(
    holes: Frame, seed: int, numbers: Callable[[], Any], names: Callable[[], Any], rounds: int
) -> Frame:
    """What IterativeImputer does, with a classifier for each column of categories.

    Ends where a round changes the numbers more than the one before, as missForest does.
    """
    filled, before = means_fill(holes, seed), np.inf
    order = sorted(holes, key=lambda name: holes[name].isna().sum())
    for _ in range(rounds):
        old = filled.copy()
        for name in order:
            gone = holes[name].isna().to_numpy()
            if not gone.any():
                continue
            x = pd.get_dummies(filled.drop(columns=name)).astype(float).to_numpy()
            x = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
            model = names() if is_named(holes[name]) else numbers()
            model.fit(x[~gone], holes[name][~gone].to_numpy())
            filled.loc[gone, name] = model.predict(x[gone])
        plain = [name for name in holes if not is_named(holes[name])]
        change = ((filled[plain] - old[plain]) ** 2 / holes[plain].var()).to_numpy().sum()
        if change > before:
            return old
        before = change
    return filled


def linear_fill(holes: Frame, seed: int) -> Frame:
    if not any(is_named(holes[name]) for name in holes):
        x = IterativeImputer(max_iter=20, random_state=seed).fit_transform(holes)
        return pd.DataFrame(x, holes.index, holes.columns)
    return chained_fill(holes, seed, BayesianRidge, partial(LogisticRegression, max_iter=500), 20)


def forest_fill(holes: Frame, seed: int) -> Frame:
    options: dict[str, Any] = {
        "n_estimators": 100, "max_features": 1 / 3, "random_state": seed,
        "max_samples": min(1.0, PEERS_ROWS / len(holes)),
    }  # fmt: skip
    regressor = partial(RandomForestRegressor, **options)
    return chained_fill(holes, seed, regressor, partial(RandomForestClassifier, **options), 5)


FILLERS: dict[str, Callable[[Frame, int], Frame]] = {
    "means and modes": means_fill,
    "linear": linear_fill,
    "nearest": knn_fill,
    "forest": forest_fill,
}


def with_holes(frame: Frame, seed: int) -> tuple[Frame, np.ndarray]:
    gone = np.random.default_rng(seed).random(frame.shape) < HIDDEN
    holes = frame.copy()
    for place, name in enumerate(frame):
        holes[name] = holes[name].astype(object if is_named(frame[name]) else float)
        holes.loc[gone[:, place], name] = np.nan
    return holes, gone


def errors(frame: Frame, filled: Frame, gone: np.ndarray) -> dict[str, list[float]]:
    """Of the hidden cells of each column: RMSE by its standard deviation, or the share wrong."""
    found: dict[str, list[float]] = {"numbers": [], "categories": []}
    for place, name in enumerate(frame):
        hidden = gone[:, place]
        truth, guess = frame[name][hidden].to_numpy(), filled[name][hidden].to_numpy()
        if is_named(frame[name]):
            found["categories"].append(float((truth != guess).mean()))
        else:
            distance = np.sqrt(((truth - guess.astype(float)) ** 2).mean())
            found["numbers"].append(float(distance / frame[name].std()))
    return found


def filling(frame: Frame, seed: int, epochs: int | None) -> dict[str, Any]:
    holes, gone = with_holes(frame, seed)
    found = {}
    ours: Callable[[Frame, int], Frame] = partial(ours_fill, epochs=epochs)
    for name, fill in {**FILLERS, "discretevae": ours}.items():
        started = time.process_time()
        filled = fill(holes, seed)
        seconds = time.process_time() - started
        found[name] = {"seconds": seconds, **errors(frame, filled, gone)}
    return found


# Drawing rows, and anomalies: rows to learn from and others, to compare with.


def parted(frame: Frame, seed: int) -> tuple[Frame, Frame]:
    order = np.random.default_rng(seed).permutation(len(frame))
    cut = len(frame) * 4 // 5
    known, new = frame.iloc[order[:cut]], frame.iloc[order[cut:]]
    return known.reset_index(drop=True), new.reset_index(drop=True)


def quality(real: Frame, drawn: Frame) -> dict[str, float]:
    """Of `sdmetrics`: how alike columns are, and pairs of columns, between 0 and 1."""
    from sdmetrics.reports.single_table import QualityReport

    kinds = {n: {"sdtype": "categorical" if is_named(real[n]) else "numerical"} for n in real}
    report = QualityReport()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report.generate(real, drawn, {"columns": kinds}, verbose=False)
    shapes, pairs = report.get_properties()["Score"]
    return {"quality": report.get_score(), "shapes": float(shapes), "pairs": float(pairs)}


def draw_of_model(model: DiscreteVAE, data: Splits, count: int, seed: int, frame: Frame) -> Frame:
    torch.manual_seed(seed)
    codes = model.sample_codes(count, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return as_frame(data, model.decode(codes).sample(), frame)


def _seconds_to_fit(model: Any, known: Frame, named: list[str]) -> float:
    started = time.process_time()
    model.fit(known, named)
    return time.process_time() - started


def draw_of_peer(kind: str, known: Frame, count: int, seconds: float, seed: int) -> Frame:
    """Trains for as long as ours has trained: some epochs tell how many epochs that is."""
    import ctgan

    named = [name for name in map(str, known) if is_named(known[name])]
    make = partial(getattr(ctgan, kind), cuda=False)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002, CTGAN draws from it
    few, many = 1, 1 + max(1, 20_000 // len(known))
    spent = [_seconds_to_fit(make(epochs=epochs), known, named) for epochs in (few, many)]
    one = max(1e-3, (spent[1] - spent[0]) / (many - few))
    model = make(epochs=max(1, round((seconds - spent[0]) / one)))
    model.fit(known, named)
    return model.sample(count)


def drawing(frame: Frame, seed: int, epochs: int | None) -> dict[str, dict[str, Any]]:
    """Drawing and anomalies: both by one model of the rows known."""
    known, new = parted(frame, seed)
    count = min(DRAWN, len(known))
    started = time.process_time()
    model, data = fitted(known, seed, epochs)
    seconds = time.process_time() - started
    real = known.sample(count, random_state=seed)
    ours = quality(real, draw_of_model(model, data, count, seed, known))
    found: dict[str, dict[str, Any]] = {"discretevae": {"seconds": seconds, **ours}}
    for kind in ("TVAE", "CTGAN"):
        started = time.process_time()
        drawn = draw_of_peer(kind, known, count, seconds, seed)
        spent = time.process_time() - started
        found[kind] = {"seconds": spent, **quality(real, drawn[list(frame)])}
    found["the other rows"] = quality(real, new)
    return {"drawing": found, "anomalies": anomalies(model, data, known, new, seed)}


def corrupted(frame: Frame, known: Frame, seed: int) -> Frame:
    """Rows of which some cells are those of other rows: each usual by itself, not together."""
    generator, frame = np.random.default_rng(seed), frame.copy()
    for row in range(len(frame)):
        for place in generator.choice(frame.shape[1], CORRUPTED, replace=False):
            others = known.iloc[:, place]
            different = others[others != frame.iat[row, place]]
            frame.iat[row, place] = different.iloc[generator.integers(len(different))]
    return frame


def anomalies(
    model: DiscreteVAE, data: Splits, known: Frame, new: Frame, seed: int
) -> dict[str, dict[str, float]]:
    """The area under the ROC curve: new rows against the same with cells of others."""
    rows = pd.concat([new, corrupted(new, known, seed)], ignore_index=True)
    strange = np.repeat([0, 1], len(new))
    started = time.process_time()
    scores = anomaly_scores(model, rows_of(data, rows), generator=torch.Generator().manual_seed(0))
    ours = {"seconds": time.process_time() - started, "auc": roc_auc_score(strange, scores.rows)}
    started = time.process_time()
    both = pd.get_dummies(pd.concat([known, rows], ignore_index=True)).astype(float)
    forest = IsolationForest(n_estimators=500, random_state=seed).fit(both[: len(known)].to_numpy())
    theirs = roc_auc_score(strange, -forest.score_samples(both[len(known) :].to_numpy()))
    seconds = time.process_time() - started
    return {"discretevae": ours, "IsolationForest": {"seconds": seconds, "auc": theirs}}


# The page.


def relative(found: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Method → its error by that of means and modes, the mean over columns."""
    base = found["means and modes"]["numbers"] + found["means and modes"]["categories"]
    return {
        name: statistics.fmean(
            error / usual if usual else 1.0
            for error, usual in zip(run["numbers"] + run["categories"], base, strict=True)
        )
        for name, run in found.items()
    }


def mean_of(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.fmean(run[name] for run in runs) for name in runs[0]}


def ranks(values: dict[str, float], best: Callable[..., float]) -> dict[str, float]:
    sign = 1 if best is min else -1
    order = pd.Series(values).mul(sign).rank()
    return {str(name): float(rank) for name, rank in order.items()}


def table_of(
    per_table: dict[str, dict[str, float]], best: Callable[..., float], seconds: dict[str, float]
) -> tuple[str, list[str]]:
    """A table in Markdown with the best of each row in bold, and where ours is not."""
    methods = list(next(iter(per_table.values())))
    lines = ["| table | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    behind = []
    for name, values in per_table.items():
        top = best(values.values())
        cells = [f"**{v:.3f}**" if v == top else f"{v:.3f}" for v in values.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        if values["discretevae"] != top:
            winner = next(method for method, value in values.items() if value == top)
            behind.append(f"{name} ({winner} {top:.3f}, ours {values['discretevae']:.3f})")
    mean = mean_of(list(per_table.values()))
    rank = mean_of([ranks(values, best) for values in per_table.values()])
    for label, values, digits in (("mean", mean, 3), ("mean rank", rank, 2)):
        lines.append(
            f"| {label} | " + " | ".join(f"{values[m]:.{digits}f}" for m in methods) + " |"
        )
    lines.append("| seconds | " + " | ".join(f"{seconds[m]:.1f}" for m in methods) + " |")
    return "\n".join(lines), behind


def seconds_of(runs: list[dict[str, dict[str, Any]]]) -> dict[str, float]:
    return mean_of([{name: part["seconds"] for name, part in run.items()} for run in runs])


def page(record: dict[str, Any]) -> str:
    """The page of results; the means over tables are added to the record."""
    tables = {n: t for n, t in record["tables"].items() if t["filling"] and t["drawing"]}
    filled = {name: list(t["filling"].values()) for name, t in tables.items()}
    both = {name: list(t["drawing"].values()) for name, t in tables.items()}
    drawn = {name: [run["drawing"] for run in runs] for name, runs in both.items()}
    odd = {name: [run["anomalies"] for run in runs] for name, runs in both.items()}
    peers = {name: [_peers(run) for run in runs] for name, runs in drawn.items()}
    texts, short = {}, []
    for what, runs, figure, best in (
        ("Filling gaps", filled, relative, min),
        ("Drawing rows", peers, partial(_figure, "quality"), max),
        ("Anomalies", odd, partial(_figure, "auc"), max),
    ):
        means = {name: mean_of([figure(run) for run in some]) for name, some in runs.items()}
        record["means"] = record.get("means", {}) | {what: mean_of(list(means.values()))}
        every = [run for some in runs.values() for run in some]
        texts[what], behind = table_of(means, best, seconds_of(every))
        short.append(
            f"- {what}: not the best on {len(behind)} of {len(tables)}: {'; '.join(behind)}."
            if behind
            else f"- {what}: the best on all {len(tables)}."
        )
    usual = {name: mean_of([relative(run) for run in runs]) for name, runs in filled.items()}
    worse = [name for name, values in usual.items() if values["discretevae"] > 1]
    short.append(f"- Tables filled worse than by means and modes: {', '.join(worse) or 'none'}.")
    every = [run for runs in drawn.values() for run in runs]
    alike = "; ".join(
        f"{method} {statistics.fmean(run[method]['shapes'] for run in every):.3f} and "
        f"{statistics.fmean(run[method]['pairs'] for run in every):.3f}"
        for method in every[0]
    )
    shapes = {name: t["shape"] for name, t in tables.items()}
    sizes = ", ".join(f"{name} ({rows:,} × {cells})" for name, (rows, cells) in shapes.items())
    gaps = sorted({seed for t in tables.values() for seed in t["filling"]})
    draws = sorted({seed for t in tables.values() for seed in t["drawing"]})
    v = record["versions"]
    return "\n\n".join(
        [
            "# Tables beside peers",
            f"`{record['command']}`; seeds {', '.join(gaps)} for gaps, {', '.join(draws)} for "
            f"drawn rows and anomalies; {v['machine']}, torch {v['torch']}, two cores, shared with "
            "other work, no GPU, one thread; seconds are of the processor. Tables (rows × columns, "
            f"of larger ones a sample): {sizes}. Our side is the library's defaults everywhere, "
            "with 4 × 8 latents.",
            "\n".join(short),
            "## Filling gaps",
            "A fifth of all cells is hidden at random; every method learns from the table with "
            "its gaps and fills them. Figures are the error by that of means and modes (RMSE of "
            "numbers, share of wrong categories), mean over columns and seeds: less is better. "
            "Linear is IterativeImputer (BayesianRidge), with a logistic regression for each "
            "category; nearest is KNNImputer (10, by distance, one-hot categories); forest is "
            "IterativeImputer's scheme with random forests of 100 trees (at most 5 rounds; on "
            f"large tables {PEERS_ROWS:,} rows a tree).",
            texts["Filling gaps"],
            "## Drawing rows",
            "Learned from four fifths of the rows; as many rows are drawn, 5,000 at most, and "
            "compared with them by sdmetrics' QualityReport: more is better. TVAE and CTGAN have "
            "their own settings and as many epochs as last as long as our training does; the "
            "seconds of peers include two short runs that measure an epoch. Column shapes and "
            f"pairs of columns, mean over tables: {alike}. The other rows are the fifth apart: "
            "what real rows reach, fewer in number.",
            texts["Drawing rows"],
            "## Anomalies",
            f"New rows beside the same with {CORRUPTED} cells of other rows; area under the ROC "
            "curve. IsolationForest has 500 trees and one-hot categories. The seconds are of "
            "scoring; for the forest of training too.",
            texts["Anomalies"],
        ]
    )


def _peers(run: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without the rows kept apart."""
    return {name: part for name, part in run.items() if "seconds" in part}


def _figure(name: str, run: dict[str, dict[str, Any]]) -> dict[str, float]:
    return {method: part[name] for method, part in run.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--seeds", type=int, default=3, help="for filling gaps")
    parser.add_argument("--drawing-seeds", type=int, default=1, help="for drawing and anomalies")
    parser.add_argument("--rows", type=int, default=20_190, help="of a table at most")
    parser.add_argument("--go-on", action="store_true", help="with what a broken run has left")
    parser.add_argument("--quick", action="store_true", help="two tables, 20 epochs, no files")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    names, epochs = (QUICK, 20) if args.quick else (tuple(TABLES), None)
    seeds = list(range(args.seed, args.seed + (1 if args.quick else args.seeds)))
    record: dict[str, Any] = {
        "command": " ".join(["python benchmarks/table_peers.py", *sys.argv[1:]]),
        "versions": versions(), "tables": {},
    }  # fmt: skip
    path = RESULTS / "table_peers.json"
    if args.go_on and path.exists():
        record = json.loads(path.read_text(encoding="utf-8"))
    for seed in seeds:
        for name in names:
            frame = TABLES[name]()
            if len(frame) > args.rows:
                frame = frame.sample(args.rows, random_state=0).reset_index(drop=True)
            new = {"shape": list(frame.shape), "filling": {}, "drawing": {}}
            found = record["tables"].setdefault(name, new)
            if str(seed) not in found["filling"]:
                found["filling"][str(seed)] = filling(frame, seed, epochs)
                print(name, seed, relative(found["filling"][str(seed)]), flush=True)
            if seed < args.seed + args.drawing_seeds and str(seed) not in found["drawing"]:
                found["drawing"][str(seed)] = drawing(frame, seed, epochs)
                print(name, seed, found["drawing"][str(seed)], flush=True)
            if not args.quick:
                path.write_text(json.dumps(record, indent=1, default=float) + "\n", "utf-8")
    text = page(record)
    print(text)
    if not args.quick:
        path.write_text(json.dumps(record, indent=1, default=float) + "\n", "utf-8")
        (RESULTS / "table_peers.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
