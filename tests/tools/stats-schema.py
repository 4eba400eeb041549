#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether JSON keeps to a schema: stats-schema.py SCHEMA FILE.

Knows what the schemas in doc/ use of JSON Schema, and refuses what it does not know."""

import json
import sys

KNOWN = {"$schema", "title", "description", "$defs", "$ref", "type", "properties", "required",
         "additionalProperties", "items", "minimum", "enum", "anyOf"}
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}


class Wrong(Exception):
    """What does not keep to the schema, and where."""


def check_any(value, schemas, root, where):
    reasons = []
    for schema in schemas:
        try:
            check(value, schema, root, where)
            return
        except Wrong as wrong:
            reasons.append(str(wrong))
    raise Wrong(f"{where} is none of these: {'; '.join(reasons)}")


def check_object(value, schema, root, where):
    missing = [name for name in schema.get("required", []) if name not in value]
    if missing:
        raise Wrong(f"{where}: {missing} missing")
    for name, member in value.items():
        if name not in schema.get("properties", {}):
            raise Wrong(f"{where}: {name} is not in the schema")
        check(member, schema["properties"][name], root, f"{where}.{name}")


def check(value, schema, root, where):
    unknown = set(schema) - KNOWN
    if unknown:
        sys.exit(f"the schema has what this test does not know: {unknown}")
    if "$ref" in schema:
        check(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, where)
        return
    if "anyOf" in schema:
        check_any(value, schema["anyOf"], root, where)
        return
    if "enum" in schema:
        if value not in schema["enum"]:
            raise Wrong(f"{where}: {value!r} is not one of {schema['enum']}")
        return
    kind = TYPES.get(schema.get("type"), object)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Wrong(f"{where}: {value!r} is no {schema['type']}")
    if "minimum" in schema and value < schema["minimum"]:
        raise Wrong(f"{where}: {value} is below {schema['minimum']}")
    if isinstance(value, dict):
        check_object(value, schema, root, where)
    if isinstance(value, list):
        for i, item in enumerate(value):
            check(item, schema["items"], root, f"{where}[{i}]")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        value = json.load(file)
    try:
        check(value, schema, schema, "")
    except Wrong as wrong:
        sys.exit(str(wrong))


main()
