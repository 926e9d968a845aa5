"""The refusals that the API's OpenAPI document cannot describe."""

from typing import Any

BEYOND_SCHEMAS = {
    "decimal_max_digits",
    "decimal_max_places",
    "decimal_parsing",
    "instant",
    "int_type",
    "nul_character",
    "string_pattern_mismatch",
    "too-large",
}
"""Reasons for refusals that a schema cannot express: U+0000, an integer written `1.0`, a year before 1 in UTC, a
pattern that only Rust reads this way, a size in bytes."""


def wrong(problem: dict[str, Any]) -> set[str]:
    """Return the codes of what is wrong with a request or its items: the validator's, or the problem's name."""
    if "items" in problem:
        return set().union(*(wrong(item["problem"]) for item in problem["items"]))
    name = problem["type"].removeprefix("urn:penstock:problem:")
    return {error["code"] for error in problem.get("errors", [{"code": name}])}
