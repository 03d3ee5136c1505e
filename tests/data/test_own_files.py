"""Files that nobody prepared are read as a user would want, or refused in a line."""

import pytest

from .own_files import FILES, File, judged


@pytest.mark.parametrize("one", FILES, ids=lambda one: f"{one.habit}: {one.what}")
def test_what_is_said_is_what_must_be(one: File) -> None:
    good, said = judged(one)
    assert good, said
