"""The file of a CloudFormation template, in JSON or YAML, with CloudFormation's short tags."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

_MOST_BYTES: Final = 4 * 1024 * 1024
"""CloudFormation takes 1 MB of a template (AWS CloudFormation User Guide, "Understand CloudFormation quotas")."""
_MOST_MERGED: Final = 100_000


class TemplateError(Exception):
    """A template cannot be examined. The message names the cause and the way out, and no text of the template."""


def load_template(file: Path) -> Mapping[str, Any]:
    """Return the content of a template.

    Args:
        file: the file, up to 4 MiB of JSON or YAML.

    Raises:
        TemplateError: there is no such file, it cannot be read, or it is no CloudFormation template.
    """
    try:
        content = parse_template(_read(file))
    except TemplateError as error:
        raise TemplateError(f"{file} {error}") from None
    return content


def parse_template(text: str) -> Mapping[str, Any]:
    """Return the content of a template that is given as text.

    Raises:
        TemplateError: it is no CloudFormation template.
    """
    content = _parse(text)
    if not isinstance(content, Mapping) or not isinstance(content.get("Resources"), Mapping):
        raise TemplateError("is no CloudFormation template: a template is a mapping with `Resources`")
    return content


def _read(file: Path) -> str:
    if not file.is_file():
        raise TemplateError(
            "is no file: run `osls package`, `sam build` or `cdk synth` first, or name another one"
        )
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise TemplateError(f"has more than {_MOST_BYTES} bytes: it is no CloudFormation template")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise TemplateError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TemplateError("is not UTF-8: it is no CloudFormation template") from None


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise TemplateError(_TOO_DEEP) from None
    except ValueError:
        return _parse_yaml(text)


def _parse_yaml(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        place = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise TemplateError(f"is neither JSON nor YAML{place}: correct it") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError):
        # PyYAML lets some errors of the values through, such as that of a number with 5,000 digits.
        raise TemplateError("is neither JSON nor YAML: correct it") from None
    except RecursionError:
        raise TemplateError(_TOO_DEEP) from None


_TOO_DEEP: Final = "is nested too deeply: it is no CloudFormation template"


class _Loader(yaml.SafeLoader):
    """Loads YAML as CloudFormation reads it: short tags are functions, and a date is a text."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge mappings (`<<`) as PyYAML does, up to a limit: merges of merges grow without one."""
        super().flatten_mapping(node)
        self._merged += len(node.value)
        if self._merged > _MOST_MERGED:
            raise yaml.constructor.ConstructorError(None, None, "too many merged keys", node.start_mark)


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Return the long form of a short tag (AWS CloudFormation User Guide, "Intrinsic function reference")."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
