"""Dates whose months are named in other languages than English."""

from datetime import date

import pytest

from discretevae.data.dates import EPOCH, find_date_style
from discretevae.data.months import MONTHS, in_english, in_language, language_of

SHORT = {
    "de": "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "fr": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "es": "ene feb mar abr may jun jul ago sept oct nov dic",
    "it": "gen feb mar apr mag giu lug ago set ott nov dic",
    "pt": "jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.",
    "nl": "jan feb mrt apr mei jun jul aug sep okt nov dec",
}
"""Short forms of the Common Locale Data Repository."""


def days(year: int, month: int, day: int) -> float:
    return float((date(year, month, day) - EPOCH.date()).days)


@pytest.mark.parametrize("language", MONTHS)
@pytest.mark.parametrize("pattern", ["{day}. {month} {year}", "{day} de {month} de {year}"])
def test_every_month_is_read_and_comes_back(language: str, pattern: str) -> None:
    texts = [
        pattern.format(day=f"{10 + place}", month=month, year=2024)
        for place, month in enumerate(MONTHS[language])
    ]
    style = find_date_style(texts)
    assert style is not None
    assert style.language == language
    truth = [days(2024, place, 9 + place) for place in range(1, 13)]
    assert [style.days(text) for text in texts] == truth
    assert [style.text(day) for day in truth] == texts


@pytest.mark.parametrize("language", SHORT)
def test_short_forms_are_read(language: str) -> None:
    texts = [f"3 {month} 2023" for month in SHORT[language].split()]
    found = [in_english(text, language).split()[1][:3] for text in texts]
    assert found == [date(2023, place, 1).strftime("%b") for place in range(1, 13)]


def test_a_language_is_that_of_most_months_and_none_where_there_are_none() -> None:
    assert language_of(["1 mei 2024", "2 maart 2024"]) == "nl"
    assert language_of(["1 mai 2024", "2 août 2024"]) == "fr"
    assert language_of(["3 apples", "4 pears"]) is None
    assert language_of([]) is None
    assert in_language("3. May 2024", "it") == "3. maggio 2024"


def test_months_in_english_are_no_other_language() -> None:
    style = find_date_style(["3 May 2024", "4 Jun 2024"])
    assert style is not None
    assert style.config() == "%d %b %Y"
