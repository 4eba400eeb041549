#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether JSON keeps to a schema: stats-schema.py SCHEMA FILE.

Knows what statistics.schema.json uses of JSON Schema, and refuses what it does not know."""

import json
import sys

KNOWN = {"$schema", "title", "description", "$defs", "$ref", "type", "properties", "required",
         "additionalProperties", "items", "minimum"}
TYPES = {"object": dict, "array": list, "string": str, "integer": int}


def check(value, schema, root, where):
    unknown = set(schema) - KNOWN
    if unknown:
        sys.exit(f"the schema has what this test does not know: {unknown}")
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        check(value, root["$defs"][name], root, where)
        return
    kind = TYPES.get(schema.get("type"), object)
    if not isinstance(value, kind) or isinstance(value, bool):
        sys.exit(f"{where}: {value!r} is no {schema['type']}")
    if "minimum" in schema and value < schema["minimum"]:
        sys.exit(f"{where}: {value} is below {schema['minimum']}")
    if isinstance(value, dict):
        missing = [name for name in schema.get("required", []) if name not in value]
        if missing:
            sys.exit(f"{where}: {missing} missing")
        for name, member in value.items():
            if name not in schema.get("properties", {}):
                sys.exit(f"{where}: {name} is not in the schema")
            check(member, schema["properties"][name], root, f"{where}.{name}")
    if isinstance(value, list):
        for i, item in enumerate(value):
            check(item, schema["items"], root, f"{where}[{i}]")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        check(json.load(file), schema, schema, "")


main()
