"""A stranger's model, codes and archives: claims, types, numbers that are none."""

import hashlib
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from attack import Attack, Stage
from safetensors.torch import load_file, save_file

__all__ = ["MODELS"]

Prepare = Callable[[Stage], list[str]]


def _architecture(change: Callable[[dict[str, Any]], Any]) -> Prepare:
    """A description with a change and without a checksum, as one by hand; a text replaces all."""

    def prepare(stage: Stage) -> list[str]:
        path = stage.run / "model" / "config.json"
        config = json.loads(path.read_text())
        del config["sha256"]
        text = change(config)
        path.write_text(text if isinstance(text, str) else json.dumps(config))
        return stage.sample()

    return prepare


def _with(**given: Any) -> Prepare:
    return _architecture(lambda config: config.update(given))


def _network(**given: Any) -> Prepare:
    return _architecture(lambda config: config["network"].update(given))


def _tokens(**given: Any) -> Prepare:
    """A network of sentences, with sizes that its weights do not have."""
    vocabulary = {"symbols": ["a", "b"], "merges": []}
    likelihood = {"kind": "tokens", "vocabulary": vocabulary, "length": 64, "features": 4,
                  "word_dropout": 0.0, "network": "gru", "width": 4, "layers": 1}  # fmt: skip
    network = {"kind": "text", "vocabulary_size": 5, "reader": "gru", "width": 4, "layers": 1,
               "widths": [4]}  # fmt: skip
    sizes = {k: v for k, v in given.items() if k != "length"}
    return _with(
        shape=[given.get("length", 64)],
        likelihood={**likelihood, **given},
        network={**network, **sizes},
    )


def _table(columns: list[dict[str, Any]]) -> Prepare:
    return _with(
        shape=[len(columns)],
        likelihood={"kind": "columns", "columns": columns, "least_scale": 0.01},
        network={"kind": "columns", "columns": columns, "widths": [4], "hidden": 0.0},
    )


NAMES = [f"c{i}" for i in range(100_000)]
CLAIMS = tuple(
    Attack("model", name, prepare)
    for name, prepare in {
        "a million layers": _network(widths=[1] * 10**6),
        "a hundred thousand widths": _network(widths=[2] * 10**5),
        "a layer of 10^12": _network(widths=[10**12]),
        "a layer of 10^30": _network(widths=[10**30]),
        "layers below zero": _network(widths=[-5]),
        "widths that are text": _network(widths="x" * 10**6),
        "a kind of 100 kB": _network(kind="x" * 10**5),
        "an activation of 100 kB": _network(activation="x" * 10**5),
        "a thousand million latents": _with(num_latents=10**9),
        "a thousand million categories": _with(num_categories=10**9),
        "latents below zero": _with(num_latents=-3),
        "a fraction of a latent": _with(num_latents=2.5),
        "an observation of 10^12": _with(shape=[1, 10**6, 10**6]),
        "an observation of 10^60": _with(shape=[10**30, 10**30]),
        "a shape of a million sides": _with(shape=[1] * 10**6),
        "a shape of text": _with(shape="xyz"),
        "channels by the hundred thousand": _with(
            network={"kind": "cnn", "channels": [1] * 10**5, "activation": "relu"}
        ),
        "another kind of model": _with(model="HierarchicalVAE", num_latents=[1] * 10**6),
        "an unknown kind of model": _with(model="x" * 10**5),
        "a prior of 100 kB": _with(prior={"kind": "x" * 10**5}),
        "a prior with sizes": _with(prior={"kind": "autoregressive", "width": 10**12}),
        "an embedding of 10^12": _with(embedding_size=10**12),
        "a context of 10^12": _with(context_shape=[10**12]),
        "more than it takes": _with(**{f"x{i}": i for i in range(10_000)}),
        "a million layers that read": _tokens(layers=10**6),
        "sentences of a thousand million tokens": _tokens(length=10**9),
        "a hundred thousand columns of one name": _table(
            [{"kind": "numeric", "name": "a", "mean": 0.0, "scale": 1.0}] * 10**5
        ),
        "a column of a hundred thousand like names": _table(
            [{"kind": "categorical", "name": "a", "categories": ["x"] * 10**5}]
        ),
        "a column of a hundred thousand names": _table(
            [{"kind": "categorical", "name": "a", "categories": NAMES}]
        ),
        "a scale that is none": _table(
            [{"kind": "numeric", "name": "a", "mean": float("nan"), "scale": -1.0}]
        ),
        "nested deep": _architecture(lambda config: "[" * 10**6),
        "80 MB": _architecture(lambda config: json.dumps({**config, "x": "y" * 8 * 10**7})),
        "a number of a hundred thousand digits": _architecture(
            lambda config: json.dumps(config).replace("[16]", "[" + "9" * 10**5 + "]")
        ),
        "Infinity": _network(widths=[float("inf")]),
        "a list": _architecture(lambda config: "[1, 2]"),
    }.items()
)


def _weights(
    change: Callable[[dict[str, torch.Tensor]], Any],
    arguments: Callable[[Stage], list[str]] = Stage.sample,
) -> Prepare:
    """Weights with a change, under a description without a checksum."""

    def prepare(stage: Stage) -> list[str]:
        _architecture(lambda config: None)(stage)
        path = stage.run / "model" / "model.safetensors"
        weights = load_file(path)
        changed = change(weights) or weights
        save_file({name: value.contiguous() for name, value in changed.items()}, path)
        return arguments(stage)

    return prepare


def _as(dtype: torch.dtype) -> Prepare:
    return _weights(lambda weights: {name: value.to(dtype) for name, value in weights.items()})


def _fill(value: float, arguments: Callable[[Stage], list[str]] = Stage.sample) -> Prepare:
    def change(weights: dict[str, torch.Tensor]) -> None:
        next(iter(weights.values())).view(-1)[0] = value

    return _weights(change, arguments)


def _one(dtype: torch.dtype) -> Prepare:
    def change(weights: dict[str, torch.Tensor]) -> None:
        name = min(weights)
        weights[name] = weights[name].to(dtype)

    return _weights(change)


def _raw(content: Callable[[bytes], bytes]) -> Prepare:
    def prepare(stage: Stage) -> list[str]:
        _architecture(lambda config: None)(stage)
        path = stage.run / "model" / "model.safetensors"
        path.write_bytes(content(path.read_bytes()))
        return stage.sample()

    return prepare


def _header(entries: dict[str, Any]) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


def _share(stage: Stage) -> list[str]:
    return ["share", str(stage.run), str(stage.out / "shared")]


WEIGHTS = tuple(
    Attack("weights", name, prepare)
    for name, prepare in {
        "int8": _as(torch.int8),
        "int64": _as(torch.int64),
        "bool": _as(torch.bool),
        "uint8": _as(torch.uint8),
        "complex": _as(torch.complex64),
        "float8": _as(torch.float8_e4m3fn),
        "float8 of another kind": _as(torch.float8_e5m2),
        "one of bool": _one(torch.bool),
        "one of complex": _one(torch.complex64),
        "one of half": _one(torch.float16),
        "NaN": _fill(float("nan")),
        "infinite": _fill(float("inf")),
        "NaN, encoded": _fill(float("nan"), lambda s: ["encode", str(s.run)]),
        "NaN, evaluated": _fill(float("nan"), lambda s: ["evaluate", str(s.run)]),
        "NaN, shared": _fill(float("nan"), _share),
        "NaN, exported": _fill(float("nan"), lambda s: ["export", str(s.run)]),
        "none": _weights(lambda weights: {"x": torch.zeros(1)}),
        "one more": _weights(lambda weights: {**weights, "x" * 10**5: torch.zeros(1)}),
        "a header of 2^62 bytes": _raw(lambda whole: struct.pack("<Q", 2**62) + b"{}"),
        "a header of 64 MB": _raw(lambda whole: struct.pack("<Q", 2**26) + b"{" + b" " * 2**26),
        "a tensor that is not there": _raw(
            lambda whole: _header(
                {"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
            )
        ),
        "a hundred thousand tensors": _raw(
            lambda whole: _header(
                {
                    f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
                    for i in range(10**5)
                }
            )
        ),
    }.items()
)


def _archive(change: Callable[[dict[str, Any]], Any], lossy: bool = False) -> Prepare:
    """A compressed file whose checksum is right and whose header is not."""

    def prepare(stage: Stage) -> list[str]:
        name = "lossy.dvae" if lossy else "given.dvae"
        whole = _whole_archive(stage, lossy)
        (length,) = struct.unpack("<I", whole[8:12])
        header = json.loads(whole[12 : 12 + length])
        text = change(header)
        body = (text if isinstance(text, str) else json.dumps(header)).encode()
        content = whole[:8] + struct.pack("<I", len(body)) + body + whole[12 + length : -32]
        path = stage.run / name
        path.write_bytes(content + hashlib.sha256(content).digest())
        output = str(stage.out / "x.npy")
        return ["decompress", str(stage.run), str(path), "--output", output]

    return prepare


def _whole_archive(stage: Stage, lossy: bool) -> bytes:
    if not lossy:
        return (stage.run / "given.dvae").read_bytes()
    path = stage.scene.runs["whole"].parent / "lossy-of-whole.dvae"
    if not path.exists():
        run = str(stage.scene.runs["whole"])
        stage.scene.do(["compress", run, "--lossy", "--output", str(path)])
    return path.read_bytes()


def _says(**given: Any) -> Prepare:
    return _archive(lambda header: header.update(given))


def _stacks(content: bytes) -> Prepare:
    """Stacks that are not what the header tells of."""

    def prepare(stage: Stage) -> list[str]:
        path = stage.run / "given.dvae"
        whole = path.read_bytes()
        (length,) = struct.unpack("<I", whole[8:12])
        new = whole[: 12 + length] + content
        path.write_bytes(new + hashlib.sha256(new).digest())
        output = str(stage.out / "x.npy")
        return ["decompress", str(stage.run), str(path), "--output", output]

    return prepare


ARCHIVES = tuple(
    Attack("archive", name, prepare)
    for name, prepare in {
        "Python objects": _says(dtype="O"),
        "objects by another name": _says(dtype="|O8"),
        "raw memory": _says(dtype="V1000000"),
        "text": _says(dtype="<U1000"),
        "records": _says(dtype=[["a", "O"]]),
        "a type of 100 kB": _says(dtype="x" * 10**5),
        "rows of another shape": _says(row_shape=[8, 9]),
        "rows that are larger": _says(row_shape=[10**6, 10**6]),
        "rows of minus one": _says(row_shape=[-1, 8]),
        "rows of a fraction": _says(row_shape=[8.0, 8.0]),
        "a million examples": _says(count=10**6, chunk=10**6),
        "a million examples of as many stacks": _says(count=10**6, chunk=1),
        "10^18 examples": _says(count=10**18, chunk=10**18),
        "examples and a half": _says(count=6.5),
        "minus one example": _says(count=-1),
        "true examples": _says(count=True),
        "steps of 10^9": _says(step=10**9),
        "steps and a half": _says(step=1.5),
        "a one of 7": _says(one=7),
        "a one of text": _says(one="x"),
        "an unknown kind": _says(kind="x" * 10**5),
        "a model that is a list": _says(model=[1]),
        "sizes of text": _says(sizes="xy"),
        "more than it takes": _says(more=1),
        "a header that is a list": _archive(lambda header: "[]"),
        "a header of noise": _archive(lambda header: "{"),
        "a header nested deep": _archive(lambda header: "[" * 60_000),
        "a header of a megabyte": _archive(lambda header: header.update(more="x" * 2**20)),
        "a stack that is not there": _stacks(struct.pack("<I", 2**32 - 1)),
        "no stack": _stacks(b""),
        "a thousand empty stacks": _stacks(bytes(4000)),
        "a stack of noise": _stacks(struct.pack("<I", 3) + b"\x01" * 12),
        "codes: 10^9 examples": _archive(
            lambda header: header.update(count=10**9, chunk=10**9), lossy=True
        ),
        "codes: more on a stack": _archive(
            lambda header: header.update(count=10**6, chunk=10**6, step=500), lossy=True
        ),
    }.items()
)


def _codes(change: Callable[[dict[str, Any]], Any], method: int = zipfile.ZIP_STORED) -> Prepare:
    """A file of codes with a change."""

    def prepare(stage: Stage) -> list[str]:
        path = stage.run / "given.npz"
        arrays: dict[str, Any] = dict(np.load(path))
        change(arrays)
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, value in arrays.items():
                with archive.open(f"{name}.npy", "w") as file:
                    if isinstance(value, bytes):
                        file.write(value)
                    else:
                        np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
        output = str(stage.out / "x.npy")
        return ["decode", str(stage.run), str(path), "--output", output]

    return prepare


def _claim(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    text = text.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(100)


CODES = tuple(
    Attack("codes", name, prepare)
    for name, prepare in {
        "batches of 10^9": _codes(lambda a: a.update(batch_size=np.array(10**9))),
        "batches and a half": _codes(lambda a: a.update(batch_size=np.array(1.5))),
        "batches of none": _codes(lambda a: a.update(batch_size=np.array(0))),
        "batches of a list": _codes(lambda a: a.update(batch_size=np.zeros(10**6))),
        "a class out of range": _codes(lambda a: a.update(codes=a["codes"] + np.uint8(200))),
        "classes without end": _codes(lambda a: a.update(num_categories=np.array(-1))),
        "more latents": _codes(lambda a: a.update(codes=np.zeros((6, 900), np.uint8))),
        "claims of petabytes": _codes(lambda a: a.update(codes=_claim((2**45, 2)))),
        "claims of too little": _codes(lambda a: a.update(codes=_claim((2, 2)))),
        "claims below zero": _codes(lambda a: a.update(codes=_claim((-1, 2)))),
        "Python objects": _codes(lambda a: a.update(codes=_claim((6, 2), "|O"))),
        "compressed": _codes(
            lambda a: a.update(codes=np.zeros((10**8, 2), np.uint8)), zipfile.ZIP_DEFLATED
        ),
        "a model of 100 kB": _codes(lambda a: a.update(model=np.array("x" * 10**5))),
    }.items()
)

MODELS = (*CLAIMS, *WEIGHTS, *ARCHIVES, *CODES)
