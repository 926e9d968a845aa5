"""A text that matches a regular expression."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from random import Random
from string import ascii_lowercase, ascii_uppercase, digits, punctuation
from typing import Any, Final

_ALPHABETS: Final = (ascii_lowercase, digits, ascii_uppercase, f"-_.{punctuation} ")
_MOST_REPEATS: Final = 8
_CATEGORIES: Final[dict[str, Callable[[str], bool]]] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda character: character.isalnum() or character == "_",
}


def matching_text(pattern: str, random: Random) -> str:
    """Return a text that a pattern probably matches: lookarounds and conditions are not looked at.

    Raises:
        ValueError: the pattern has a form that is not known here, such as one that only Rust's expressions have.
    """
    try:
        # The standard library's own parser; there is no public way to it.
        parsed = import_module("re._parser").parse(pattern)
    except Exception as error:
        raise ValueError("the pattern cannot be read") from error
    return _Writer(random).write(parsed)


class _Writer:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._groups: dict[int, str] = {}

    def write(self, parsed: Iterable[Any]) -> str:
        return "".join(self._one(str(code), value) for code, value in parsed)

    def _one(self, code: str, value: Any) -> str:
        writers: Mapping[str, Callable[[Any], str]] = {
            "LITERAL": chr,
            "NOT_LITERAL": lambda other: self._choose(lambda character: ord(character) != other),
            "ANY": lambda _: self._choose(lambda _: True),
            "IN": self._member,
            "BRANCH": lambda branch: self.write(self._random.choice(branch[1])),
            "SUBPATTERN": self._group,
            "ATOMIC_GROUP": self.write,
            "GROUPREF": lambda number: self._groups[number],
            "MAX_REPEAT": self._repeat,
            "MIN_REPEAT": self._repeat,
            "POSSESSIVE_REPEAT": self._repeat,
            **dict.fromkeys(("AT", "ASSERT", "ASSERT_NOT"), lambda _: ""),
        }
        if code not in writers:
            raise ValueError(f"the pattern has a part that is not known here: {code}")
        return writers[code](value)

    def _group(self, group: Sequence[Any]) -> str:
        self._groups[group[0]] = self.write(group[3])
        return self._groups[group[0]]

    def _repeat(self, repeated: tuple[int, int, Any]) -> str:
        least, most, parsed = repeated
        times = self._random.randint(least, min(most, max(least, _MOST_REPEATS)))
        return "".join(self.write(parsed) for _ in range(times))

    def _member(self, items: Sequence[Any]) -> str:
        negated = str(items[0][0]) == "NEGATE"
        rest = items[1:] if negated else items
        first = next((chr(v[0] if str(c) == "RANGE" else v) for c, v in rest if str(c) != "CATEGORY"), None)
        return self._choose(
            lambda character: any(_is_in(character, *item) for item in rest) != negated,
            otherwise=None if negated else first,
        )

    def _choose(self, wanted: Callable[[str], bool], *, otherwise: str | None = None) -> str:
        """Choose a character, a letter or a digit if possible."""
        for alphabet in _ALPHABETS:
            if found := [character for character in alphabet if wanted(character)]:
                return self._random.choice(found)
        if otherwise is None:
            raise ValueError("the pattern wants a character that is not in ASCII")
        return otherwise


def _is_in(character: str, code: Any, value: Any) -> bool:
    match str(code):
        case "LITERAL":
            return ord(character) == int(value)
        case "RANGE":
            return int(value[0]) <= ord(character) <= int(value[1])
    name = str(value).replace("_NOT_", "_")
    known = _CATEGORIES.get(name)
    if known is None:
        raise ValueError(f"the pattern has a class that is not known here: {value}")
    return known(character) == (name == str(value))
