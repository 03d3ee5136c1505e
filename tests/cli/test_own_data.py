"""The commands on what people bring: results come back with their keys, data as they were."""

import csv
import re
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from discretevae.cli.main import main

ROWS = 400
QUICK = [
    *("--epochs", "2", "--importance-samples", "0", "--num-latents", "2"),
    *("--num-categories", "4", "--widths", "8"),
]


def people() -> pandas.DataFrame:
    draws = np.random.default_rng(0)
    return pandas.DataFrame(
        {
            "age": draws.integers(18, 80, ROWS),
            "job": draws.choice(["cook", "smith", "clerk"], ROWS),
            "income": draws.lognormal(10, 0.6, ROWS).round(2),
        }
    )


def train(data: Path, *words: str) -> str:
    run = data.parent / "run"
    main(["train", str(data), *QUICK, *words, "--output", str(run), "--overwrite"])
    return str(run)


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A run on a table with gaps, large numbers and dates; and its file."""
    folder = tmp_path_factory.mktemp("table")
    draws, frame = np.random.default_rng(1), people()
    frame["ts"] = draws.integers(1_500_000_000, 1_700_000_000, ROWS)
    frame["account"] = draws.integers(10_000_000, 99_999_999, ROWS)
    days = pandas.to_timedelta(draws.integers(0, 2000, ROWS), unit="D")
    frame["day"] = (pandas.to_datetime("2020-01-01") + days).strftime("%d.%m.%Y")
    frame["plan"] = np.where(draws.random(ROWS) < 0.75, "basic", "plus")
    frame.loc[::7, ["income", "day"]] = np.nan
    frame.to_csv(folder / "t.csv", index=False)
    return train(folder / "t.csv", "--likelihood", "columns"), folder / "t.csv"


class TestTables:
    def test_imputing_leaves_every_cell_that_is_there(
        self, table: tuple[str, Path], tmp_path: Path
    ) -> None:
        run, path = table
        frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
        frame.insert(0, "customer", [f"C{i:03d}" for i in range(ROWS)])
        frame["label"], frame.loc[3, "age"] = "1", "oops"
        frame.to_csv(tmp_path / "new.csv", index=False)
        main(["impute", run, str(tmp_path / "new.csv"), "-o", str(tmp_path / "out.csv")])
        given, found = cells(tmp_path / "new.csv"), cells(tmp_path / "out.csv")
        assert list(found[0]) == list(given[0])
        for before, after in zip(given, found, strict=True):
            assert all(after[name] == cell for name, cell in before.items() if cell)
            assert "" not in after.values()
        pandas.to_datetime(found[0]["day"], format="%d.%m.%Y")

    def test_a_table_with_other_signs_comes_back_with_them(
        self, table: tuple[str, Path], tmp_path: Path
    ) -> None:
        run, path = table
        frame = pandas.read_csv(path)
        frame.to_csv(tmp_path / "new.csv", index=False, sep=";", decimal=",")
        main(["impute", run, str(tmp_path / "new.csv"), "-o", str(tmp_path / "out.csv")])
        found = pandas.read_csv(tmp_path / "out.csv", sep=";", decimal=",")
        assert found.income.dtype == float
        assert found.income[frame.income.notna()].equals(frame.income.dropna())

    def test_scores_have_the_keys_of_their_rows(
        self, table: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture
    ) -> None:
        run, path = table
        frame = pandas.read_csv(path).assign(customer=[f"C{i:03d}" for i in range(ROWS)])
        frame.loc[5, "job"] = "pilot"
        frame.to_parquet(tmp_path / "new.parquet")
        main(["score", run, str(tmp_path / "new.parquet"), "-o", str(tmp_path / "s.csv")])
        found = cells(tmp_path / "s.csv")
        assert list(found[0])[:3] == ["row", "customer", "total (nats)"]
        assert (found[7]["row"], found[7]["customer"]) == ("7", "C007")
        assert (found[5]["job (nats)"], found[5]["not taken"]) == ("", "job")
        assert "1 cell of job: not a category" in capsys.readouterr().err
        frame.drop(columns="job").to_csv(tmp_path / "missing.csv", index=False)
        with pytest.raises(SystemExit):
            main(["score", run, str(tmp_path / "missing.csv")])
        assert "missing.csv must have the column 'job' of the run" in capsys.readouterr().err

    def test_samples_are_draws_and_means_are_asked_for(
        self, table: tuple[str, Path], tmp_path: Path
    ) -> None:
        run, path = table
        main(["sample", run, "--count", "2000", "-o", str(tmp_path / "s.csv")])
        main(["sample", run, "--count", "2000", "--mean", "-o", str(tmp_path / "m.csv")])
        data, draws, means = (
            pandas.read_csv(p) for p in (path, tmp_path / "s.csv", tmp_path / "m.csv")
        )
        assert list(draws.columns) == list(data.columns)
        # 2,000 draws of numbers differ; the means are those of at most 16 codes.
        assert 0.1 < (draws.plan == "plus").mean() < 0.6
        assert draws.age.nunique() > 60 > 16 >= means.age.nunique()
        assert 0.7 < draws.age.std() / data.age.std() < 1.4

    def test_codes_are_written_beside_ids(self, table: tuple[str, Path], tmp_path: Path) -> None:
        run, path = table
        frame = pandas.read_csv(path).assign(customer=[f"C{i:03d}" for i in range(ROWS)])
        frame.to_csv(tmp_path / "new.csv", index=False)
        for ending in (".csv", ".parquet", ".npz"):
            main(["encode", run, str(tmp_path / "new.csv"), "-o", str(tmp_path / f"c{ending}")])
        found = cells(tmp_path / "c.csv")
        assert list(found[0]) == ["row", "customer", "z0", "z1"]
        again, archive = pandas.read_parquet(tmp_path / "c.parquet"), np.load(tmp_path / "c.npz")
        assert again.customer.tolist() == [row["customer"] for row in found]
        assert archive["customer"].tolist() == again.customer.tolist()
        assert archive["codes"].tolist() == again[["z0", "z1"]].to_numpy().tolist()
        main(["encode", run, "-o", str(tmp_path / "test.csv")])
        rows = [int(row["row"]) for row in cells(tmp_path / "test.csv")]
        assert len(rows) == 40
        for row in cells(tmp_path / "test.csv"):
            assert row["z0"] == found[int(row["row"])]["z0"]

    def test_a_category_seen_once_does_not_stop_training(self, tmp_path: Path) -> None:
        frame = people().assign(country="US")
        frame.loc[[5, 77, 150, 222, 301], "country"] = ["Holland", "Laos", "Peru", "Cuba", "Fiji"]
        frame.to_csv(tmp_path / "t.csv", index=False)
        run = train(tmp_path / "t.csv", "--likelihood", "columns")
        assert (Path(run) / "schema.json").exists()
        main(["evaluate", run])

    def test_cells_of_all_kinds_come_back_as_they_were_and_gaps_in_their_style(
        self, tmp_path: Path
    ) -> None:
        draws = np.random.default_rng(2)
        sums = draws.normal(0, 2000, ROWS).round(2)
        frame = pandas.DataFrame(
            {
                "sum": [f"({-v:,.2f})" if v < 0 else f"{v:,.2f}" for v in sums],
                "price": [f"${abs(v):,.2f}" for v in sums],
                "mass": [f"{abs(v):.1f} kg" for v in sums],
                "at": [f"{i % 24:02}:{i * 7 % 60:02}" for i in range(ROWS)],
                "when": [f"2024-03-{1 + i % 28:02} {i % 24:02}:30:00+01:00" for i in range(ROWS)],
                "note": draws.choice(["a", "b"], ROWS),
            }
        )
        for place, name in enumerate(frame.columns):
            frame.loc[place :: 7 + place, name] = ""
        # Two columns have one name, and one has none.
        frame.columns = [*frame.columns[:4], "at", ""]
        frame.to_csv(tmp_path / "t.csv", index=False)
        run = train(tmp_path / "t.csv")
        main(["impute", run, str(tmp_path / "t.csv"), "-o", str(tmp_path / "out.csv")])
        with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
            header, *found = csv.reader(file)
        assert header == list(frame.columns)
        styles = (r"\([\d.]+\)|[\d.]+", r"\$[\d.]+", r"[\d.]+ kg", r"\d\d:\d\d")
        styles += (r"2024-\d\d-\d\d \d\d:\d\d:\d\d\+00:00", "a|b")
        for before, after in zip(frame.to_numpy().tolist(), found, strict=True):
            for style, given, cell in zip(styles, before, after, strict=True):
                assert cell == given if given else re.fullmatch(style, cell)

    def test_numbers_of_an_array_come_back_as_they_were(self, tmp_path: Path) -> None:
        draws = np.random.default_rng(0)
        x = np.where(draws.random((ROWS, 3)) < 0.1, np.nan, draws.normal(1000, 3, (ROWS, 3)))
        np.savez(tmp_path / "x.npz", x=x, ids=np.array([f"k{i}" for i in range(ROWS)]))
        run = train(tmp_path / "x.npz")
        for ending in (".csv", ".parquet", ".npz"):
            main(["impute", run, str(tmp_path / "x.npz"), "-o", str(tmp_path / f"out{ending}")])
        archive = np.load(tmp_path / "out.npz")
        frames = [
            pandas.read_csv(tmp_path / "out.csv", float_precision="round_trip"),
            pandas.read_parquet(tmp_path / "out.parquet"),
            pandas.DataFrame({name: archive[name] for name in archive}),
        ]
        for frame in frames:
            assert list(frame.columns) == ["ids", "0", "1", "2"]
            found = frame[["0", "1", "2"]].to_numpy()
            assert np.array_equal(found[~np.isnan(x)], x[~np.isnan(x)])
            assert np.isfinite(found).all()

    def test_columns_of_lists_come_back(self, tmp_path: Path) -> None:
        frame = people().assign(tags=[[i] for i in range(ROWS)])
        frame.loc[::9, "income"] = np.nan
        frame.to_parquet(tmp_path / "t.parquet")
        run = train(tmp_path / "t.parquet")
        for ending in (".parquet", ".csv"):
            output = str(tmp_path / f"out{ending}")
            main(["impute", run, str(tmp_path / "t.parquet"), "-o", output])
        found = pandas.read_parquet(tmp_path / "out.parquet")
        assert [list(cell) for cell in found.tags] == frame.tags.tolist()
        assert [row["tags"] for row in cells(tmp_path / "out.csv")][:2] == ["[0]", "[1]"]

    @pytest.mark.parametrize("likelihood", ["columns", "gaussian"])
    def test_an_index_is_no_number(self, tmp_path: Path, likelihood: str) -> None:
        frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(50, 8)))
        frame.to_csv(tmp_path / "t.csv")
        network = [] if likelihood == "columns" else ["--network", "mlp"]
        run = train(tmp_path / "t.csv", "--likelihood", likelihood, *network)
        main(["encode", run, "-o", str(tmp_path / "c.csv")])
        found = cells(tmp_path / "c.csv")
        assert list(found[0])[:2] == ["row", "index"]
        assert all(row["row"] == row["index"] for row in found)


class TestImages:
    def test_codes_are_written_beside_files(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        for i in range(12):
            Image.fromarray(np.full((8, 8), i * 20, np.uint8)).save(tmp_path / f"images/{i}.png")
        run = train(tmp_path / "images", "--network", "mlp")
        main(["encode", run, str(tmp_path / "images"), "-o", str(tmp_path / "c.npz")])
        archive = np.load(tmp_path / "c.npz")
        assert archive["file"].tolist() == sorted(f"{i}.png" for i in range(12))
        main(["decode", run, str(tmp_path / "c.npz"), "-o", str(tmp_path / "x.npy")])
        main(["encode", run, "-o", str(tmp_path / "t.csv")])
        for row in cells(tmp_path / "t.csv"):
            assert archive["file"][int(row["row"])] == row["file"]

    def test_images_outside_0_and_1_come_back_in_their_units(self, tmp_path: Path) -> None:
        x = np.random.default_rng(0).normal(300, 20, (60, 16, 16, 5)).astype("f4")
        np.save(tmp_path / "t.npy", x)
        run = train(tmp_path / "t.npy", "--likelihood", "gaussian", "--network", "mlp")
        main(["reconstruct", run, str(tmp_path / "t.npy"), "-o", str(tmp_path / "r.npy")])
        found = np.load(tmp_path / "r.npy")
        assert found.shape == (8, 5, 16, 16)
        assert 290 < found.mean() < 310


def test_one_long_line_takes_no_memory(tmp_path: Path) -> None:
    lines = [f"the small cat runs {i}" for i in range(100)]
    lines[5] = "x" * 50_000
    (tmp_path / "t.txt").write_text("\n".join(lines))
    run = train(tmp_path / "t.txt")
    main(["encode", run, str(tmp_path / "t.txt"), "-o", str(tmp_path / "c.csv")])
    assert cells(tmp_path / "c.csv")[5]["line"] == "6"


def test_inspect_says_what_a_file_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people().assign(id=[f"P{i}" for i in range(ROWS)]).to_csv(tmp_path / "t.csv", index=False)
    page = tmp_path / "t.html"
    main(["inspect", str(tmp_path / "t.csv"), "--drop", "income", "--html", str(page)])
    out = capsys.readouterr().out
    assert "2 columns: 1 number, 1 category of 3 (--numeric, --categorical, --date NAMES)" in out
    assert "left out: income (as asked), id (as many values as rows" in out
    assert "left out: income" in page.read_text()
    main(["inspect", "digits"])
    assert "1,797 examples of 1×8×8" in capsys.readouterr().out
