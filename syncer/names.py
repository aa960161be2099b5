"""First and last names out of a whole name. Pure.

Most booking forms ask for one name, so these are guesses: where a name gives no hint, the first word is the first name.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

_TITLES = frozenset(
    "dr dra drs prof profa professor professorin professeur doctor doktor mr mrs ms miss mx sir madam frau herr herrn"
    " hr hrn fr mme mlle madame mademoiselle monsieur maître sr sra srta sres señor señora señores señorita senhor"
    " senhora dott dottssa dottor dottoressa sig signor signora signorina mevrouw meneer dhr mw pani rev rabbi pastor"
    " dña doña fam familie famille familia família famiglia eheleute"
    " מר גברת גב' גב׳ ד״ר פרופ' פרופ׳ פרופסור עו״ד".split()
)
_TITLES_WITH_A_DOT = frozenset(
    "dipl ing mag med univ priv doz ra mgr bc mudr judr phdr pr lic lcda lcdo arq abg mtro mtra eng exmo exma avv arch"
    " geom rag ir د أ".split()
)
"""Without the dot these may be names."""
_TITLES_IN = {
    "m.": {"fr"},
    "me": {"fr"},
    "d.": {"es", "pt", "gl"},
    "don": {"es", "it", "gl", "ca"},
    "dona": {"pt", "gl", "ca"},
}
"""In texts of other languages these are names, or initials of one."""
_LETTERS = frozenset({"m.", "d."})
"""Before one word it is all the same: nobody is called by one letter."""
_FEMININE = re.compile(r"\.(?:a|ssa|SSA)$")
"""Of a title: "Dott.ssa", "Sr.ª" (which was folded)."""
_DIPLOMA = re.compile(r"dipl\.?-\w+\.?", re.IGNORECASE)
_BEFORE_TITLES = frozenset({"PD", "RA", "DI"})
_BEHIND_TITLES = frozenset("med dent vet habil jur phil nat ssa FH".split())
_AND = frozenset("und u and et y e en i och og".split())
_SUFFIXES = frozenset(
    "jr sr ii iii iv phd md esq dds mba msc bsc ba ma rn cpa llm dipl inc llc ltd gmbh lmft lcsw mph pmp dvm cfp psyd"
    " edd".split()
)
_SURE_SUFFIXES = frozenset({"phd", "jr", "esq", "iii", "lmft", "lcsw", "psyd"})
"""Of those, what is nobody's family name: "Ma" is."""
_BORN = frozenset("geb. geborene née né nata born".split())
"""Before the name that somebody had once."""
_CREDENTIAL = range(2, 6)
"""So many letters has one that is in no list."""
_FAMILY_FIRST = ("CJK ", "HIRAGANA ", "KATAKANA ", "HANGUL ")


def first_name(whole: str, language: str = "") -> str:
    """Take the first name: "Anna" of "Dr. Anna Weber", "Weber, Anna" and "Frau Anna Weber".

    A name in a script that writes the family name first stays whole. So does a title with one word behind it: that is
    the family name ("Frau Weber", "Herr und Frau Weber"), which nobody is called by alone. Of two people who share a
    family name both are named: "Anna und Peter".

    Args:
        whole: cleaned, on one line.
        language: of the text: "M. Jean Dupont" has a title in French, and an initial elsewhere.
    """
    return _parts(whole, _base(language))[0]


def last_name(whole: str, language: str = "") -> str:
    """Take the last name; "" where there is one word. Arguments as of `first_name`."""
    return _parts(whole, _base(language))[1]


def without_titles(text: str, language: str = "") -> str:
    """Take titles off the beginning of a name: "Dr. med. Anna" is "Anna"; "" when there is nothing else."""
    words = text.split()
    return " ".join(words[_count_titles(words, _base(language)) :])


def _base(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].casefold()


def _count_titles(words: list[str], language: str) -> int:
    count = 0
    while count < len(words) and (step := _step(words, count, language)):
        count += step
    return count


def _step(words: list[str], at: int, language: str) -> int:
    """Say how many words of a name belong to its titles from here on: none, one, or "und Frau"."""
    word, behind = words[at], words[at + 1 :]
    if _is_title(word) or (at and _goes_with_titles(word, words[at - 1])):
        return 1
    if behind and language in _TITLES_IN.get(word.casefold(), ()):
        return 1
    if behind and _is_title(behind[0]):
        return 2 if word in _BEFORE_TITLES or (at and _is_and(word)) else 0
    couple = len(behind) > 1 and _is_and(behind[0]) and _is_title(behind[1])
    return int(couple and word.casefold() in _LETTERS)


def _parts(whole: str, language: str) -> tuple[str, str]:
    if _is_family_first(whole):
        family, blank, _ = whole.partition(" ")
        return whole, family if blank else ""
    head, *behind = (part.strip() for part in whole.split(","))
    words = head.split()
    words = words[_count_titles(words, language) :]
    names = [part for part in behind if not _is_suffix(part) and not _is_credential(part, head, words)]
    if names and head:
        given = without_titles(names[0], language)
        return (given.split()[0], " ".join(words) or head) if given else (whole, head)
    while len(words) > 1 and _is_suffix(words[-1]) and ("." in words[-1] or words[-1].casefold() in _SURE_SUFFIXES):
        words.pop()
    if words[1:] and not words[2:] and words[0].casefold() in _LETTERS:
        words = words[1:]
    titled = bool(words) and head.split()[0] != words[0]
    if len(words) <= 1:
        return (head, words[0]) if titled else (words[0] if words else head or whole, "")
    if any(_is_and(word) and _is_title(title) for word, title in pairwise(words)):
        return head, " ".join(words)
    count = 3 if words[2:] and _is_and(words[1]) else 1
    return " ".join(words[:count]), " ".join(words[count:])


def _is_family_first(whole: str) -> bool:
    letter = next((one for one in whole if one.isalpha()), "-")
    return unicodedata.name(letter, "").startswith(_FAMILY_FIRST)


def _pieces(word: str) -> list[str]:
    return [piece for piece in re.split(r"[.\-]", word.casefold()) if piece]


def _is_title(word: str) -> bool:
    if _DIPLOMA.fullmatch(word):
        return True
    known = _TITLES | _TITLES_WITH_A_DOT if "." in word else _TITLES
    pieces = _pieces(_FEMININE.sub("", word))
    if _FEMININE.search(word):
        known |= {"d"}
    return bool(pieces) and all(piece in known for piece in pieces)


def _is_and(word: str) -> bool:
    return word.removesuffix(".") in _AND


def _goes_with_titles(word: str, before: str) -> bool:
    """Whether a word behind a title belongs to it: "med.", "h.c.", "rer. nat.", "Psych." of "Dipl. Psych."."""
    if word.endswith(".") and (word.islower() or (before.casefold() == "dipl." and len(word) > len("Th."))):
        return not _is_and(word)
    return word in _BEHIND_TITLES


def _is_suffix(part: str) -> bool:
    """Whether what stands behind a comma is no name: "Jr.", "Ph.D.", "M.Sc.", "geb. Schmidt"."""
    if "".join(_pieces(part.replace(" ", "."))) in _SUFFIXES or part.partition(" ")[0] in _BORN:
        return True
    return all("".join(_pieces(word)) in _SUFFIXES or _is_title(word) for word in part.split())


def _is_credential(part: str, head: str, words: list[str]) -> bool:
    """Whether what stands behind a comma is a degree or a licence that no list has: "Anna Weber, LMFT".

    Behind one word, or in a name all in capitals, it may be the first name.
    """
    if len(words) < 2 or head.isupper() or head[0].islower():  # noqa: PLR2004  first and last name
        return False
    return all(
        len(letters) in _CREDENTIAL and letters.isascii() and letters.isalpha() and letters.isupper()
        for letters in (re.sub(r"[.\-]", "", word) for word in part.split())
    )
