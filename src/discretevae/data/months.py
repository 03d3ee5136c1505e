"""Names of months in several languages."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

__all__ = ["ENGLISH", "in_english", "in_language", "language_of"]

ENGLISH = "en"
MONTHS: dict[str, tuple[str, ...]] = {
    "de": (
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin"),
        *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ),
    "es": (
        *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
        *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    ),
    "it": (
        *("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno"),
        *("luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre"),
    ),
    "pt": (
        *("janeiro", "fevereiro", "março", "abril", "maio", "junho"),
        *("julho", "agosto", "setembro", "outubro", "novembro", "dezembro"),
    ),
    "nl": (
        *("januari", "februari", "maart", "april", "mei", "juni"),
        *("juli", "augustus", "september", "oktober", "november", "december"),
    ),
}
"""Language → its months."""
IN_ENGLISH = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
OTHERS = {"nl": {"mrt": 2}}
"""Language → short forms that are no beginnings of names."""
SHORTEST = 3
"""Letters that a short form has at least."""
WORD = re.compile(r"[^\W\d_]{3,}\.?")


def in_english(text: str, language: str) -> str:
    """Gives a date with the name of its month in English; a short form is one of three letters.

    Example:
        >>> in_english("3. März 2024", "de"), in_english("14 juil. 2024", "fr")
        ('3. March 2024', '14 Jul 2024')
    """

    def replaced(found: re.Match[str]) -> str:
        place = _forms(language).get(_plain(found[0]))
        if place is None:
            return found[0]
        whole = _plain(found[0]) == _plain(MONTHS[language][place])
        return IN_ENGLISH[place] if whole else IN_ENGLISH[place][:SHORTEST]

    return WORD.sub(replaced, text)


def in_language(text: str, language: str) -> str:
    """Gives a date whose month has an English name as a language has it.

    Example:
        >>> in_language("3. March 2024", "de"), in_language("14 Jul 2024", "fr")
        ('3. März 2024', '14 juil 2024')
    """
    names = {name.lower(): place for place, name in enumerate(IN_ENGLISH)}
    short = {name[:SHORTEST].lower(): place for place, name in enumerate(IN_ENGLISH)}

    def replaced(found: re.Match[str]) -> str:
        word = found[0].lower()
        if word in names:
            return MONTHS[language][names[word]]
        return _short(language, short[word]) if word in short else found[0]

    return WORD.sub(replaced, text)


def language_of(texts: Sequence[str], share: float = 0.9) -> str | None:
    """Finds a language, English apart, of whose months at least a share of texts name one.

    Example:
        >>> language_of(["3. März 2024", "1. Mai 2024"]), language_of(["3 red cars"]) is None
        ('de', True)
    """
    words = [[_plain(word) for word in WORD.findall(text)] for text in texts]
    if not all(words[:1]):
        return None
    named = {
        language: sum(any(word in _forms(language) for word in found) for found in words)
        for language in MONTHS
    }
    best = max(named, key=lambda language: named[language])
    return best if named[best] >= share * len(words) > 0 else None


@cache
def _forms(language: str) -> dict[str, int]:
    """Each beginning of the name of a month that no other has → which it is."""
    names = [_plain(name) for name in MONTHS[language]]
    forms = dict(OTHERS.get(language, {}))
    for place, name in enumerate(names):
        for letters in range(SHORTEST, len(name) + 1):
            start = name[:letters]
            if sum(other.startswith(start) for other in names) == 1:
                forms[start] = place
    return forms


def _short(language: str, place: int) -> str:
    """The shortest beginning of the name of a month that is none of another."""
    name, forms = MONTHS[language][place], _forms(language)
    return next(
        name[:letters]
        for letters in range(SHORTEST, len(name) + 1)
        if _plain(name[:letters]) in forms
    )


def _plain(word: str) -> str:
    """A word in small letters, without accents and the point of a short form."""
    parts = unicodedata.normalize("NFD", word.removesuffix(".").lower())
    return "".join(sign for sign in parts if not unicodedata.combining(sign))
