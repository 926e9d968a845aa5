"""The benchmark of the start measures; its results are not asserted."""

import py_compile
import zipfile
from pathlib import Path

from benchmarks.start.__main__ import measure


def test_an_archive_is_measured(tmp_path: Path) -> None:
    """There is a figure for the import with bytecode, one without it, and their ratio."""
    (tmp_path / "handler.py").write_text("ONE = 1\n")
    compiled = py_compile.compile(
        str(tmp_path / "handler.py"), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    archive = tmp_path / "artifact.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (tmp_path / "handler.py", Path(str(compiled))):
            file.write(path, path.relative_to(tmp_path))
    figures = measure("small", archive, "handler", rounds=1)
    assert [figure.name for figure in figures] == [
        "small: import with bytecode",
        "small: import without",
        "small: without / with",
    ]
    assert all(figure.value > 0 for figure in figures)
