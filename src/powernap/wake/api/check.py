# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent against its JSON Schema, as far as the API's schemas go: one sentence for the first thing wrong. Pure.

Known: type, enum, minimum, maximum, minLength, maxLength, pattern, items, minItems, maxItems, properties, required,
additionalProperties. Where a schema has a `description`, the sentence ends with it: "give ...".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from powernap.shared.schema import suggestion
from powernap.wake.api.route import Parameter, Schema
from powernap.wake.registration import BadBody

_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "null": (lambda value: value is None, "null"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    "integer": (
        lambda value: (isinstance(value, int) and not isinstance(value, bool)) or _is_whole(value),
        "a whole number",
    ),
    "number": (lambda value: isinstance(value, (int, float)) and not isinstance(value, bool), "a number"),
    "string": (lambda value: isinstance(value, str), "a text"),
    "array": (lambda value: isinstance(value, list), "a list"),
    "object": (lambda value: isinstance(value, dict), "an object"),
}


def parse(body: bytes, schema: Schema) -> Any:
    """Raises BadBody."""
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadBody(f"the body is no JSON ({error}): send a JSON object") from None
    if schema.get("type") == "object" and not isinstance(value, dict):
        raise BadBody("the body is no JSON object: send one in braces")
    check(value, schema, "")
    return value


def check(value: Any, schema: Schema, where: str) -> None:
    """`where`: the name of the field. Raises BadBody, which begins with it."""
    types = schema.get("type", ())
    types = (types,) if isinstance(types, str) else tuple(types)
    if types and not any(_TYPES[each][0](value) for each in types):
        raise _wrong(where, value, "is not " + " or ".join(_TYPES[each][1] for each in types), schema)
    if "enum" in schema and value not in schema["enum"]:
        words = ", ".join(str(each) for each in schema["enum"] if each is not None)
        raise BadBody(f"{where}: {_short(value)} is not known: say one of {words}")
    if isinstance(value, str):
        _text(value, schema, where)
    elif isinstance(value, list):
        _list(value, schema, where)
    elif isinstance(value, dict):
        _object(value, schema, where)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _number(value, schema, where)


def parameters(query: Mapping[str, Any], declared: tuple[Parameter, ...]) -> dict[str, Any]:
    """The query's values by name; only those that were given. `query`: aiohttp's, of texts. Raises BadBody."""
    known = {each.name: each for each in declared if each.place == "query"}
    found: dict[str, Any] = {}
    for name in query:
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise BadBody(f"{_short(name)}: no such query parameter{suggestion(name, known)}; known here: {there}")
        if name in found:
            raise BadBody(f"{name}: given twice: give it once")
        found[name] = _convert(query[name], known[name].schema, name)
        check(found[name], known[name].schema, name)
    for each in known.values():
        if each.required and each.name not in found:
            raise BadBody(f"{each.name}: missing from the query: give {each.description}")
    return found


def _convert(text: str, schema: Schema, name: str) -> Any:
    kind = schema["type"]
    if kind == "integer":
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise _wrong(name, text, "is no number", schema)
        return int(text)
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text.split(",") if kind == "array" else text


def _text(value: str, schema: Schema, where: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _wrong(where, value, "is no Unicode text", schema) from None
    if len(value) < schema.get("minLength", 0):
        raise _wrong(where, value, "is too short", schema)
    if len(value) > schema.get("maxLength", math.inf):
        raise _wrong(where, value, f"is longer than {schema['maxLength']} characters", schema)
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        raise _wrong(where, value, "is not written as it must be", schema)


def _number(value: float, schema: Schema, where: str) -> None:
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if not least <= value <= most:
        raise _wrong(where, value, f"is out of range ({least} to {most})", schema)


def _list(value: list[Any], schema: Schema, where: str) -> None:
    least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if not least <= len(value) <= most:
        raise _wrong(where, value, f"is a list of {len(value)}, where {least} to {most} may be", schema)
    for number, item in enumerate(value):
        check(item, schema.get("items", {}), f"{where}[{number}]" if where else f"[{number}]")


def _object(value: dict[str, Any], schema: Schema, where: str) -> None:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            raise BadBody(f"{_field(where, name)}: missing{_remedy(known.get(name, {}))}")
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in known:
            check(item, known[name], _field(where, name))
        elif others is False:
            names = ", ".join(known)
            raise BadBody(f"{_field(where, name)[:80]}: no such field{suggestion(name, known)}: give {names}")


def _field(where: str, name: str) -> str:
    name = name.encode("utf-8", "replace").decode()
    return f"{where}.{name}" if where else name


def _wrong(where: str, value: Any, what: str, schema: Schema) -> BadBody:
    return BadBody(f"{where or 'the body'}: {_short(value)} {what}{_remedy(schema)}")


def _remedy(schema: Schema) -> str:
    return f": give {schema['description']}" if "description" in schema else ""


def _short(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "the list" if isinstance(value, list) else "the object"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@lru_cache(maxsize=64)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("$", r"\Z"))


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")
