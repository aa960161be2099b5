"""First and last names out of a whole name. Pure.

Most booking forms ask for one name, so these are guesses: where a name gives no hint, the first word is the first name.
"""

from __future__ import annotations

import re
import unicodedata

_TITLES = frozenset(
    "dr dra prof profa professor professorin professeur doctor doktor mr mrs ms miss mx sir madam frau herr herrn hr fr"
    " mme mlle madame mademoiselle monsieur sr sra srta señor señora señorita senhor senhora dott dottssa sig signor"
    " signora signorina mevrouw meneer dhr mw pani rev rabbi pastor".split()
)
_TITLES_WITH_A_DOT = frozenset("dipl ing mag med univ priv doz ra mgr bc mudr judr phdr".split())
"""Without the dot these may be names."""
_BEHIND_TITLES = frozenset("med dent vet habil jur phil nat".split())
_SUFFIXES = frozenset("jr sr ii iii iv phd md esq dds mba msc bsc ba ma rn cpa llm dipl inc llc ltd gmbh".split())
_SURE_SUFFIXES = frozenset({"phd", "jr", "esq", "iii"})
"""Of those, what is nobody's family name: "Ma" is."""
_FAMILY_FIRST = ("CJK ", "HIRAGANA ", "KATAKANA ", "HANGUL ")


def first_name(whole: str) -> str:
    """Take the first name: "Anna" of "Dr. Anna Weber", "Weber, Anna" and "Frau Anna Weber".

    A name in a script that writes the family name first stays whole. So does a title with one word behind it: that is
    the family name ("Frau Weber"), which nobody is called by alone.

    Args:
        whole: cleaned, on one line.
    """
    return _parts(whole)[0]


def last_name(whole: str) -> str:
    """Take the last name; "" where there is one word."""
    return _parts(whole)[1]


def without_titles(text: str) -> str:
    """Take titles off the beginning of a name: "Dr. med. Anna" is "Anna"; "" when there is nothing else."""
    words = text.split()
    count = 0
    while count < len(words) and (_is_title(words[count]) or (count and _goes_with_titles(words[count]))):
        count += 1
    return " ".join(words[count:])


def _parts(whole: str) -> tuple[str, str]:
    if _is_family_first(whole):
        return whole, whole.split(maxsplit=1)[0] if " " in whole else ""
    head, *behind = (part.strip() for part in whole.split(","))
    names = [part for part in behind if not _is_suffix(part)]
    if names and head:
        given = without_titles(names[0])
        return (given.split()[0], without_titles(head) or head) if given else (whole, head)
    words = without_titles(head).split()
    while len(words) > 1 and _is_suffix(words[-1]) and ("." in words[-1] or words[-1].casefold() in _SURE_SUFFIXES):
        words.pop()
    if len(words) <= 1:
        titled = words and head.split()[0] != words[0]
        return (head, words[0]) if titled else (words[0] if words else head or whole, "")
    return words[0], " ".join(words[1:])


def _is_family_first(whole: str) -> bool:
    letter = next((one for one in whole if one.isalpha()), "")
    return bool(letter) and unicodedata.name(letter, "").startswith(_FAMILY_FIRST)


def _pieces(word: str) -> list[str]:
    return [piece for piece in re.split(r"[.\-]", word.casefold()) if piece]


def _is_title(word: str) -> bool:
    known = _TITLES | _TITLES_WITH_A_DOT if "." in word else _TITLES
    pieces = _pieces(word)
    return bool(pieces) and all(piece in known for piece in pieces)


def _goes_with_titles(word: str) -> bool:
    """Whether a word behind a title belongs to it: "med.", "h.c.", "rer. nat."."""
    return (word.endswith(".") and word.islower()) or word in _BEHIND_TITLES


def _is_suffix(part: str) -> bool:
    """Whether what stands behind a comma is no name: "Jr.", "Ph.D.", "M.Sc."."""
    if "".join(_pieces(part.replace(" ", "."))) in _SUFFIXES:
        return True
    return all("".join(_pieces(word)) in _SUFFIXES or _is_title(word) for word in part.split())
