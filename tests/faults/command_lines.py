"""Bad options of every command: each is refused in one line and with status 2."""

import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import hypothesis
from bad_values import draws
from children import Outcome, each, said
from hypothesis import strategies as st
from scenes import SMALL, Scene
from tally import Tally

from discretevae.cli.options import Option, options_of

__all__ = ["mistype"]

NUMBERS = st.one_of(
    st.sampled_from(["-1", "0", "1e9", "nan", "inf", "-inf", "1.5", "", "x", "9" * 25, "0x10"]),
    st.sampled_from(["1e400", "-0", "1_0", "٣", "true", "null", "[1]", "{}", "'1'", "1 ", "2**3"]),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
)
WORDS = st.one_of(
    st.sampled_from(
        ["", " ", "nonsense", "none", "None", "null", "true", "1", "-1", "a,b", ",", "~x"]
    ),
    st.sampled_from(
        ["0:1", "1:0", ":", "0:1:0", "nan:1", "1:2:3:4", "../..", "/dev", "/dev/null", "\n"]
    ),
    st.sampled_from(
        ["no/such.npy", "x.docx", "*", "${HOME}", "!!python/object:os.system", "&a", "|"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)
SHAPES = st.sampled_from(
    [
        ["--no-such-option", "1"],
        ["--"],
        ["-x"],
        ["one", "too", "many"],
        ["--seed"],
        ["--config", "no.yaml"],
    ]
)


def mistype(scene: Scene, count: int, seed: int) -> Tally:
    """Types bad options, one, two or three at a time; what is right stops before training.

    Arguments:
        scene: Where there is a run.
        count: Command lines of each command.
        seed: Of the options.
    """
    from discretevae.cli.main import COMMANDS

    tally = Tally("bad command lines")
    folder = scene.folder / "commands"
    folder.mkdir()
    names = [
        n for n in COMMANDS if n not in ("datasets", "estimators", "explore", "completion", "new")
    ]
    cases = [_case(name, COMMANDS.get(name), scene, folder, count, seed) for name in (*names, "")]
    results = each(cases, limit=max(900.0, 6.0 * count), before=lambda: _stop_short(folder))
    for name, found in zip((*names, ""), results, strict=True):
        if isinstance(found, Outcome):
            tally.count(name or "any", found.fault() or "no result", name)
            continue
        seen = set()
        for words, outcome in found:
            fault = outcome.fault()
            key = fault and fault[-120:]
            shown = " ".join(map(repr, words))[:300]
            tally.count(name or "any", None if key in seen else fault, shown, outcome.status == 2)
            seen.add(key)
    return tally.done()


def _case(
    name: str,
    command: Callable[..., None] | None,
    scene: Scene,
    folder: Path,
    count: int,
    seed: int,
) -> Callable[[], list[tuple[list[str], Outcome]]]:
    def case() -> list[tuple[list[str], Outcome]]:
        results: list[tuple[list[str], Outcome]] = []

        @hypothesis.seed(f"{seed} {name}")
        @draws(count)
        @hypothesis.given(_lines(name, command, scene, folder))
        def attempt(words: list[str]) -> None:
            results.append((words, said(words)))

        attempt()
        return results

    return case


def _lines(
    name: str, command: Callable[..., None] | None, scene: Scene, folder: Path
) -> st.SearchStrategy[list[str]]:
    if command is None or not name:
        return st.lists(WORDS, min_size=1, max_size=3)
    usual = _usual(name, scene, folder)
    known = list(options_of(command))
    options = [option for option in known if not option.positional]
    positional = [option.name for option in known if option.positional]
    one = st.sampled_from(options).flatmap(_option)
    several = st.lists(one, min_size=1, max_size=3).map(lambda parts: list(chain(*parts)))

    def words(given: tuple[list[str], list[str] | None, str | None]) -> list[str]:
        bad, shape, place = given
        first = [*usual[0]] if place is None or not positional else [place, *usual[0][1:]]
        return [name, *first, *usual[1], *bad, *(shape or [])]

    rarely = st.one_of(st.none(), st.none(), st.none(), SHAPES)
    places = st.one_of(st.none(), st.none(), st.none(), WORDS)
    return st.tuples(several, rarely, places).map(words)


def _option(option: Option) -> st.SearchStrategy[list[str]]:
    flag = option.flag
    kinds = get_args(option.type) or (option.type,)
    if bool in kinds:
        return st.sampled_from([[flag], [flag, "3"], [f"{flag}=x"]])
    if list[int] in kinds:
        return st.lists(NUMBERS, max_size=3).map(lambda words: [flag, *words])
    values = NUMBERS if {int, float} & set(kinds) else st.one_of(WORDS, NUMBERS)
    return values.map(lambda word: [f"{flag}={word}"])


def _usual(name: str, scene: Scene, folder: Path) -> tuple[list[str], list[str]]:
    """What the command is given besides: its positional words, and options that make it quick."""
    run = str(scene.runs["whole"])
    small = [*SMALL]
    match name:
        case "train":
            return ["digits"], small
        case "compare":
            return ["digits"], ["--limit", "30", "--num-latents", "2", "--epochs", "1"]
        case "study":
            return ["digits"], ["--limit", "60"]
        case "gradients":
            return [run], []
        case "decode":
            return [run, f"{run}/given.npz"], ["--output", str(folder / "d.npy")]
        case "decompress":
            return [run, f"{run}/given.dvae"], ["--output", str(folder / "e.npy")]
        case "encode":
            return [run], ["--output", str(folder / "c.npz")]
        case "compress":
            return [run], ["--output", str(folder / "c.dvae")]
        case "share":
            return [run, str(folder / "shared")], []
        case "impute" | "score":
            return [run, "no/such.csv"], []
        case "sparse":
            return ["no/such.npy"], []
        case _:
            return [run], []


def _stop_short(folder: Path) -> None:
    """Does nothing where all arguments have been found right, and writes nowhere else."""
    import lightning.fabric

    import discretevae.cli.prior
    import discretevae.cli.train
    import discretevae.export
    import discretevae.pages.publish
    import discretevae.sharing
    import discretevae.studies.architectures.run
    import discretevae.studies.laboratory
    import discretevae.studies.laboratory.compare
    import discretevae.training.fit
    import discretevae.training.prior
    from discretevae.experiments.folder import Run

    def done(*_: Any, **__: Any) -> Any:
        raise SystemExit(0)

    os.chdir(folder)
    os.environ["DISCRETEVAE_DATA"] = str(folder)
    for module, what in (
        (discretevae.cli.train, "_train"),
        (discretevae.pages.publish, "publish"),
        (discretevae.export, "export"),
        (discretevae.sharing, "push_to_hub"),
        (lightning.fabric, "Fabric"),
        (discretevae.studies.laboratory, "measure_gradients"),
        (discretevae.studies.laboratory.compare, "run_experiment"),
        (discretevae.training.fit.Prepared, "fit"),
        (discretevae.studies.architectures.run.Work, "train"),
        (discretevae.training.prior, "fit_prior"),
    ):
        setattr(module, what, done)
    Run.create = classmethod(done)  # type: ignore[assignment]
