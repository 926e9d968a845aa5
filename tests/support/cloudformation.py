"""CloudFormation templates in one form, so that two of them can be compared."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


def normal_form(template: Mapping[str, Any], **parameters: Any) -> dict[str, Any]:
    """Return the resources of a template with its parameters in place, and one form for what has several.

    Numbers are texts, as CloudFormation has them; `Fn::Join` is `Fn::Sub`; the artifact is its name. A `DependsOn`
    that references already imply is left out.
    """
    values = {name: one.get("Default") for name, one in template.get("Parameters", {}).items()} | parameters
    form = _Form(template, values)
    return {name: _resource(form, resource) for name, resource in template["Resources"].items()}


def _resource(form: "_Form", resource: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {key: form.of(value) for key, value in resource.items() if key != "DependsOn"}
    needed = resource.get("DependsOn", [])
    text = str(made.get("Properties"))
    extra = [
        name for name in ([needed] if isinstance(needed, str) else needed) if not re.search(rf"\b{name}\b", text)
    ]
    if made["Type"] == "AWS::Lambda::Function":
        code = resource["Properties"]["Code"]
        made["Properties"]["Code"] = PurePath(code if isinstance(code, str) else code["S3Key"]).name
    return made | {"DependsOn": sorted(extra)}


class _Form:
    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._conditions = template.get("Conditions", {})
        self._values = values

    def of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if isinstance(value, dict):
            return self._function(value)
        return value if isinstance(value, bool) else str(value)

    def _function(self, value: dict[str, Any]) -> Any:
        match value:
            case {"Ref": str(name)} if name in self._values:
                return self.of(self._values[name])
            case {"Fn::If": [str(condition), then, otherwise]}:
                return self.of(then if self._true(self._conditions[condition]) else otherwise)
            case {"Fn::Sub": str(text)}:
                return self._sub(text, {})
            case {"Fn::Sub": [str(text), dict(names)]}:
                return self._sub(text, names)
            case {"Fn::Join": [str(separator), list(parts)]}:
                texts = [part if isinstance(part, str) else f"${{{part['Ref']}}}" for part in parts]
                return self._sub(separator.join(texts), {})
        return {key: self.of(item) for key, item in value.items()}

    def _sub(self, text: str, names: Mapping[str, Any]) -> Any:
        known = {**self._values, **{name: self.of(one) for name, one in names.items()}}

        def replace(found: re.Match[str]) -> str:
            return str(known[found[1]]) if found[1] in known else found[0]

        made = re.sub(r"\$\{([\w:.]+)\}", replace, text)
        return {"Fn::Sub": made} if "${" in made else made

    def _true(self, condition: Any) -> bool:
        match condition:
            case {"Fn::Not": [inner]}:
                return not self._true(inner)
            case {"Fn::Equals": [left, right]}:
                return bool(self.of(left) == self.of(right))
        raise AssertionError(condition)
