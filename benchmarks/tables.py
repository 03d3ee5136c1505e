"""Imputes tables with 20 % of their cells hidden, and writes results/tables.json and its page.

The tables are scikit-learn's breast cancer and wine data, made of all kinds of columns: some
numbers are binned to three or four names, classes and thresholds are binary or categorical.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_wine
from torch import Tensor

from discretevae.data import Examples, Splits, read_rows, split
from discretevae.data.mixed_tables import learn_columns
from discretevae.evaluation import impute
from discretevae.experiments.folder import versions
from discretevae.likelihoods import ColumnsLikelihood
from discretevae.models import DiscreteVAE
from discretevae.networks import ColumnsNetwork
from discretevae.schema.columns import Column, NumericColumn
from discretevae.training import TrainingOptions, train

RESULTS = Path(__file__).parent.parent / "results"
HIDDEN = 0.2
LATENTS, CATEGORIES = 5, 3
OPTIONS: dict[str, Any] = {"epochs": 300, "batch_size": 128, "learning_rate": 1e-2, "patience": 40}


def breast_cancer() -> pd.DataFrame:
    data = load_breast_cancer(as_frame=True)
    frame = _binned(data.data, start=0)
    frame["target"] = data.target.map({0: "malignant", 1: "benign"})
    area = data.data["worst area"]
    frame["large"] = np.where(area > area.median(), "yes", "no")
    return frame


def wine() -> pd.DataFrame:
    data = load_wine(as_frame=True)
    frame = _binned(data.data, start=1)
    frame["cultivar"] = data.target.map(lambda target: "ABC"[target])
    frame["strong"] = np.where(data.data["alcohol"] > data.data["alcohol"].median(), "yes", "no")
    frame["dark"] = np.where(data.data["hue"] < 0.85, "yes", "no")
    return frame


TABLES = {"breast cancer": breast_cancer, "wine": wine}


def _binned(frame: pd.DataFrame, start: int) -> pd.DataFrame:
    """Every fourth column by the names of three or four equal shares of its values."""
    frame = frame.copy()
    for i, name in enumerate(list(frame)[start::4]):
        bins = 3 + i % 2
        frame[name] = pd.qcut(frame[name], bins, labels=list("abcd")[:bins]).astype(str)
    return frame


def imputed(frame: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Kind of column → the model's figure and the baseline's, on rows not trained on."""
    gone = np.random.default_rng(seed).random(frame.shape) < HIDDEN
    holes = frame.astype(object).mask(pd.DataFrame(gone, frame.index, frame.columns))
    for name in frame:
        if frame[name].dtype.kind == "f":
            holes[name] = holes[name].astype(float)
    rows = Examples(torch.empty(len(frame), 0), torch.arange(len(frame)))
    parts = split(rows, validation=0.1, test=0.2, seed=seed)
    index = [part.labels for part in (parts.train, parts.validation, parts.test)]
    assert index[0] is not None
    columns = learn_columns(holes.iloc[index[0].numpy()])
    x, truth = (read_rows(table, columns).examples.x for table in (holes, frame))
    train_rows, validation, test = (Examples(x[part]) for part in index)
    splits = Splits("table", train_rows, validation, test)
    torch.manual_seed(seed)
    model = DiscreteVAE(
        (len(columns),),
        LATENTS,
        CATEGORIES,
        ColumnsNetwork(columns, widths=(64,), hidden=0.3),
        ColumnsLikelihood(columns),
        estimator="exact",
    )
    started = time.perf_counter()
    train(model, splits, TrainingOptions(**OPTIONS, progress_bar=False, seed=seed))
    new = index[2]
    assert new is not None
    found = _scores(columns, truth[new], x[new], impute(model, x[new]), x[index[0]])
    return {"seconds": round(time.perf_counter() - started, 1), **found}


def _scores(
    columns: tuple[Column, ...], truth: Tensor, x: Tensor, filled: Tensor, seen: Tensor
) -> dict[str, list[float]]:
    """RMSE in units of the column's scale, or accuracy, of hidden cells; then the baseline's."""
    cells: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for i, column in enumerate(columns):
        hidden, known = x[:, i].isnan(), seen[:, i][~seen[:, i].isnan()].double()
        t, p = truth[hidden, i].double(), filled[hidden, i].double()
        if isinstance(column, NumericColumn):
            pair = ((p - t) / column.scale) ** 2, ((known.mean() - t) / column.scale) ** 2
        else:
            pair = (p == t).double(), (known.mode().values == t).double()
        cells.setdefault(column.kind, []).append(pair)
    found = {}
    for kind, pairs in cells.items():
        means = [float(torch.cat(column).mean()) for column in zip(*pairs, strict=True)]
        found[kind] = [value**0.5 for value in means] if kind == "numeric" else means
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    record: dict[str, Any] = {"versions": versions(), "hidden": HIDDEN, "options": OPTIONS}
    lines = [
        "# Imputation of tables",
        f"`python benchmarks/tables.py`, {len(seeds)} seeds; {record['versions']['machine']}, "
        f"torch {record['versions']['torch']}. 20 % of all cells are hidden at random; {LATENTS} × "
        f"{CATEGORIES} latents, exact gradients. Figures are of hidden cells in rows not trained "
        "on (a fifth of the table): the root of the mean squared error in units of the column's "
        "standard deviation beside that of the column mean, or the share of right cells beside "
        "that of the most frequent value. Mean over seeds; in brackets, in how many the model is "
        "better.",
        "| table | kind of column | model | mean or mode | better |\n|---|---|---|---|---|",
    ]
    for name, load in TABLES.items():
        runs = [imputed(load(), seed) for seed in seeds]
        record[name] = runs
        for kind in ("numeric", "binary", "categorical"):
            ours, theirs = zip(*(run[kind] for run in runs), strict=True)
            sign = -1 if kind == "numeric" else 1
            won = sum(sign * a > sign * b for a, b in zip(ours, theirs, strict=True))
            what = "RMSE" if kind == "numeric" else "accuracy"
            row = f"| {name} | {kind} ({what}) | {statistics.fmean(ours):.3f} | "
            row += f"{statistics.fmean(theirs):.3f} | {won}/{len(runs)} |"
            lines[-1] += f"\n{row}"
            print(row, flush=True)
    (RESULTS / "tables.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "tables.md").write_text("\n\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
