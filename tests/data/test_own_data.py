"""What people bring: everyday files, and what is to be made of them."""

import csv
import decimal
import json
import os
import random
from pathlib import Path

import numpy as np
import pandas
import pytest
import scipy.sparse
import torch
from PIL import Image

from discretevae.data import (
    DataError,
    ReadingOptions,
    Schema,
    budget,
    learn_schema,
    load,
    num_classes,
    open_source,
    partly_labelled,
    read_by,
    schema_from_config,
)
from discretevae.data.formats.raw import RawTable
from discretevae.data.table_schema import TableSchema
from discretevae.schema.columns import BinaryColumn, CategoricalColumn, NumericColumn

ROWS = 400


def people(seed: int = 0) -> pandas.DataFrame:
    draws = np.random.default_rng(seed)
    return pandas.DataFrame(
        {
            "age": draws.integers(18, 80, ROWS),
            "job": draws.choice(["cook", "smith", "clerk"], ROWS),
            "income": draws.lognormal(10, 0.6, ROWS).round(2),
        }
    )


def meaning(data: object, **said: object) -> Schema:
    """The schema of a source; it survives being stored."""
    reading = ReadingOptions(**said)
    schema = learn_schema(open_source(data, reading), None, reading)
    assert schema_from_config(json.loads(json.dumps(schema.config()))) == schema
    assert len(schema.lines()) <= 12
    return schema


def picture(path: Path, seed: int, shape: tuple[int, ...] = (16, 16, 3), **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


class TestTables:
    def test_large_numbers_come_back_as_they_were(self, tmp_path: Path) -> None:
        frame = people()
        frame["ts"] = np.random.default_rng(1).integers(1_500_000_000, 1_700_000_000, ROWS)
        frame["tick"] = 1_600_000_000 + np.arange(ROWS)[::-1] % 97
        frame.loc[::7, "income"] = np.nan
        frame.to_csv(tmp_path / "t.csv", index=False)
        schema = meaning(tmp_path / "t.csv")
        assert "58 of 2,000 cells missing" in str(schema)
        x = read_by(schema, tmp_path / "t.csv").examples.x
        tick = [schema.fields[4].text(v) for v in x[:, 4].tolist()]
        assert tick == [str(v) for v in frame["tick"]]

    def test_a_category_seen_once_stops_nothing(self, tmp_path: Path) -> None:
        frame = people()
        frame["country"] = np.random.default_rng(1).choice(["US", "MX", "CA"], ROWS)
        rare = [5, 77, 150, 222, 301]
        frame.loc[rare, "country"] = ["Holland", "Laos", "Scotland", "Peru", "Cuba"]
        frame.to_csv(tmp_path / "t.csv", index=False)
        data = load(tmp_path / "t.csv")
        assert len(data.train) + len(data.validation) + len(data.test) == ROWS
        unseen = len(set(rare) - set(data.train.rows.tolist()))
        assert 0 < unseen < 5, "the split of seed 0 holds some of them out"
        assert (
            f"{unseen} cell{'s' * (unseen > 1)} of country: not a category of the training rows"
            in data.note
        )
        with pytest.raises(DataError, match=r"'country', line .*: must be a category"):
            load(tmp_path / "t.csv", reading=ReadingOptions(strict=True))

    @pytest.mark.parametrize("likelihood", [None, "gaussian", "columns"])
    def test_a_header_of_numbers_is_no_row(self, tmp_path: Path, likelihood: str | None) -> None:
        frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 8)))
        frame.to_csv(tmp_path / "t.csv", index=False)
        data = load(tmp_path / "t.csv", likelihood=likelihood)
        assert data.schema is not None
        assert (data.schema.rows, data.shape) == (ROWS, (8,))
        assert "line 1 names the columns: 0 … 7 (--header no)" in data.note
        read = ReadingOptions(header="no")
        assert load(tmp_path / "t.csv", reading=read).schema.rows == ROWS + 1

    def test_rows_of_numbers_without_a_header_are_all_rows(self, tmp_path: Path) -> None:
        np.savetxt(tmp_path / "t.csv", np.random.default_rng(0).normal(size=(30, 3)), delimiter=",")
        schema = meaning(tmp_path / "t.csv")
        assert schema.rows == 30
        assert "no line names the columns" in str(schema)

    def test_years_name_columns_and_rows_of_names_do_not(self, tmp_path: Path) -> None:
        draws = np.random.default_rng(0)
        years = {"country": [*"ABC"] * 20, "2019": draws.random(60), "2020": draws.random(60)}
        pandas.DataFrame(years).to_csv(tmp_path / "t.csv", index=False)
        assert meaning(tmp_path / "t.csv").rows == 60
        rows = [f"{draws.integers(18, 80)}, {draws.choice([*'xyz'])}, {i % 7}" for i in range(60)]
        (tmp_path / "t.data").write_text("\n".join(rows))
        assert meaning(tmp_path / "t.data").rows == 60

    def test_an_index_and_other_signs_are_understood(self, tmp_path: Path) -> None:
        frame = people()
        frame.to_csv(tmp_path / "index.csv")
        frame.to_csv(tmp_path / "semicolon.csv", index=False, sep=";", decimal=",")
        frame.to_csv(tmp_path / "tabs.tsv", index=False, sep="\t")
        frame.to_csv(tmp_path / "utf16.csv", index=False, encoding="utf-16")
        frame.to_csv(tmp_path / "zipped.csv.gz", index=False)
        frame.to_parquet(tmp_path / "t.parquet")
        expected = read_by(meaning(frame), frame).examples.x
        for path in tmp_path.iterdir():
            schema = meaning(path)
            assert torch.equal(read_by(schema, path).examples.x, expected), path.name
        assert "left out: the index" in str(meaning(tmp_path / "index.csv"))
        text = str(meaning(tmp_path / "semicolon.csv"))
        assert "separated by ; (--delimiter)" in text
        assert "decimal sign is a comma (--decimal)" in text

    def test_ids_dates_thousands_and_decimals(self, tmp_path: Path) -> None:
        frame = people()
        days = pandas.to_timedelta(np.random.default_rng(1).integers(0, 2000, ROWS), unit="D")
        with_id = frame.assign(id=[f"P{i:04d}" for i in range(ROWS)])
        with_id.to_csv(tmp_path / "id.csv", index=False)
        text = str(meaning(tmp_path / "id.csv"))
        assert "left out: id (as many values as rows: --categorical id keeps it)" in text
        dates = frame.assign(date=pandas.to_datetime("2020-01-01") + days)
        dates.to_csv(tmp_path / "dates.csv", index=False)
        dates.to_parquet(tmp_path / "dates.parquet")
        for name in ("dates.csv", "dates.parquet"):
            assert "date: days since 2020-01-" in str(meaning(tmp_path / name))
        priced = frame.assign(income=[f"{v:,.2f}" for v in frame.income])
        priced.to_csv(tmp_path / "thousands.csv", index=False)
        x = read_by(meaning(tmp_path / "thousands.csv"), tmp_path / "thousands.csv").examples.x
        assert np.array_equal(x[:, 2].numpy(), frame.income.to_numpy(np.float32))
        exact = frame.assign(income=[decimal.Decimal(str(v)) for v in frame.income])
        exact.to_parquet(tmp_path / "decimal.parquet")
        x = read_by(meaning(tmp_path / "decimal.parquet"), tmp_path / "decimal.parquet").examples.x
        assert np.array_equal(x[:, 2].numpy(), frame.income.to_numpy(np.float32))

    def test_columns_are_left_out_as_asked(self, tmp_path: Path) -> None:
        people().to_csv(tmp_path / "t.csv", index=False)
        schema = meaning(tmp_path / "t.csv", drop=["job"], categorical=["age"])
        assert [field.name for field in schema.fields] == ["age", "income"]
        assert isinstance(schema.fields[0].columns[0], CategoricalColumn)
        with pytest.raises(DataError, match=r"`drop` must be one of .* Did you mean job"):
            meaning(tmp_path / "t.csv", drop=["jobs"])

    def test_columns_beside_the_model_are_kept_as_keys(self, tmp_path: Path) -> None:
        frame = people()
        frame.to_csv(tmp_path / "t.csv", index=False)
        frame.insert(0, "customer", [f"C{i:03d}" for i in range(ROWS)])
        frame.assign(label=1).to_csv(tmp_path / "new.csv", index=False)
        schema = meaning(tmp_path / "t.csv")
        keys = read_by(schema, tmp_path / "new.csv").keys
        assert keys.take([3]).cells() == {"row": [3], "customer": ["C003"], "label": ["1"]}
        frame.drop(columns="job").to_csv(tmp_path / "missing.csv", index=False)
        with pytest.raises(DataError, match=r"missing.csv must have the column 'job' of the run"):
            read_by(schema, tmp_path / "missing.csv")

    @pytest.mark.parametrize("cell", ["oops", "inf", "1e300", "#DIV/0!"])
    def test_one_strange_cell_is_missing_and_counted(self, tmp_path: Path, cell: str) -> None:
        frame = people().astype({"age": object})
        frame.loc[7, "age"] = cell
        frame.to_csv(tmp_path / "t.csv", index=False)
        schema = meaning(tmp_path / "t.csv")
        x = read_by(schema, tmp_path / "t.csv").examples.x
        assert x.isnan().nonzero().tolist() == [[7, 0]]
        counted = "1 of 1,200 cells missing" if cell[0] == "#" else "1 cell of age: not a finite"
        assert counted in str(schema)

    def test_a_value_means_the_same_alone_as_among_others(self, tmp_path: Path) -> None:
        frame = people().assign(day=["2020-01-31", "2021-05-01"] * 200, yes=["y", "n"] * 200)
        frame.to_csv(tmp_path / "t.csv", index=False)
        schema = meaning(tmp_path / "t.csv")
        whole = read_by(schema, tmp_path / "t.csv").examples.x
        for row in (0, 77, 399):
            frame.iloc[[row]].to_csv(tmp_path / "one.csv", index=False)
            alone = read_by(schema, tmp_path / "one.csv").examples.x
            assert torch.equal(alone[0], whole[row])

    def test_columns_that_say_nothing_are_named(self, tmp_path: Path) -> None:
        frame = people().assign(same=5, empty="", name=[f"Mr {i} of {i}" for i in range(ROWS)])
        frame.to_csv(tmp_path / "t.csv", index=False)
        text = str(meaning(tmp_path / "t.csv"))
        assert "same ('5' in every row: --numeric same keeps it)" in text
        assert "empty (no cell)" in text
        assert "name (as many texts as rows" in text

    def test_a_file_in_windows_1252_with_a_title_and_an_odd_line(self, tmp_path: Path) -> None:
        lines = ["Report of the café", "", "town;size"]
        lines += [f"{'Köln' if i % 3 else 'Aix'};{i % 7},5" for i in range(300)]
        lines.insert(40, "a;b;c")
        (tmp_path / "t.csv").write_text("\n".join(lines), encoding="cp1252")
        schema = meaning(tmp_path / "t.csv")
        assert schema.fields[0].columns == (BinaryColumn("town", ("Aix", "Köln")),)
        for said in ("Windows-1252", "1 line before the table", "1 line with another number"):
            assert said in str(schema)
        with pytest.raises(DataError, match="must have 2 cells, got 3"):
            meaning(tmp_path / "t.csv", strict=True)

    def test_a_table_of_r_has_names_of_rows(self, tmp_path: Path) -> None:
        lines = ['"mpg" "cyl"', *(f'"car {i}" {i % 9 + 0.5} {i % 4}' for i in range(40))]
        (tmp_path / "t.dat").write_text("\n".join(lines) + "\n")
        schema = meaning(tmp_path / "t.dat")
        assert [field.name for field in schema.fields] == ["mpg", "cyl"]
        assert schema.rows == 40

    def test_parts_of_the_source_are_taken_as_they_are(self, tmp_path: Path) -> None:
        frame = people().assign(split=["train"] * 300 + ["test"] * 100)
        frame.to_csv(tmp_path / "t.csv", index=False)
        (tmp_path / "parts").mkdir()
        frame[:300].drop(columns="split").to_csv(tmp_path / "parts/train.csv", index=False)
        frame[300:].drop(columns="split").to_csv(tmp_path / "parts/test.csv", index=False)
        for path in (tmp_path / "t.csv", tmp_path / "parts"):
            data = load(path, validation=0.1)
            sizes = [len(part) for part in (data.train, data.validation, data.test)]
            assert sizes == [270, 30, 100]
            assert sorted(data.test.rows.tolist()) == list(range(300, 400))
            pooled = load(path, reading=ReadingOptions(splits="pool"))
            assert len(pooled.test) == 40

    @pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    def test_cells_of_several_lines_are_those_of_pandas(self, tmp_path: Path, quoting: int) -> None:
        frame = people().assign(note='12 High Street\nTown, 5\n"x",y,z')
        frame.to_csv(tmp_path / "t.csv", index=False, quoting=quoting)
        source = open_source(tmp_path / "t.csv")
        assert isinstance(source, RawTable)
        again = pandas.read_csv(tmp_path / "t.csv", dtype=str)
        assert {n: c.cells() for n, c in source.columns.items()} == again.to_dict("list")

    def test_reviews_of_several_lines_are_one_column_of_a_table(self, tmp_path: Path) -> None:
        text = "Well, it is {}.\nFirst, I came, saw,\nand then, alas, left, as you do."
        said = [text.format(i) for i in range(99)]
        frame = pandas.DataFrame({"review": said, "stars": np.arange(99) % 5})
        frame.to_csv(tmp_path / "t.csv", index=False)
        source = open_source(tmp_path / "t.csv", ReadingOptions(header="yes"), "columns")
        assert isinstance(source, RawTable)
        assert {n: c.cells() for n, c in source.columns.items()} == {
            "review": said,
            "stars": [str(i % 5) for i in range(99)],
        }

    @pytest.mark.parametrize("sign", [",", "\t"])
    def test_a_quote_that_is_never_closed_swallows_no_row(self, tmp_path: Path, sign: str) -> None:
        rows = [[f"{i % 9}", f"{chr(34) * (i % 20 == 3)}word {i % 5}"] for i in range(ROWS)]
        lines = [sign.join(row) for row in [["n", "said"], *rows]]
        (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
        source = open_source(tmp_path / "t.csv")
        assert isinstance(source, RawTable)
        columns = [column.cells() for column in source.columns.values()]
        assert [list(row) for row in zip(*columns, strict=True)] == rows

    def test_names_above_rows_that_end_with_a_comma_stay_above_their_cells(
        self, tmp_path: Path
    ) -> None:
        lines = [f"P{i:03},{20 + i % 50},{'mf'[i % 2]}," for i in range(ROWS)]
        (tmp_path / "t.csv").write_text("\n".join(["id,age,sex", *lines]))
        schema = meaning(tmp_path / "t.csv")
        assert isinstance(schema, TableSchema)
        assert [field.name for field in schema.fields] == ["age", "sex"]
        assert schema.ids == ("id",)

    def test_what_the_user_said_of_a_file_holds_for_the_next_one(self, tmp_path: Path) -> None:
        rows = [f"{i % 17}^{'ab'[i % 2]}" for i in range(ROWS)]
        (tmp_path / "t.csv").write_text("\n".join(["x^y", *rows]))
        schema = meaning(tmp_path / "t.csv", delimiter="^")
        read_by(schema, tmp_path / "t.csv")
        (tmp_path / "other.csv").write_text("x,y\n3,a\n4,b\n")
        assert read_by(schema, tmp_path / "other.csv").examples.x.tolist() == [[3, 0], [4, 1]]

    def test_names_that_come_again_are_no_row_and_a_second_table_is_refused(
        self, tmp_path: Path
    ) -> None:
        rows = [f"{i % 17},{i % 5},{'ab'[i % 2]}" for i in range(ROWS)]
        (tmp_path / "t.csv").write_text("\n".join(["x,y,z", *rows, "x,y,z", *rows]))
        assert "1 line with the names of the columns again" in str(meaning(tmp_path / "t.csv"))
        lines = ["x,y,z", *rows[:90], "a,b", *(f"{i},{i % 7}" for i in range(90))]
        (tmp_path / "t.csv").write_text("\n".join(lines))
        with pytest.raises(DataError, match=r"line 92: must have 3 cells, got 2"):
            open_source(tmp_path / "t.csv")

    def test_two_numbers_and_times_are_written_in_their_style(self, tmp_path: Path) -> None:
        rows = [f"{(0, 50)[i % 2]},5 %;{i * 7 % 24}:{i % 60:02}" for i in range(ROWS)]
        (tmp_path / "t.csv").write_text("\n".join(["share;at", *rows]))
        schema = meaning(tmp_path / "t.csv")
        assert "2 columns: 1 yes/no, 1 time" in str(schema)
        _, written = schema.written(torch.tensor([[0.0, 25.5], [1.0, -2.0]]))
        assert written == [["0,5 %", "23:59"], ["50,5 %", "00:00"]]

    def test_what_a_mark_says_counts_with_a_decimal_comma(self, tmp_path: Path) -> None:
        cells = [f"{-200 if i % 8 == 0 else i % 30},0;{i % 7}" for i in range(ROWS)]
        (tmp_path / "t.csv").write_text("\n".join(["a;b", *cells]))
        assert "perhaps missing: -200 in a (--na-values=a=-200)" in str(meaning(tmp_path / "t.csv"))
        schema = meaning(tmp_path / "t.csv", na_values=("-200",))
        assert "50 of 800 cells missing" in str(schema)
        assert int(read_by(schema, tmp_path / "t.csv").examples.x.isnan().sum()) == 50

    def test_lists_and_objects_are_left_out_and_carried_along(self, tmp_path: Path) -> None:
        frame = people().assign(tags=[[i] for i in range(ROWS)])
        frame.to_parquet(tmp_path / "t.parquet")
        for data in (frame, tmp_path / "t.parquet", frame.to_dict("records")):
            schema = meaning(data)
            assert "left out: tags (lists or objects, not single values)" in str(schema)
            assert read_by(schema, data).keys.columns["tags"] == frame.tags.tolist()

    def test_a_column_of_vectors_is_an_array(self, tmp_path: Path) -> None:
        vectors = np.random.default_rng(0).normal(size=(ROWS, 5))
        frame = pandas.DataFrame({"id": [f"k{i}" for i in range(ROWS)], "v": list(vectors)})
        frame.to_parquet(tmp_path / "t.parquet")
        for data in (frame, tmp_path / "t.parquet"):
            schema = meaning(data)
            assert schema.shape == (5,)
            found = read_by(schema, data)
            assert torch.allclose(found.examples.x, torch.from_numpy(vectors).float())
            assert found.keys.columns["id"] == frame.id.tolist()

    def test_a_target_called_label_is_a_number_unless_it_is_asked_for(self) -> None:
        frame = people().rename(columns={"income": "label"})
        assert "2 numbers" in str(meaning(frame))
        with pytest.raises(DataError, match="got fractions"):
            meaning(frame, label="label")

    def test_a_folder_of_shards_holds_all_their_rows(self, tmp_path: Path) -> None:
        frame = people()
        for number in range(4):
            part = "train" if number < 3 else "test"
            rows = frame[100 * number : 100 * number + 100]
            rows.to_csv(tmp_path / f"{part}-{number:05}-of-00004.csv", index=False)
        found = load(tmp_path)
        assert (len(found.train) + len(found.validation), len(found.test)) == (300, 100)
        assert "train 300, test 100" in str(found.schema)


class TestImages:
    def test_eight_bits_among_sixteen_are_as_bright(self, tmp_path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
        for row in range(12):
            deep = pixels.astype(np.uint16) * 257 if row % 3 else pixels
            Image.fromarray(deep).save(tmp_path / f"{row}.png")
        x = read_by(meaning(tmp_path), tmp_path).examples.values()
        assert torch.allclose(x, torch.from_numpy(pixels / 255).float().expand_as(x), atol=1e-6)

    def test_a_folder_around_all_others_is_no_class(self, tmp_path: Path) -> None:
        for row in range(8):
            picture(tmp_path / "archive" / "train" / "cd"[row % 2] / f"{row}.png", row)
        schema = meaning(tmp_path)
        assert schema.labels is not None
        assert schema.labels.classes == ("c", "d")

    def test_a_link_that_leads_nowhere_is_counted(self, tmp_path: Path) -> None:
        for row in range(8):
            picture(tmp_path / f"{row}.png", row)
        (tmp_path / "9.png").symlink_to(tmp_path / "nowhere")
        assert "left out: 9.png that cannot be read" in str(meaning(tmp_path))

    def test_linked_folders_count(self, tmp_path: Path) -> None:
        for i in range(20):
            picture(tmp_path / f"images/cat/{i}.png", i)
            picture(tmp_path / f"elsewhere/{i}.png", i)
        os.symlink(tmp_path / "elsewhere", tmp_path / "images/dog")
        os.symlink(tmp_path / "images", tmp_path / "images/dog/loop")
        data = load(tmp_path / "images")
        assert data.classes == ("cat", "dog")
        assert len(data.train) + len(data.validation) + len(data.test) == 40

    def test_all_endings_count_and_others_are_said(self, tmp_path: Path) -> None:
        for i in range(5):
            picture(tmp_path / f"{i}.png", i)
            picture(tmp_path / f"x{i}.jfif", i, format="JPEG")
            picture(tmp_path / f"z{i}.ppm", i)
        (tmp_path / "notes.txt").write_text("not an image")
        schema = meaning(tmp_path)
        assert schema.rows == 15
        assert "files that are not read as images passed over: .txt 1" in str(schema)
        assert schema.likelihood == "continuous-bernoulli"

    def test_one_broken_image_and_one_of_another_size_are_counted(self, tmp_path: Path) -> None:
        for i in range(20):
            picture(tmp_path / f"{i:02}.png", i)
        (tmp_path / "03.png").write_bytes((tmp_path / "03.png").read_bytes()[:-300])
        picture(tmp_path / "17.png", 17, (16, 15, 3))
        loaded = read_by(schema := meaning(tmp_path), tmp_path)
        assert "left out: 03.png that cannot be read" in str(schema)
        assert "left out: 17.png of another size than 16×16" in str(schema)
        names = loaded.keys.columns["file"]
        assert len(names) == 18
        assert not {"03.png", "17.png"} & set(names)
        with pytest.raises(DataError, match=r"03\.png must be a whole image"):
            meaning(tmp_path, strict=True)
        assert meaning(tmp_path, size=8).shape == (3, 8, 8)

    def test_folders_called_train_and_test_are_parts(self, tmp_path: Path) -> None:
        for part, count in (("train", 12), ("test", 4)):
            for i in range(count):
                picture(tmp_path / part / "ab"[i % 2] / f"{i}.png", i)
        data = load(tmp_path, validation=0.25)
        assert [len(p) for p in (data.train, data.validation, data.test)] == [9, 3, 4]
        assert data.classes == ("a", "b")

    def test_sixteen_bits_keep_their_levels(self, tmp_path: Path) -> None:
        levels = np.random.default_rng(0).integers(0, 65536, (4, 6, 6)).astype(np.uint16)
        for i, x in enumerate(levels):
            Image.fromarray(x).save(tmp_path / f"{i}.png")
        x = read_by(schema := meaning(tmp_path), tmp_path).examples.x
        assert schema.one == 65535
        assert torch.allclose(x[:, 0], torch.from_numpy(levels / 65535).float())

    def test_a_dark_image_alone_is_as_dark_as_among_others(self, tmp_path: Path) -> None:
        for i in range(8):
            picture(tmp_path / f"all/{i}.png", i, (5, 5))
        dark = np.eye(5, dtype=np.uint8)
        Image.fromarray(dark).save(tmp_path / "all/8.png")
        schema = meaning(tmp_path / "all")
        (tmp_path / "one").mkdir()
        Image.fromarray(dark).save(tmp_path / "one/8.png")
        assert read_by(schema, tmp_path / "one").examples.values().max() < 0.01
        assert read_by(schema, tmp_path / "one/8.png").examples.values().max() < 0.01


class TestArrays:
    def test_many_channels_last(self, tmp_path: Path) -> None:
        x = np.random.default_rng(0).random((20, 16, 16, 13)).astype("f4")
        np.save(tmp_path / "t.npy", x)
        schema = meaning(tmp_path / "t.npy")
        assert schema.shape == (13, 16, 16)
        assert "channels last (--layout)" in str(schema)
        assert np.array_equal(load(tmp_path / "t.npy", test=0, validation=0).train.x[:1].numpy(),
                              np.moveaxis(x, -1, 1)[load(tmp_path / "t.npy", test=0, validation=0)
                                                    .train.rows[:1].numpy()])  # fmt: skip
        assert meaning(tmp_path / "t.npy", layout="channels-first").shape == (16, 16, 13)

    def test_numbers_outside_0_and_1_are_standardised_and_come_back(self) -> None:
        x = np.random.default_rng(0).normal(300, 20, (50, 4, 6, 6)).astype("f4")
        schema = meaning(x)
        seen = read_by(schema, x).examples.x
        assert schema.likelihood == "gaussian"
        assert torch.allclose(seen.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
        assert torch.allclose(seen.std((0, 2, 3), correction=0), torch.ones(4), atol=1e-4)
        assert torch.allclose(schema.natural(seen), torch.from_numpy(x), rtol=1e-5)
        volume = -36 * np.log(x.std((0, 2, 3))).sum()
        assert schema.log_volume == pytest.approx(volume, rel=1e-5)

    def test_rows_with_gaps_are_columns(self) -> None:
        x = np.array([[1.0, np.nan], [2.0, 30.0], [3.0, 50.0]])
        schema = meaning(x)
        assert schema.likelihood_config == {
            "kind": "columns",
            "columns": [
                NumericColumn("0", 2.0, float(np.float64([1, 2, 3]).std())).config(),
                NumericColumn("1", 40.0, 10.0).config(),
            ],
        }

    def test_labels_that_are_not_known_and_labels_with_gaps(self, tmp_path: Path) -> None:
        i = np.arange(120)
        x = np.random.default_rng(0).integers(0, 256, (120, 16, 16), dtype=np.uint8)
        np.savez(tmp_path / "t.npz", x=x, labels=np.where(i % 3 == 0, i % 10, -1))
        np.savez(tmp_path / "gap.npz", x=x, labels=np.array([3, 700])[i % 2])
        data = load(tmp_path / "t.npz")
        train = partly_labelled(data, None).train
        assert train.labels is not None
        assert train.context is not None
        assert torch.equal(train.context[:, 0].long(), train.labels)
        assert "10 classes: 0, 1, 2, 3, 4, 5 …; 80 rows not known" in data.note
        assert num_classes(data) == 10
        gaps = load(tmp_path / "gap.npz")
        assert (num_classes(gaps), gaps.classes) == (2, ("3", "700"))

    def test_the_parts_of_an_archive_are_all_taken(self, tmp_path: Path) -> None:
        x = np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8)
        y = np.arange(50) % 10
        np.savez(tmp_path / "k.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
        data = load(tmp_path / "k.npz")
        assert [len(p) for p in (data.train, data.validation, data.test)] == [36, 4, 10]
        assert torch.equal(data.test.labels, torch.from_numpy(y)[data.test.rows])

    def test_objects_of_python(self) -> None:
        x, y = torch.rand(50, 1, 8, 8), torch.arange(50) % 3
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=7)
        for data in ((x, y), (x.numpy(), y.numpy()), loader, loader.dataset, {"x": x, "labels": y}):
            found = load(data)
            assert torch.equal(found.train.x, x[found.train.rows])
            assert torch.equal(found.train.labels, y[found.train.rows])
        with pytest.raises(DataError, match=r"`data` must be a name, a path, .*, got set\."):
            load({1, 2})


class TestSentences:
    def test_one_long_line_is_cut_and_said(self, tmp_path: Path) -> None:
        draws = random.Random(0)
        words = ["the", "small", "cat", "runs", "fast", "over", "the", "river"]
        lines = [" ".join(draws.choices(words, k=draws.randint(3, 8))) for _ in range(300)]
        lines[5] = "x" * 5000
        (tmp_path / "t.txt").write_text("\n".join(lines))
        schema = meaning(tmp_path / "t.txt")
        assert schema.shape[0] < 100
        assert "1 longer one cut, the longest of 5,000 (--sentence-length)" in str(schema)

    def test_a_long_cell_is_read_and_cut(self, tmp_path: Path) -> None:
        with (tmp_path / "t.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text"])
            writer.writerows([i, "a short sentence"] for i in range(300))
            writer.writerow([300, "word " * 30000])
        schema = meaning(tmp_path / "t.csv")
        assert "the longest of 149,999" in str(schema)
        keys = read_by(schema, tmp_path / "t.csv").keys
        assert keys.take([300]).cells() == {"row": [300], "line": [302], "id": ["300"]}

    def test_labels_beside_sentences(self, tmp_path: Path) -> None:
        lines = [f"it was a {'good' if i % 2 else 'bad'} film,{'pos' if i % 2 else ''}\n"
                 for i in range(30)]  # fmt: skip
        (tmp_path / "t.csv").write_text("review,label\n" + "".join(lines))
        found = read_by(schema := meaning(tmp_path / "t.csv"), tmp_path / "t.csv")
        assert schema.kind == "sentences"
        assert found.examples.labels.tolist() == [-1, 0] * 15


@pytest.mark.parametrize(
    "data",
    [
        people(),
        torch.utils.data.TensorDataset(torch.zeros(10**4, 3)),
        scipy.sparse.csr_matrix((10**6, 10**6)),
        torch.sparse_coo_tensor(
            torch.zeros(2, 1), torch.ones(1), (10**6, 10**6), check_invariants=True
        ),
    ],
    ids=["a data frame", "a dataset", "a sparse matrix", "a sparse tensor"],
)
def test_objects_that_do_not_fit_into_memory_are_refused(
    data: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "free_memory", lambda: 10**5)
    with pytest.raises(DataError, match=r"^`data` must fit into memory, got [^\n]*; give "):
        open_source(data)


def test_a_local_folder_wins_over_a_name_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(20):
        picture(tmp_path / f"digits/{i}.png", i)
    monkeypatch.chdir(tmp_path)
    data = load("digits")
    assert data.shape == (3, 16, 16)
    assert "./digits here is taken, not the named set digits" in data.note
    assert load("digits", reading=ReadingOptions(rules=1)).shape == (1, 8, 8)


def test_a_run_called_as_a_name_is_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "digits/figures/curve.png", 0)
    (tmp_path / "digits/config.yaml").write_text("data: digits\n")
    monkeypatch.chdir(tmp_path)
    assert load("digits").shape == (1, 8, 8)
