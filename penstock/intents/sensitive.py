"""`Sensitive[str]`: a text that is encrypted from `emit` to the drain, and that nothing shows by accident."""

from collections.abc import Iterator
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar, get_args, get_origin

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from penstock.intents.sealed import MARK, token_of

if TYPE_CHECKING:
    from penstock.intents.intent import WriteIntent

T = TypeVar("T")

MASK: Final = "**********"

REVEALED: Final = "penstock: reveal Sensitive values"
"""The context in which a `Sensitive` value is written to JSON as its plaintext."""
FINGERPRINTS: Final = "penstock: fingerprints of Sensitive values"
"""The context in which it is written as its fingerprint."""
OPAQUE: Final = "penstock: leave Sensitive values encrypted"
"""The context in which an encrypted value is valid, and stays encrypted."""


class StillEncrypted(RuntimeError):
    """A `Sensitive` value was read without the keys. No `ValueError`: a validator that reads it is not wrong."""


class Sensitive(Generic[T]):
    """A text of an intent that is encrypted on its way to the database: `email: Sensitive[str]`.

    `repr`, `str` and the errors of validation show asterisks. `reveal` returns the text. To write it as JSON
    (`model_dump_json`) is refused, because asterisks could be stored in place of the text.

    The type in the brackets is `str`, with constraints if need be:
    `Sensitive[Annotated[str, Field(max_length=200)]]`.
    """

    __slots__ = ("_fingerprint", "_token", "_value")

    def __init__(self, value: T) -> None:
        """Take the text."""
        self._value = value
        self._token = ""
        self._fingerprint: int | None = None

    def reveal(self) -> T:
        """Return the text.

        Raises:
            StillEncrypted: it was read without the keys.
        """
        if self._token:
            raise StillEncrypted("the value is encrypted: only the drain can read it")
        return self._value

    def with_fingerprint(self, fingerprint: int) -> "Sensitive[T]":
        """Return the same text with its keyed digest, which stands for it in the ledger."""
        copy = Sensitive(self._value)
        copy._fingerprint = fingerprint
        return copy

    @property
    def fingerprint(self) -> int:
        """The keyed digest of the text.

        Raises:
            ValueError: it is not known, because the value was not decoded by a drain.
        """
        if self._fingerprint is None:
            raise ValueError("the value has no fingerprint: only a drain gives it one")
        return self._fingerprint

    def __repr__(self) -> str:
        return f"Sensitive('{MASK}')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sensitive):
            return NotImplemented
        return (self._token, self._value) == (other._token, other._value)

    def __hash__(self) -> int:
        return hash((self._token, self._value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        (inner,) = get_args(source) or (Any,)
        if (get_args(inner)[0] if get_origin(inner) is Annotated else inner) is not str:
            raise TypeError("Sensitive needs the type str in brackets: Sensitive[str]")
        return core_schema.with_info_wrap_validator_function(
            _validate,
            handler.generate_schema(inner),
            serialization=core_schema.plain_serializer_function_ser_schema(_serialize, info_arg=True),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        inner: Any = schema
        return {**handler(inner["schema"]), "writeOnly": True}


def _validate(
    value: Any, handler: core_schema.ValidatorFunctionWrapHandler, info: core_schema.ValidationInfo
) -> Sensitive[Any]:
    if isinstance(value, Sensitive):
        return value if value._token else Sensitive(handler(value._value))
    token = token_of(value) if info.context == OPAQUE else None
    if token is None:
        return Sensitive(handler(value))
    sealed = Sensitive[Any](None)
    sealed._token = token
    return sealed


def _serialize(value: Any, info: core_schema.SerializationInfo) -> Any:
    if info.mode == "python" or not isinstance(value, Sensitive):
        return value
    if info.context == REVEALED:
        return {MARK: value._token} if value._token else value._value
    if info.context == FINGERPRINTS:
        return value.fingerprint
    raise TypeError("a Sensitive value is not written to JSON: reveal() returns it")


def revealed(value: Any) -> Any:
    """Return the text of a `Sensitive` value, and any other value unchanged."""
    return value.reveal() if isinstance(value, Sensitive) else value


def is_sensitive(annotation: Any) -> bool:
    """Return whether a type is `Sensitive`, or `Sensitive` and None."""
    if get_origin(annotation) is Annotated:
        return is_sensitive(get_args(annotation)[0])
    if hasattr(annotation, "__value__"):
        return is_sensitive(annotation.__value__)
    alternatives = [one for one in get_args(annotation) if one is not NoneType]
    if get_origin(annotation) is Sensitive or annotation is Sensitive:
        return True
    return NoneType in get_args(annotation) and len(alternatives) == 1 and is_sensitive(alternatives[0])


@cache
def sensitive_fields(intent: "type[WriteIntent]") -> dict[str, str]:
    """Return the fields of a class that are encrypted: the name on the wire of each.

    Raises:
        TypeError: a `Sensitive` value is inside of something else, or a serializer of the class could show it.
    """
    found: dict[str, str] = {}
    own = intent.__pydantic_decorators__
    for name, field in intent.model_fields.items():
        if not _mentions(intent, name):
            continue
        if not is_sensitive(field.annotation):
            raise TypeError(
                f"{intent.__name__}: field {name!r} has a Sensitive value inside of another type: make it a field "
                "of its own, Sensitive[str] or Sensitive[str] | None"
            )
        serialized = any({name, "*"} & {*one.info.fields} for one in own.field_serializers.values())
        if own.model_serializers or serialized:
            raise TypeError(f"{intent.__name__}: field {name!r} is Sensitive and has a serializer: remove it")
        found[name] = field.serialization_alias or field.alias or name
    return found


def _mentions(intent: "type[WriteIntent]", name: str) -> bool:
    """Return whether the core schema of a field contains a `Sensitive` value, at any depth."""
    root: Any = intent.__pydantic_core_schema__
    definitions: dict[str, Any] = {one["ref"]: one for one in root.get("definitions", ())}
    own = next(one for one in _mappings(root, {}) if one.get("type") == "model" and one["cls"] is intent)
    fields = next(one["fields"] for one in _mappings(own, {}) if one.get("type") == "model-fields")
    functions = (one["function"] for one in _mappings(fields[name], definitions) if one["type"] == "function-wrap")
    return any(one["function"] is _validate for one in functions)


def _mappings(schema: Any, definitions: dict[str, Any]) -> Iterator[Any]:
    """Yield each part of a core schema that has a type, the outermost first, and what it refers to."""
    level, seen = [schema], set[str]()
    while level:
        one = level.pop(0)
        if isinstance(one, dict):
            ref = one.get("schema_ref")
            if isinstance(ref, str) and ref in definitions and ref not in seen:
                seen.add(ref)
                level.append(definitions[ref])
            if isinstance(one.get("type"), str):
                yield one
            level += [value for key, value in one.items() if key not in {"metadata", "serialization"}]
        elif isinstance(one, list | tuple):
            level += one
