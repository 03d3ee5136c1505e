"""Lines below the names of columns that say in what units these are."""

import re
from collections.abc import Iterable, Sequence

from ..missing import Marks
from ..numbers import find_style, is_number

__all__ = ["find_units", "is_unit"]

MOST = 3
"""Such lines that there may be: loggers write how a mean was taken below its unit."""
LEAST = 3
"""Rows by which a column is known to hold numbers."""
UNITS = frozenset((
    *("kg", "g", "mg", "µg", "ug", "ng", "t", "lb", "lbs", "oz", "km", "m", "dm", "cm", "mm"),
    *("µm", "um", "nm", "in", "ft", "yd", "mi", "ha", "l", "L", "ml", "mL", "dl", "dL", "µl"),
    *("µL", "gal", "s", "sec", "ms", "µs", "us", "ns", "min", "h", "hr", "hrs", "hour"),
    *("hours", "d", "day", "days", "week", "weeks", "month", "months", "yr", "year", "years"),
    *("K", "°C", "°F", "C", "F", "degC", "degF", "deg", "°", "rad", "%", "‰", "ppm", "ppb"),
    *("ppt", "Pa", "hPa", "kPa", "MPa", "bar", "mbar", "psi", "mmHg", "atm", "dB", "dBm"),
    *("V", "mV", "kV", "µV", "A", "mA", "µA", "Ω", "ohm", "kΩ", "W", "mW", "kW", "MW", "Wh"),
    *("kWh", "MWh", "J", "kJ", "MJ", "cal", "kcal", "N", "kN", "Nm", "eV", "keV", "GeV"),
    *("Hz", "kHz", "MHz", "GHz", "rpm", "bpm", "mol", "mmol", "µmol", "umol", "M", "mM"),
    *("µM", "U", "IU", "cd", "lx", "lux", "lm", "Bq", "Sv", "Gy", "T", "mT", "bit", "bits"),
    *("byte", "bytes", "B", "kB", "KB", "MB", "GB", "px", "count", "counts", "number"),
    *("unitless", "EUR", "USD", "GBP", "€", "$", "£", "Deg"),
))  # fmt: skip
POWER = re.compile(r"(?:[-\u2212\u207b]?\d|[²³¹⁻]+)$")
BETWEEN = re.compile(r"[\s/·*^.]+|(?<=[²³])(?=\w)")
BRACKETS = re.compile(r"\(.*\)|\[.*\]|<.*>")
GAPS = Marks()


def is_unit(cell: str) -> bool:
    """Tells whether a cell is a unit, or a remark in brackets.

    Example:
        >>> [is_unit(cell) for cell in ("kg", "°C", "(m/s)", "W m-2", "kg/m³", "Bob", "12")]
        [True, True, True, True, True, False, False]
    """
    cell = cell.strip()
    if is_number(cell):
        return False
    parts = [part for part in BETWEEN.split(cell) if part]
    known = all(part in UNITS or POWER.sub("", part) in UNITS for part in parts)
    return bool(BRACKETS.fullmatch(cell)) or (bool(parts) and known)


def find_units(rows: Sequence[tuple[int, list[str]]]) -> tuple[int, ...]:
    """Finds the lines at the top of a table that say in what units its columns are.

    No cell of one is a number, though there are columns of numbers: above these are units, or
    words alone if there are several; above others a unit or nothing.

    Arguments:
        rows: Numbers of lines below the names, and their cells.

    Example:
        >>> rows = [(2, ["", "kg"]), (3, ["Ann", "61"]), (4, ["Bob", "80"]), (5, ["Eve", "70"])]
        >>> find_units(rows), find_units(rows[1:])
        ((2,), ())
    """
    found: list[int] = []
    for place, (line, cells) in enumerate(rows[:MOST]):
        if not _says_units([cell.strip() for cell in cells], [row for _, row in rows[place + 1 :]]):
            break
        found.append(line)
    return tuple(found)


def _says_units(cells: list[str], below: list[list[str]]) -> bool:
    rows = [row for row in below if len(row) == len(cells)]
    if len(rows) < LEAST or any(cell[:1].isdigit() or is_number(cell) for cell in cells):
        return False
    columns = [_known(row[i] for row in rows) for i in range(len(cells))]
    numeric = [find_style(sorted(column)) is not None for column in columns]
    there = [(cell, i) for i, cell in enumerate(cells) if _known([cell])]
    units = [cell for cell, i in there if numeric[i]]
    others = [cell for cell, i in there if not numeric[i]]
    if any(cell in columns[i] for cell, i in there) or not all(map(is_unit, others)):
        return False
    if any(not is_unit(cell) and any(map(str.isdigit, cell)) for cell in units):
        return False  # <0.1 is a number that nobody could measure
    return len(units) > 1 or any(map(is_unit, units))


def _known(cells: Iterable[str]) -> set[str]:
    """The different cells that are there."""
    stripped = {cell.strip() for cell in cells}
    return {cell for cell in stripped if not GAPS.missing(cell, in_numbers=True)}
