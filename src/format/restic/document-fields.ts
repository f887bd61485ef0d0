/**
 * The fields of a small document (config, snapshot, lock), each as the JSON text it is
 * until somebody asks for it; those nobody asks for are what the document says besides.
 *
 * @module
 */

import { byteStringToBytes } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { JsonScanner } from "./json-scan.ts";
import type { ObjectId } from "./model.ts";

const objectId = /^[0-9a-f]{64}$/;

/** Takes fields out of a document, checking each. */
export class DocumentFields {
  readonly #fields = new Map<string, string>();
  readonly #what: string;

  /**
   * @param what names the document in messages: "a snapshot"
   * @throws {BackupError} `damaged`, as do all methods
   */
  constructor(bytes: Uint8Array, what: string) {
    this.#what = what;
    const scanner = new JsonScanner(bytes, what);
    for (let key = scanner.firstKey(); key !== undefined; key = scanner.nextKey()) {
      this.#fields.set(byteStringToBytes(key).toString("utf8"), scanner.takeRaw());
    }
    scanner.finish();
  }

  /** Text, or undefined where the field is absent or null. */
  text(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === "string") return value;
    throw this.damaged(name);
  }

  /** A list of texts; empty where the field is absent or null. */
  texts(name: string): readonly string[] {
    const value = this.#take(name) ?? [];
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    throw this.damaged(name);
  }

  /** A whole number from 0 to 2^53 - 1; 0 where the field is absent or null. */
  whole(name: string): number {
    const value = this.#take(name) ?? 0;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.damaged(name);
  }

  /** False where the field is absent or null. */
  boolean(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value === "boolean") return value;
    throw this.damaged(name);
  }

  objectId(name: string): ObjectId | undefined {
    const id = this.text(name);
    if (id === undefined || objectId.test(id)) return id;
    throw this.damaged(name);
  }

  /** The fields of an object inside the document. */
  object(name: string): DocumentFields | undefined {
    const json = this.#fields.get(name);
    this.#fields.delete(name);
    if (json === undefined || json === "null") return undefined;
    return new DocumentFields(Buffer.from(json), `${name} of ${this.#what}`);
  }

  /** All that was not asked for, as JSON text by name; undefined where there is nothing. */
  others(): ReadonlyMap<string, string> | undefined {
    return this.#fields.size === 0 ? undefined : this.#fields;
  }

  /** The error to throw for a field that makes no sense. */
  damaged(name: string): BackupError {
    return new BackupError("damaged", `Cannot read ${this.#what}: its field ${name} is missing or wrong`);
  }

  #take(name: string): unknown {
    const json = this.#fields.get(name);
    this.#fields.delete(name);
    return json === undefined ? undefined : (JSON.parse(json) ?? undefined);
  }
}
