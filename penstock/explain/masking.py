"""SQL without values: a plan and a statement may contain those of the intents, which are personal data."""

import re
from typing import Final

_MASK: Final = "?"

# A text that is not closed goes to the end: rather too much is masked than too little. Postgres doubles the quotes
# in what it prints, and never writes E'...' there; a function of the service's may send any of these forms.
_TOKEN: Final = re.compile(
    r"""
      (?P<name> "(?:[^"]|"")*" )
    | (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<value>
          [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)
        | (?:[uU]&|[bBxXnN])?'(?:[^']|'')*(?:'|\Z)
        | \$(?P<tag>[^\W\d]\w*|)\$.*?(?:\$(?P=tag)\$|\Z)
        | (?<![\w$"])(?<!Plan\ )-?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w*
      )
    | (?P<word> [^\W\d][\w$]* | %\(\w+\)s | \$\d+ )
    """,
    re.VERBOSE | re.DOTALL,
)


def mask(sql: str) -> str:
    """Replace each constant in an expression or a statement by `?`, and drop comments.

    Names stay: those in double quotes, too, whatever they contain. Placeholders stay.
    """
    return _TOKEN.sub(_replace, sql)


def _replace(found: re.Match[str]) -> str:
    if found["value"] is not None:
        return _MASK
    return " " if found["comment"] is not None else found[0]
