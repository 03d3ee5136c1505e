from pathlib import Path
from typing import Any

import pytest

from discretevae.cli.options import OptionsError
from discretevae.cli.parser import parse, typed_options


def cook(
    dish: str = "soup",
    *,
    spoons: int = 2,
    salt: float | None = None,
    steps: list[int] | None = None,
    hot: bool = False,
    versions_of: str = "1",
) -> None:
    """Cook a dish.

    Args:
        dish: What to cook.
        spoons: How many
            spoons.
        salt: In grams.
        steps: Minutes of each step.
        hot: Whether hot.
        versions_of: Something that looks like a number and is text.

    Examples:
        discretevae cook pie --hot
        discretevae cook
    """


def serve(table: int, dish: str | None = None, *, loud: bool = False) -> None:
    """Serve it.

    Args:
        table: Which table.
        dish: What.
        loud: How.
    """


COMMANDS = {"cook": cook, "serve": serve}


def read(line: str) -> dict[str, Any]:
    return parse(COMMANDS, line.split())[1]


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("cook", {}),
        ("cook stew", {"dish": "stew"}),
        ("cook --dish stew", {"dish": "stew"}),
        ("cook --spoons 2 stew", {"dish": "stew", "spoons": 2}),
        ("cook --spoons=3 stew --hot", {"dish": "stew", "spoons": 3, "hot": True}),
        ("cook --hot stew", {"dish": "stew", "hot": True}),
        ("cook stew --steps 1 2 --salt -1.5", {"dish": "stew", "steps": [1, 2], "salt": -1.5}),
        ("cook --versions-of 007", {"versions_of": "007"}),
        ("serve 3", {"table": "3"}),
        ("serve 3 stew", {"table": "3", "dish": "stew"}),
        ("serve --loud 3 stew", {"table": "3", "dish": "stew", "loud": True}),
    ],
)
def test_only_what_was_given_comes_back(line: str, given: dict[str, Any]) -> None:
    assert read(line) == given


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cok", "the command must be one of cook, serve, got 'cok' (did you mean 'cook'?)"),
        ("cook --spoons two", "`--spoons` must be a whole number, got 'two'"),
        ("cook --spoons 1.5", "`--spoons` must be a whole number, got '1.5'"),
        ("cook --salt much", "`--salt` must be a finite number, got 'much'"),
        ("cook --salt nan", "`--salt` must be a finite number, got 'nan'"),
        ("cook --steps 1 x", "`--steps` must be a whole number, got 'x'"),
        ("cook --spoon 3", "--spoon (did you mean --spoons?)"),
        ("cook --spoons", "--spoons: expected one argument; see"),
        ("cook a b", "unrecognized arguments: b; see --help"),
        (
            "cook --config none.yaml",
            "`--config`: `none.yaml` must be readable YAML, got: No such file",
        ),
        ("serve", "table"),
    ],
)
def test_mistakes_are_one_line(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        read(line)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


def test_a_configuration_file_is_overruled_by_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "cook.yaml"
    path.write_text("dish: stew\nspoons: 7\nsteps: [1, 2]\nversions: {python: '3.11'}\n")
    options = {"dish": "stew", "spoons": 7, "steps": [1, 2]}
    assert read(f"cook --config {path}") == options
    assert read(f"cook --config {path} --spoons 1") == {**options, "spoons": 1}
    assert read(f"cook --config {path} pie") == {**options, "dish": "pie"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dish: [1", "must be readable YAML"),
        ("spoonz: 3", "'spoonz' is not accepted"),
        ("spoons: two", "`--spoons` must be a whole number"),
        ("just text", "must hold options"),
    ],
)
def test_a_bad_configuration_file_is_named(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cook.yaml"
    path.write_text(text)
    with pytest.raises(SystemExit):
        read(f"cook --config {path}")
    assert message in capsys.readouterr().err


def test_the_printed_configuration_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read("cook stew --steps 1 2 --versions-of 007 --print_config")
    path = tmp_path / "cook.yaml"
    path.write_text(capsys.readouterr().out)
    given = read(f"cook --config {path}")
    assert given == {
        "dish": "stew", "spoons": 2, "salt": None, "steps": [1, 2], "hot": False,
        "versions_of": "007",
    }  # fmt: skip


def test_help_is_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        read("cook --help")
    assert exit_.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "usage: discretevae cook [DISH] [options]" in text
    assert "Cook a dish." in text
    assert "--spoons N How many spoons. (default: 2)" in text
    assert "--salt X In grams." in text
    assert "examples: discretevae cook pie --hot discretevae cook" in text
    assert "versions VERSIONS" not in text


def test_the_overview_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for words, code in (["--help"], 0), ([], 2):
        with pytest.raises(SystemExit) as exit_:
            parse(COMMANDS, words)
        assert exit_.value.code == code
        assert "cook         Cook a dish." in capsys.readouterr().out


def test_the_overview_has_groups(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(COMMANDS, ["--help"], {"Guests": ["serve"]})
    assert "Guests:\n  serve        Serve it.\n\nMore:\n  cook " in capsys.readouterr().out


def test_stored_options_are_checked_like_given_ones() -> None:
    defaults = typed_options("cook", cook, {"spoons": 5})
    assert defaults["spoons"] == 5
    assert defaults["dish"] == "soup"
    with pytest.raises(OptionsError, match="`--spoons` must be a whole number, got 'many'"):
        typed_options("cook", cook, {"spoons": "many"})
    with pytest.raises(OptionsError, match="'spoonz' is not accepted"):
        typed_options("cook", cook, {"spoonz": 3})
