"""serverless.yml as it is written, with the variables that can be resolved without osls."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from penstock.project.errors import ProjectError

NAME: Final = "serverless.yml"

_STAGE: Final = re.compile(r"sls:stage|opt:stage|self:provider\.stage")
_FILE: Final = re.compile(r"\$\{file\(([^()$]+)\)(?::([\w.-]+))?\}")
_VARIABLE: Final = re.compile(r"\$\{([^${}]+)\}")
_DEEPEST: Final = 20
_UNKNOWN: Final = "?"
_DEFAULTS: Final = {"architecture": "x86_64"}
"""What osls takes where the provider says nothing."""


class _Loader(yaml.SafeLoader):
    """Loads CloudFormation's short tags (`!Ref`, `!Sub`) as None, because only plain values are needed."""


_Loader.add_multi_constructor("!", lambda *_: None)


def load(file: Path) -> Any:
    """Return the content of a serverless.yml; a value with a tag of CloudFormation is None.

    Raises:
        ProjectError: It is not YAML, or not UTF-8.
    """
    try:
        return yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file} is not YAML: correct it ({' '.join(str(error).split())})") from None


class Serverless:
    """A serverless.yml for one stage.

    Only osls resolves every variable, and it needs the artifacts for that. The ones that are resolved here are the
    stage, `${param:}`, `${self:}`, literal defaults, and functions in other files. What refers to anything else is
    None.

    Args:
        content: The content of the file.
        stage: The stage.
        folder: The folder of the file.
    """

    def __init__(self, content: Any, stage: str, folder: Path) -> None:
        self._content = content
        self._stage = stage
        self._folder = folder

    @classmethod
    def read(cls, file: Path, stage: str) -> "Serverless | None":
        """Read a file; return None if there is none.

        Raises:
            ProjectError: It is not YAML.
        """
        return cls(load(file), stage, file.parent) if file.is_file() else None

    @cached_property
    def functions(self) -> dict[str, Mapping[str, Any] | None]:
        """The functions by their names; None for one that only osls can find.

        Raises:
            ProjectError: A file that functions are in is not YAML.
        """
        found = self._at("functions")
        parts = [self._included(part) for part in (found if isinstance(found, list) else [found]) if part]
        named = {
            str(name): self._included(function)
            for part in parts
            if part is not None
            for name, function in part.items()
        }
        return named | ({_UNKNOWN: None} if None in parts else {})

    @property
    def knows_all_functions(self) -> bool:
        """Whether every function is known."""
        return None not in self.functions.values()

    def of_function(self, name: str, key: str) -> str | None:
        """Return a text that a function has itself or from the provider; None if it cannot be resolved."""
        function = self.functions[name] or {}
        return self.resolve(function[key]) if key in function else self.of_provider(key)

    def of_provider(self, key: str) -> str | None:
        """Return a text of the provider; None if it cannot be resolved."""
        found = self._at("provider", key)
        return _DEFAULTS.get(key) if found is None else self.resolve(found)

    def artifact(self, name: str) -> str | None:
        """Return the path of a function's artifact; None if osls makes it, or if the path is not known."""
        package = (self.functions[name] or {}).get("package")
        own = package.get("artifact") if isinstance(package, Mapping) else None
        return self.resolve(self._at("package", "artifact") if own is None else own)

    def layers(self) -> Iterator[str]:
        """Yield the paths of the artifacts of the layers."""
        found = self._at("layers")
        for layer in found.values() if isinstance(found, Mapping) else ():
            package = layer.get("package") if isinstance(layer, Mapping) else None
            if isinstance(package, Mapping) and (path := self.resolve(package.get("artifact"))):
                yield path

    def resolve(self, value: Any, depth: int = 0) -> str | None:
        """Return a value with its variables resolved; None if it is no text, or one cannot be resolved."""
        if not isinstance(value, str) or depth > _DEEPEST:
            return None
        while found := _VARIABLE.search(value):
            inner = self._variable(found[1], depth + 1)
            if inner is None:
                return None
            value = value[: found.start()] + inner + value[found.end() :]
        return None if "${" in value else value

    def _included(self, value: Any) -> Mapping[str, Any] | None:
        """Return a mapping, which can be in another file: `${file(PATH):KEY}`; None if it cannot be found."""
        named = _FILE.fullmatch(value) if isinstance(value, str) else None
        if named and (self._folder / named[1]).is_file():
            value = load(self._folder / named[1])
            for key in named[2].split(".") if named[2] else ():
                value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, Mapping) else None

    def _variable(self, expression: str, depth: int) -> str | None:
        for source in map(str.strip, expression.split(",")):
            literal = re.fullmatch(r"'([^']*)'|\"([^\"]*)\"", source)
            known = literal[1] or literal[2] or "" if literal else self._reference(source, depth)
            if known is not None:
                return known
        return None

    def _reference(self, source: str, depth: int) -> str | None:
        if _STAGE.fullmatch(source):
            return self._stage
        kind, _, name = source.partition(":")
        if kind == "self":
            return self.resolve(self._at(*name.split(".")), depth)
        if kind == "param":
            own = self.resolve(self._at("params", self._stage, name), depth)
            return own or self.resolve(self._at("params", "default", name), depth)
        return None

    def _at(self, *keys: str) -> Any:
        found = self._content
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found
