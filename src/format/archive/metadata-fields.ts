/**
 * Reads the fields of a JSON document that somebody else may have written:
 * unknown fields are passed over, everything that is used is bounded.
 *
 * @module
 */

/** Longest path the program keeps: Linux allows 4,096 bytes, and a byte may take four characters to display. */
export const pathCharactersMax = 16_384;
/** Host names, source names, messages: anything that is one sentence or less. */
export const textCharactersMax = 2_000;

/** One JSON object. Every method throws `SyntaxError`, naming the field, where the field is not what it should be. */
export class MetadataFields {
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new SyntaxError(`${where} is not an object`);
    }
    this.#record = value as Readonly<Record<string, unknown>>;
    this.#where = where;
  }

  has(name: string): boolean {
    return this.#record[name] !== undefined;
  }

  text(name: string, charactersMax: number = textCharactersMax): string {
    const value = this.#record[name];
    if (typeof value !== "string" || value.length > charactersMax) throw this.#wrong(name, "a text");
    return value;
  }

  /** A text that the pattern fits; the pattern is anchored. */
  matching(name: string, pattern: RegExp): string {
    const value = this.text(name);
    if (!pattern.test(value)) throw this.#wrong(name, "a text of the wanted form");
    return value;
  }

  oneOf<T extends string>(name: string, words: readonly T[]): T {
    const value = this.#record[name];
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw this.#wrong(name, `one of ${words.join(", ")}`);
    return word;
  }

  /** A whole number of at least 0. */
  count(name: string): number {
    return this.wholeFrom(name, 0);
  }

  wholeFrom(name: string, minimum: number): number {
    const value = this.#record[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < minimum) {
      throw this.#wrong(name, `a whole number of at least ${minimum}`);
    }
    return value;
  }

  flag(name: string): boolean {
    const value = this.#record[name];
    if (typeof value !== "boolean") throw this.#wrong(name, "true or false");
    return value;
  }

  /** Milliseconds since 1970 of an ISO time. */
  time(name: string): number {
    const ms = Date.parse(this.text(name));
    if (Number.isNaN(ms)) throw this.#wrong(name, "a time");
    return ms;
  }

  fields(name: string): MetadataFields {
    return new MetadataFields(this.#record[name], `${this.#where}.${name}`);
  }

  texts(name: string, countMax: number, charactersMax: number = textCharactersMax): readonly string[] {
    return this.#list(name, countMax).map((value) => {
      if (typeof value !== "string" || value.length > charactersMax)
        throw this.#wrong(name, "a list of texts");
      return value;
    });
  }

  objects<T>(name: string, countMax: number, parse: (fields: MetadataFields) => T): readonly T[] {
    return this.#list(name, countMax).map((value, i) =>
      parse(new MetadataFields(value, `${this.#where}.${name}[${i}]`)),
    );
  }

  #list(name: string, countMax: number): readonly unknown[] {
    const value = this.#record[name];
    if (!Array.isArray(value) || value.length > countMax) throw this.#wrong(name, "a list");
    return value;
  }

  #wrong(name: string, wanted: string): SyntaxError {
    return new SyntaxError(`${this.#where}.${name} is not ${wanted}`);
  }
}
