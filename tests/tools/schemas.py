"""Writes JSON schemas of the kinds that the chart renders, for kubeconform: DIR/KIND-GROUP-VERSION.json, in small letters.

    schemas.py SWAGGER DIR CRD...

SWAGGER is Kubernetes' own OpenAPI document, each CRD a definition as JSON. Names that a kind does not have are refused, as
`kubectl --validate=strict` does.
"""

import json
import sys
from pathlib import Path

BUILT_IN = {
    "ClusterRole", "ClusterRoleBinding", "ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Role",
    "RoleBinding", "Service", "ServiceAccount", "StatefulSet",
}


def strict(schema):
    """The same schema, in the words of JSON Schema, with no room for other fields."""
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {word: value for word, value in schema.items() if word not in ("description", "format")}
    for word in ("items", "additionalProperties"):
        if isinstance(made.get(word), dict):
            made[word] = strict(made[word])
    if "properties" in made:
        made["properties"] = {name: strict(field) for name, field in made["properties"].items()}
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    return made


def needed(schema, definitions, found):
    """Collects into `found` what a schema refers to."""
    if isinstance(schema, list):
        for item in schema:
            needed(item, definitions, found)
    elif isinstance(schema, dict):
        name = str(schema.get("$ref", "")).removeprefix("#/definitions/")
        if name and name not in found:
            found[name] = definitions[name]
            needed(definitions[name], definitions, found)
        for value in schema.values():
            needed(value, definitions, found)


def write(folder, kind, group, version, schema):
    path = folder / f"{kind}-{group}-{version}.json".lower()
    path.write_text(json.dumps(schema, sort_keys=True))


def main(swagger, folder, *crds):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    definitions = {name: strict(schema) for name, schema in json.loads(Path(swagger).read_text())["definitions"].items()}
    # A quantity may be written as a number, too.
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"]}
    for schema in list(definitions.values()):
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            if kind["kind"] in BUILT_IN:
                found = {}
                needed(schema, definitions, found)
                # kubeconform takes the version for the core group's name.
                group = kind["group"] or kind["version"]
                write(folder, kind["kind"], group, kind["version"], schema | {"definitions": found})
    for crd in crds:
        spec = json.loads(Path(crd).read_text())["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # The API server checks these itself.
            schema["properties"]["metadata"] = {"type": "object"}
            write(folder, spec["names"]["kind"], spec["group"], version["name"], schema)


main(*sys.argv[1:])
