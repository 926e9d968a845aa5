"""What a description of the API cannot say of what is refused."""

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
"""What is refused beyond what a schema can say: U+0000, an integer written `1.0`, a year before 1 in UTC, what a
pattern means in Rust alone, bytes."""


def wrong(problem: dict[str, Any]) -> set[str]:
    """The words for what is wrong with a request, or the items of a batch: the validator's, or the problem's."""
    if "items" in problem:
        return set().union(*(wrong(item["problem"]) for item in problem["items"]))
    name = problem["type"].removeprefix("urn:penstock:problem:")
    return {error["code"] for error in problem.get("errors", [{"code": name}])}
