"""A stranger's run: checkpoints that name paths, links for parts, pipes, options."""

import fcntl
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from attack import Attack, Stage
from children import Outcome

__all__ = ["RUNS"]

Prepare = Callable[[Stage], list[str]]
PATHS = {
    "a local address": "local://{victim}",
    "a file address": "file://{victim}",
    "a folder": "{victim}",
    "a folder upwards": "{checkpoints}/../../victim",
    "a web address": "http://192.0.2.1/x.ckpt",
    "an address of a bucket": "s3://bucket/x.ckpt",
    "a file": "{victim}/last.ckpt",
}


def _resume(stage: Stage) -> list[str]:
    return ["train", "--resume", str(stage.run), "--epochs", "4"]


def _checkpoint(change: Callable[[dict[str, Any], Stage], None]) -> Prepare:
    """A checkpoint that is whole by its checksums."""

    def prepare(stage: Stage) -> list[str]:
        path = stage.run / "checkpoints" / "last.ckpt"
        checkpoint = torch.load(path, weights_only=True)
        change(checkpoint, stage)
        torch.save(checkpoint, path)
        return _resume(stage)

    return prepare


def _callback(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return next(state for name, state in checkpoint["callbacks"].items() if "BestAndLast" in name)


def _path(fields: tuple[str, ...], form: str) -> Prepare:
    def change(checkpoint: dict[str, Any], stage: Stage) -> None:
        state = _callback(checkpoint)
        path = form.format(victim=stage.victim, checkpoints=stage.run / "checkpoints")
        state["dirpath"] = str(stage.run / "checkpoints")
        for field in fields:
            best = {path: state["best_model_score"] - 1000}
            state[field] = best if field == "best_k_models" else path
        if "best_k_models" in fields:
            state["kth_best_model_path"] = path
        if "dirpath" in fields:
            state["dirpath"] = path

    return _checkpoint(change)


def _set(*keys: Any, value: Any) -> Prepare:
    def change(checkpoint: dict[str, Any], stage: Stage) -> None:
        place: Any = checkpoint
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return _checkpoint(change)


def _optimizer(change: Callable[[dict[Any, Any]], None]) -> Prepare:
    return _checkpoint(lambda checkpoint, stage: change(checkpoint["optimizer_states"][0]))


def _grow(state: dict[Any, Any]) -> None:
    for moments in state["state"].values():
        for name in moments:
            moments[name] = torch.zeros(3, 5, 7)


def _deflated(stage: Stage) -> list[str]:
    """The same parts, compressed: a checkpoint of a kilobyte that unpacks to a gigabyte."""
    path = stage.run / "checkpoints" / "last.ckpt"
    content = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, old.read(part))
    path.write_bytes(content.getvalue())
    return _resume(stage)


def _is_kept(stage: Stage, outcome: Outcome) -> str | None:
    there = {path.name for path in (stage.run / "checkpoints").iterdir()}
    return None if there == {"best.ckpt", "last.ckpt"} else f"checkpoints hold {sorted(there)}"


CHECKPOINTS = (
    *(
        Attack("checkpoint", f"last_model_path is {what}", _path(("last_model_path",), form),
               refused=False, check=_is_kept)
        for what, form in PATHS.items()
    ),
    *(
        Attack("checkpoint", f"{field} is a local address", _path((field,), "local://{victim}"),
               refused=False, check=_is_kept)
        for field in ("best_model_path", "best_k_models", "kth_best_model_path", "dirpath")
    ),
    Attack("checkpoint", "all paths are web addresses",
           _path(("last_model_path", "best_model_path", "best_k_models"), "http://192.0.2.1/x"),
           refused=False, check=_is_kept),
)  # fmt: skip
HARMLESS = ("no optimiser", "no callbacks' states", "no scheduler", "a text of 200 kB")
"""What a command may as well go on without."""
STATES = tuple(
    Attack("state", name, prepare, refused=None if name in HARMLESS else True)
    for name, prepare in {
        "no optimiser": _set("optimizer_states", value=[]),
        "an optimiser of other weights": _optimizer(_grow),
        "an optimiser without groups": _optimizer(lambda state: state.pop("param_groups")),
        "a rate that is text": _optimizer(
            lambda state: [group.update(betas="x", momentum="x") for group in state["param_groups"]]
        ),
        "weights that are text": _set("state_dict", "model.encoder.1.weight", value="x"),
        "weights that are a list": _set("state_dict", value=[1, 2]),
        "a history of text": _set("history", value=["x"]),
        "a history of nothing": _set("history", value=[{}]),
        "a history that is longer": _set("history", value=[{"epoch": 1, "step": 1, "seconds": 1}]),
        "minus a thousand million epochs": _set(
            "loops", "fit_loop", "epoch_progress", "current", "completed", value=-(10**9)
        ),
        "no loops": _set("loops", value={}),
        "no callbacks' states": _set("callbacks", value=3),
        "no scheduler": _set("lr_schedulers", value=None),
        "parts that are compressed": _deflated,
    }.items()
)


def _linked(name: str, arguments: Callable[[Stage], list[str]]) -> Prepare:
    """A part of the run is a link to somebody's folder, or file."""

    def prepare(stage: Stage) -> list[str]:
        part = stage.run / name
        target = stage.victim / Path(name).name
        if part.exists():
            part.rename(target)
        part.symlink_to(target)
        return arguments(stage)

    return prepare


def _evaluate(stage: Stage) -> list[str]:
    return ["evaluate", str(stage.run), "--importance-samples", "2"]


LINKED = ("figures", "model", "checkpoints", "tensorboard", "config.yaml", "metrics.csv",
          "metrics.json", "report.html", "figures/usage.png", "model/config.json",
          "model/model.safetensors", "checkpoints/last.ckpt", "checkpoints/best.ckpt",
          "samples.png", "codes.npz", "export")  # fmt: skip
LINKS = (
    *(Attack("link", f"{name}, evaluated", _linked(name, _evaluate)) for name in LINKED),
    *(Attack("link", f"{name}, resumed", _linked(name, _resume)) for name in LINKED[:4]),
    Attack("link", "the lock", _linked(".lock", _evaluate)),
)


def _pipe(name: str, arguments: Callable[[Stage], list[str]]) -> Prepare:
    """A pipe at whose end nobody writes: whoever opens it waits for ever."""

    def prepare(stage: Stage) -> list[str]:
        path = stage.run / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        return arguments(stage)

    return prepare


PIPES = (
    *(
        Attack("pipe", name, _pipe(name, arguments))
        for name, arguments in {
            "config.yaml": Stage.sample,
            "metrics.csv": _evaluate,
            "model/config.json": Stage.sample,
            "model/model.safetensors": Stage.sample,
            "checkpoints/last.ckpt": _resume,
            "checkpoints/best.ckpt": _resume,
            ".lock": _evaluate,
        }.items()
    ),
    Attack("pipe", "a file that a kill has left", _pipe(".codes-abcd1234.npz", _resume),
           refused=False),
)  # fmt: skip


def _holding(stage: Stage) -> list[str]:
    """Who may only read the folder holds all that reading lets hold."""
    fcntl.flock(os.open(stage.run, os.O_RDONLY), fcntl.LOCK_EX)
    return _evaluate(stage)


LOCKS = (Attack("lock", "the folder, by who may only read", _holding, refused=False),)


def _options(change: Callable[[dict[str, Any], Stage], Any]) -> Prepare:
    """A run's own options with a change; a text takes the place of all."""

    def prepare(stage: Stage) -> list[str]:
        path = stage.run / "config.yaml"
        options = yaml.safe_load(path.read_text())
        text = change(options, stage)
        path.write_text(text if isinstance(text, str) else yaml.safe_dump(options))
        return stage.sample()

    return prepare


def _option(**given: Any) -> Prepare:
    def change(options: dict[str, Any], stage: Stage) -> None:
        for name, value in given.items():
            text = isinstance(value, str)
            options[name] = value.format(victim=stage.victim) if text else value

    return _options(change)


def _yaml(text: str) -> Prepare:
    return _options(lambda options, stage: yaml.safe_dump(options) + text)


def _quiet(stage: Stage, outcome: Outcome) -> str | None:
    return "told what another file holds" if "five years" in outcome.err else None


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
    for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGES = "m0: &m0 {k: 1}\n" + "".join(
    f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}\n" for i in range(1, 10)
)
OPTIONS = tuple(
    Attack("options", name, prepare, refused=None if name in HARMLESS else True, check=_quiet)
    for name, prepare in {
        "config: somebody's file": _option(config="{victim}/thesis.txt"),
        "config: the same run": _option(config="config.yaml"),
        "config: a web address": _option(config="http://192.0.2.1/x.yaml"),
        "config: options themselves": _option(config={"epochs": 3}),
        "config: several": _option(config=["/etc/passwd", "/etc/hosts"]),
        "aliases of aliases": _yaml(LAUGHS),
        "merges of merges": _yaml(MERGES),
        "one alias": _yaml("epochs: &e 3\nseed: *e\n"),
        "aliases in a text for numbers": _option(widths="[&a [1], *a]"),
        "a number of a hundred thousand digits": _yaml("epochs: " + "9" * 100_000 + "\n"),
        "a number to the base of sixty": _yaml("epochs: 1" + ":59" * 60_000 + "\n"),
        "a text of a megabyte": _yaml("data: " + "x" * 2**20 + "\n"),
        "a text of 200 kB": _option(network="x" * 200_000),
        "a name of 200 kB": _option(**{"x" * 200_000: 1}),
        "nested deep": _yaml("data: " + "[" * 20_000 + "]" * 20_000),
        "names that are numbers": _yaml("1: 2\n"),
        "names that are lists": _yaml("? [a, b]\n: 2\n"),
        "a tag that runs code": _yaml("data: !!python/object/apply:os.system ['true']\n"),
        "a tag of a module": _yaml("data: !!python/module:antigravity\n"),
        "print_config": _option(print_config=True),
        "help": _option(help=True),
    }.items()
)


def _evaluated(prepare: Prepare) -> Prepare:
    def then(stage: Stage) -> list[str]:
        prepare(stage)
        return _evaluate(stage)

    return then


MEANT = tuple(
    Attack("options", f"{name}, evaluated", _evaluated(prepare), check=_quiet)
    for name, prepare in {
        "data: the memory": _option(data="/proc/self/mem"),
        "data: a device": _option(data="/dev/zero"),
        "data: a web address": _option(data="http://192.0.2.1/x.csv"),
        "data: somebody's text": _option(data="{victim}/thesis.txt"),
        "data: escape codes": _option(data="x\x1b[2J\x1b]0;title\x07"),
        "data: a line that is not ours": _option(data="x\ndiscretevae: all is well"),
    }.items()
)


def _given(text: str) -> Prepare:
    """Options that somebody is asked to train with."""

    def prepare(stage: Stage) -> list[str]:
        path = stage.folder / "given.yaml"
        path.write_text(text.format(run=stage.scene.runs["other"], victim=stage.victim))
        return ["train", "digits", "--config", str(path)]

    return prepare


def _named(word: str) -> Prepare:
    return lambda stage: ["train", "digits", "--config", word.format(victim=stage.victim)]


GIVEN = tuple(
    Attack("given options", name, prepare, check=_quiet)
    for name, prepare in {
        "output and overwrite": _given("output: {run}\noverwrite: true\n"),
        "output": _given("output: {victim}\n"),
        "resume": _given("resume: {run}\n"),
        "config": _given("config: {victim}/thesis.txt\n"),
        "aliases of aliases": _given(LAUGHS),
        "a web address": _named("http://192.0.2.1/x.yaml"),
        "somebody's text": _named("{victim}/thesis.txt"),
        "a folder": _named("{victim}"),
        "a device": _named("/dev/zero"),
    }.items()
)


def _plain(name: str, content: str, arguments: Callable[[Stage], list[str]]) -> Prepare:
    def prepare(stage: Stage) -> list[str]:
        (stage.run / name).write_text(content)
        return arguments(stage)

    return prepare


TEXTS = (
    Attack("text", "a history of 40 MB",
           _plain("metrics.csv", "epoch,beta\n" + "1,1\n" * 10**7, _evaluate)),
    Attack("text", "a history with a cell of 100 kB",
           _plain("metrics.csv", "epoch,beta\n1," + "x" * 100_000 + "\n", _evaluate)),
    Attack("text", "figures of 40 MB",
           _plain("metrics.json", "[" * 4 * 10**7,
                  lambda s: ["share", str(s.run), str(s.out / "shared")])),
    Attack("text", "a figure of 100 kB of text",
           _plain("metrics.json", '{"test": {"elbo": {"value": "' + "x" * 100_000 + '"}}}',
                  lambda s: ["share", str(s.run), str(s.out / "shared")])),
)  # fmt: skip

RUNS = (*CHECKPOINTS, *STATES, *LINKS, *PIPES, *LOCKS, *OPTIONS, *MEANT, *GIVEN, *TEXTS)
