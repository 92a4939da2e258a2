"""Checks a document on standard input against the schema named by the first argument.

The published schema lets properties be added; here one that it does not name is an error.
"""

import json
import sys

import fastjsonschema


def tightened(schema):
    if isinstance(schema, list):
        return [tightened(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: tightened(part) for name, part in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    return schema


with open(sys.argv[1], encoding="utf-8") as file:
    validate = fastjsonschema.compile(tightened(json.load(file)))
validate(json.load(sys.stdin))
