// Prints the definitions of the Elastic Common Schema's fields that logs can use, from its authors' package:
//
//     npm install --no-save --prefix DIR @elastic/ecs@9.4.0
//     NODE_PATH=DIR/node_modules node tests/tools/ecs_fields.js >tests/fixtures/ecs/fields.json
const { EcsFlat, EcsVersion } = require("@elastic/ecs");

const SETS = /^(@timestamp|message|labels|ecs|error|event|log|orchestrator|rule|server|service|tls)(\.|$)/;
const fields = {};
for (const [name, field] of Object.entries(EcsFlat)) {
  if (!SETS.test(name)) continue;
  fields[name] = { type: field.type, list: field.normalize.includes("array") };
  if (field.allowed_values) fields[name].allowed = field.allowed_values.map((value) => value.name);
}
const lines = Object.entries(fields).map(([name, field]) => `  ${JSON.stringify(name)}: ${JSON.stringify(field)}`);
console.log(`{"version": ${JSON.stringify(EcsVersion)}, "fields": {\n${lines.join(",\n")}\n}}`);
