"""Constants in SQL are masked, whatever their form; names stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.explain.masking import mask

names = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1)
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("sql", "masked"),
    [
        ("(a.sku = 'x''y \"z'::text)", "(a.sku = ?::text)"),
        ("(\"it's\" = 'it''s'::text) AND (n > '-5'::integer)", '("it\'s" = ?::text) AND (n > ?::integer)'),
        ("col1 = $1 AND t2.c9 = 12 AND x = 5.5e3", "col1 = $1 AND t2.c9 = ? AND x = ?"),
        ("(hashed SubPlan 4).col1 = (InitPlan 1).col1", "(hashed SubPlan 4).col1 = (InitPlan 1).col1"),
        (r"SELECT E'a\'b', U&'d\0061', x'1F', N'n', $q$ ' $q$, $$s$$", "SELECT ?, ?, ?, ?, ?, ?"),
        ("a -- 'x\n, /* 'y */ 3", "a  \n,   ?"),
        ("a = %(a_1)s OR b = 'not closed", "a = %(a_1)s OR b = ?"),
        ("LIMIT 10_000", "LIMIT ?"),
        ("x BETWEEN 1 AND -2.5", "x BETWEEN ? AND ?"),
    ],
)
def test_constants_are_masked(sql: str, masked: str) -> None:
    """Each form of a constant becomes a question mark, and everything else stays."""
    assert mask(sql) == masked


@given(st.text(), names)
def test_no_text_shows(value: str, name: str) -> None:
    """Whatever a text and a name contain, the text is masked as Postgres prints it, and the name stays."""
    quoted = name.replace('"', '""')
    text = f"{SECRET}{value}".replace("'", "''")
    masked = mask(f"(t.\"{quoted}\" = '{text}'::text) AND (b = 3)")
    assert masked == f'(t."{quoted}" = ?::text) AND (b = ?)'


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_number_shows(value: object) -> None:
    """Whatever form a number has, it is masked."""
    assert mask(f"(a = {value})") == "(a = ?)"
