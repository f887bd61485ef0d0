/**
 * From the camelCase of our types to the snake_case of JSON, mechanically, so
 * that no field can be forgotten or spelled two ways. The schemas beside this
 * file say what must come out; types and tests hold the two together.
 *
 * @module
 */

type SnakeText<S extends string> = S extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeText<Rest>}`
  : S;

/** `T` with every property name, at every depth, in snake_case. */
export type SnakeCased<T> = T extends readonly (infer Item)[]
  ? readonly SnakeCased<Item>[]
  : T extends object
    ? { [Key in keyof T as Key extends string ? SnakeText<Key> : Key]: SnakeCased<T[Key]> }
    : T;

/** The JSON form of plain data: property names in snake_case, values untouched, undefined ones left out. */
export function toSnakeCase<T>(value: T): SnakeCased<T> {
  return convert(value) as SnakeCased<T>;
}

function convert(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(convert);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) =>
      item === undefined ? [] : [[snakeText(key), convert(item)] as const],
    ),
  );
}

const converted = new Map<string, string>();

/** Property names come from our types, so the memory of them is bounded. */
function snakeText(key: string): string {
  let name = converted.get(key);
  if (name === undefined) {
    name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    converted.set(key, name);
  }
  return name;
}
