"""Options as YAML, in its plain part: no tag, alias or merge, no number of a thousand digits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from discretevae.files import read_text
from discretevae.names import shorten

__all__ = ["as_yaml", "read_yaml"]

MOST = 2**18
"""Bytes of a file of options; those of a run are some hundred."""
DIGITS = 40
"""Of a number."""


class _Plain(yaml.SafeLoader):
    """Builds what is written, once each: an alias may stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it has an alias (*), which is not read")
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: Any) -> None:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise ValueError("it has a merge (<<), which is not read")
        super().flatten_mapping(node)

    def construct_number(self, node: Any) -> int | float:
        if len(node.value) > DIGITS:
            raise ValueError(f"it has a number of {len(node.value)} digits")
        integer = node.tag == "tag:yaml.org,2002:int"
        return (self.construct_yaml_int if integer else self.construct_yaml_float)(node)


for _kind in ("int", "float"):
    _Plain.add_constructor(f"tag:yaml.org,2002:{_kind}", _Plain.construct_number)


class _Writer(yaml.SafeDumper):
    """Writes what occurs twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_yaml(options: Mapping[str, Any]) -> str:
    """Gives the text of a file of options.

    Example:
        >>> widths = [2, 3]
        >>> as_yaml({"widths": widths, "channels": widths}).count("&")
        0
    """
    return yaml.dump(dict(options), Dumper=_Writer, sort_keys=False)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads a file of options.

    Raises:
        ValueError: If it cannot be read, is too long, or holds no options.

    Example:
        >>> read_yaml("no/such.yaml")
        Traceback (most recent call last):
        ValueError: `no/such.yaml` must be readable YAML, got: No such file or directory.
    """
    try:
        found = _Plain(read_text(path, MOST)).get_single_data()
    except (OSError, ValueError, RecursionError, TypeError, yaml.YAMLError) as error:
        said = getattr(error, "strerror", None) or getattr(error, "problem", None) or str(error)
        reason = shorten((said.splitlines() or [type(error).__name__])[0])
        raise ValueError(f"`{path}` must be readable YAML, got: {reason}.") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"`{path}` must hold options, got {type(found).__name__}.")
    return found
