"""The benchmark of the start measures; its results are not asserted."""

import py_compile
import subprocess
from pathlib import Path

import pytest

from benchmarks.start.comparisons import Comparison
from benchmarks.start.starts import compare, measure_bytecode

ANSWERING = """
def handler(event, context):
    return {"seen": event["n"], "left": context.get_remaining_time_in_millis()}
"""


def write_module(folder: Path, name: str) -> None:
    """Write a module with a handler, and its bytecode."""
    path = folder / f"{name}.py"
    path.write_text(ANSWERING)
    py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def comparison(seen: int) -> Comparison:
    """Compare two modules, which answer an event with 1, as this number says or not."""
    return Comparison("small", "by_hand", {"ours": "ours"}, lambda: {"n": 1}, {"seen": seen})


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """An artifact with two modules, and a runtime without any."""
    artifact, runtime = tmp_path / "artifact", tmp_path / "runtime"
    for folder in (artifact, runtime):
        folder.mkdir()
    for name in ("by_hand", "ours"):
        write_module(artifact, name)
    return [artifact, runtime]


def test_functions_are_compared(places: list[Path]) -> None:
    """There is a figure for the import, and one for the first answer, if there is an event."""
    figures = [*compare(comparison(1), places, {}, rounds=1)]
    assert [figure.name for figure in figures] == [
        "import: ours / by hand",
        "start to first answer: ours / by hand",
    ]
    assert all(figure.value > 0 for figure in figures)
    (figure,) = compare(Comparison("small", "by_hand", {"ours": "ours"}), places, {}, rounds=1)
    assert figure.name == "import: ours / by hand"


def test_a_wrong_answer_is_not_measured(places: list[Path]) -> None:
    """A function that answers something else ends the benchmark."""
    with pytest.raises(AssertionError):
        [*compare(comparison(2), places, {}, rounds=1)]


def test_bytecode_is_measured(places: list[Path]) -> None:
    """There is a figure for the import with bytecode, one without it, and their ratio."""
    figures = [*measure_bytecode("small", places, "ours", rounds=1)]
    assert [figure.name for figure in figures] == [
        "small: import with bytecode",
        "small: import without",
        "small: without / with",
    ]
    assert all(figure.value > 0 for figure in figures)


def test_a_function_that_fails_ends_the_benchmark(places: list[Path]) -> None:
    """A module that cannot be imported is an error, not a short start."""
    with pytest.raises(subprocess.CalledProcessError):
        [*measure_bytecode("small", places, "absent", rounds=1)]
