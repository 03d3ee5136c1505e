"""Completion, as bash does it where bash is; the scripts name every command, flag and choice."""

import shutil
import subprocess
from pathlib import Path

import pytest

from discretevae.cli.main import COMMANDS, main
from discretevae.cli.options import options_of
from discretevae.estimators import ESTIMATORS

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("scripts"), {}
    for shell in SHELLS:
        with pytest.MonkeyPatch.context() as patch:
            lines: list[str] = []
            patch.setattr("discretevae.cli.completion.say", lines.append)
            main(["completion", shell])
        found[shell] = folder / f"discretevae.{shell}"
        found[shell].write_text("\n".join(lines) + "\n")
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_all_there_is(scripts: dict[str, Path], shell: str) -> None:
    text = scripts[shell].read_text()
    assert "None" not in text
    for name, command in COMMANDS.items():
        assert name in text
        for option in options_of(command):
            if not option.required:
                assert (f"-l {option.flag[2:]}" if shell == "fish" else option.flag) in text
            assert " ".join(option.choices) in text
    assert " ".join(ESTIMATORS) in text


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_one_of_its_shell(scripts: dict[str, Path], shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    subprocess.run([program, "-n", str(scripts[shell])], check=True)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["tr"], {"train"}),
        (["ex"], {"export", "explore"}),
        (["train", "--pre"], {"--precision"}),
        (["train", "--precision", ""], {"32-true", "bf16-mixed", "16-mixed"}),
        (["train", "--decay", "co"], {"constant", "cosine"}),
        (["train", "digits", "--estimator", "rein"],
         {"reinforce", "reinmax", "reinmax-rao", "reinmax-cv"}),
        (["train", "mni"], {"mnist"}),
        (["train", "my_d"], {"my_data.csv"}),
        (["estimators", "vi"], {"vimco"}),
        (["completion", ""], {*SHELLS}),
        (["train", "--epochs", ""], set()),
        (["sample", "--qu"], {"--quiet"}),
    ],
)  # fmt: skip
def test_bash_completes(
    scripts: dict[str, Path], tmp_path: Path, words: list[str], found: set[str]
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    (tmp_path / "my_data.csv").touch()
    quoted = " ".join(f"'{word}'" for word in ["discretevae", *words])
    script = (
        f"source '{scripts['bash']}'; COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; "
        "_discretevae; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    run = [bash, "--norc", "--noprofile", "-c", script]
    out = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    names = set(out.split())
    if words[-1]:
        assert names == found
    else:
        assert found <= names


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["completion", "bsh"])
    assert "`shell` must be one of bash, zsh, fish, got 'bsh'" in capsys.readouterr().err
