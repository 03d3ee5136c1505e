"""Two commands that write into one folder at once."""

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from children import Outcome, command
from scenes import OTHER, TRAINING, Scene
from tally import Tally
from wholeness import broken, contents

__all__ = ["PAIRS", "compete"]

SAME = ("config.yaml", "model/config.json", "model/model.safetensors", "metrics.json")


def compete(scene: Scene, names: Sequence[str], count: int) -> Tally:
    """Starts two commands at once: one is refused, or both are safe; never a mix of both."""
    tally = Tally("two at once")
    for number in range(count):
        delay = 0.0 if number % 2 == 0 else 0.05 * number
        for name in names:
            folder = scene.fresh(STARTS[name])
            first, second = (_words(words, folder) for words in PAIRS[name])
            outcomes = _both(first, second, delay)
            fault = _judge(name, folder, outcomes, scene)
            refused = any(outcome.status == 2 for outcome in outcomes)
            tally.count(name, fault, f"{delay:.2f} s apart, {folder}", refused)
            if fault is None:
                shutil.rmtree(folder, ignore_errors=True)
    return tally.done()


PAIRS: dict[str, tuple[list[str], list[str]]] = {
    "train, train": (
        ["train", "digits", *TRAINING, "--output", "{}"],
        ["train", "digits", *OTHER, "--output", "{}"],
    ),
    "train, train --overwrite": (
        ["train", "digits", *TRAINING, "--output", "{}", "--overwrite"],
        ["train", "digits", *OTHER, "--output", "{}", "--overwrite"],
    ),
    "resume, resume": (
        ["train", "--resume", "{}", "--epochs", "5"],
        ["train", "--resume", "{}", "--epochs", "5"],
    ),
    "resume, overwrite": (
        ["train", "--resume", "{}"],
        ["train", "digits", *OTHER, "--output", "{}", "--overwrite"],
    ),
    "evaluate, evaluate": (
        ["evaluate", "{}", "--seed", "1"],
        ["evaluate", "{}", "--seed", "2"],
    ),
    "encode, encode": (["encode", "{}"], ["encode", "{}"]),
    "encode, resume": (["encode", "{}"], ["train", "--resume", "{}"]),
    "compress, resume": (["compress", "{}"], ["train", "--resume", "{}"]),
}
STARTS = {name: None if name == "train, train" else "whole" for name in PAIRS}


def _words(words: list[str], folder: Path) -> list[str]:
    return [word.format(folder) for word in words]


def _both(first: list[str], second: list[str], delay: float) -> list[Outcome]:
    outcomes: list[Outcome | None] = [None, None]

    def go(place: int, words: list[str], wait: float) -> None:
        threading.Event().wait(wait)
        outcomes[place] = command(words)

    threads = [
        threading.Thread(target=go, args=(0, first, 0.0)),
        threading.Thread(target=go, args=(1, second, delay)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcome for outcome in outcomes if outcome is not None]


def _judge(name: str, folder: Path, outcomes: list[Outcome], scene: Scene) -> str | None:
    for outcome in outcomes:
        if fault := outcome.fault(begun=True):
            return fault
    if all(outcome.status for outcome in outcomes):
        return f"both were refused: {[outcome.err for outcome in outcomes]}"
    if fault := broken(folder):
        return fault
    if name in ("train, train", "train, train --overwrite"):
        found = contents(folder, *SAME)
        alone = [contents(scene.runs[run], *SAME) for run in ("whole", "other")]
        if found not in alone:
            return "what is there is neither run: a mix of both"
    return None
