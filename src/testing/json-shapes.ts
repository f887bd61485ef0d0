/**
 * Writes zod schemas as tables for people, for `docs/json.md`.
 *
 * @module
 */

import { z } from "zod";

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

/** A table of the fields of a schema. Parts with a name of their own are only referred to. */
export function shapeTable(schema: z.ZodType): string {
  return tableOf(z.toJSONSchema(schema) as JsonSchema);
}

/** The table of each named part of these schemas, by name. */
export function namedShapes(schemas: readonly z.ZodType[]): Map<string, string> {
  const definitions = schemas.flatMap((schema) =>
    Object.entries((z.toJSONSchema(schema) as JsonSchema).$defs ?? {}),
  );
  return new Map(definitions.map(([name, definition]) => [name, tableOf(definition)]));
}

function tableOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return `${typeName(schema)}\n`;
  return ["| field | type | meaning |", "|---|---|---|", ...rows(schema, ""), ""].join("\n");
}

function rows(schema: JsonSchema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix + name;
    const optional = schema.required?.includes(name) === true ? "" : "?";
    const row = `| \`${path}${optional}\` | ${typeName(field)} | ${field.description ?? ""} |`;
    const inner = objectInside(field);
    return inner === undefined ? [row] : [row, ...rows(inner.schema, `${path}${inner.mark}`)];
  });
}

/** The fields below a field, with how their path goes on. */
function objectInside(field: JsonSchema): { schema: JsonSchema; mark: string } | undefined {
  if (field.properties !== undefined) return { schema: field, mark: "." };
  if (field.items !== undefined) {
    const inner = objectInside(field.items);
    return inner && { schema: inner.schema, mark: `[]${inner.mark}` };
  }
  const alternative = field.anyOf?.find((option) => option.properties !== undefined);
  return alternative && { schema: alternative, mark: "." };
}

function typeName(field: JsonSchema): string {
  if (field.$ref !== undefined) {
    const name = field.$ref.split("/").at(-1)!;
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (field.enum !== undefined) return field.enum.map((value) => `\`${value}\``).join(", ");
  if (field.anyOf !== undefined) return field.anyOf.map(typeName).join(" or ");
  if (field.items !== undefined) return `list of ${typeName(field.items)}`;
  return String(field.type);
}
