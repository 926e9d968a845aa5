"""Literals of JSON numbers, with any digits."""

from hypothesis import strategies as st

_DIGITS = st.text("0123456789", min_size=1, max_size=25)


def literals(largest_exponent: int) -> st.SearchStrategy[str]:
    """Return literals with or without a sign, a fraction, and an exponent of up to this size."""
    return st.builds(
        lambda sign, whole, fraction, exponent: f"{sign}{int(whole)}{'.' if fraction else ''}{fraction}{exponent}",
        st.sampled_from(["", "-"]),
        _DIGITS,
        st.just("") | _DIGITS,
        st.just("") | st.integers(-largest_exponent, largest_exponent).map(lambda number: f"e{number}"),
    )
