import pytest

from discretevae.names import UnknownNameError, resolve

TABLE = {"tutorial": 1, "report-mlp": 2, "mlp": 3}


def test_a_known_name_becomes_its_object() -> None:
    assert resolve("network", "report-mlp", TABLE) == 2


def test_an_object_passes_through() -> None:
    thing = object()
    assert resolve("network", thing, {"a": object()}) is thing


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    with pytest.raises(UnknownNameError) as error:
        resolve("network", "tutrial", TABLE)
    assert str(error.value) == (
        "`network` must be one of tutorial, report-mlp, mlp, got 'tutrial' "
        "(did you mean 'tutorial'?)."
    )


def test_a_name_near_to_none_gets_the_list_alone() -> None:
    with pytest.raises(ValueError, match=r"tutorial, report-mlp, mlp, got 'zzz'\.$"):
        resolve("network", "zzz", TABLE)
