/**
 * The document `config` of a repository. It is sealed, but never compressed. Source:
 * restic `doc/design.rst`, "Repository Format", and `internal/restic/config.go`.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import { DocumentFields } from "./document-fields.ts";
import type { ConfigDocument } from "./model.ts";

/** Hexadecimal, of degree 53: bit 53 is the highest that is set. */
const polynomialOfDegree53 = /^[23][0-9a-f]{13}$/;

/** The plain bytes of `config`. */
export function encodeConfig({ version, id, chunkerPolynomial }: ConfigDocument): Buffer {
  const polynomial = chunkerPolynomial.toString(16);
  return Buffer.from(`{"version":${version},"id":"${id}","chunker_polynomial":"${polynomial}"}`);
}

/**
 * What `config` says. Whether the polynomial is irreducible is not checked here.
 *
 * @throws {BackupError} `damaged`; `unsupported` for a newer format
 */
export function parseConfig(bytes: Uint8Array): ConfigDocument {
  const fields = new DocumentFields(bytes, "the configuration of a repository");
  const version = fields.whole("version");
  if (version > 2) {
    throw new BackupError(
      "unsupported",
      `Cannot read a repository: its format is ${version}, known are 1 and 2`,
      {
        hint: "Use a newer version of Vertex Backup, or the version of restic that made it.",
      },
    );
  }
  if (version !== 1 && version !== 2) throw fields.damaged("version");
  const id = fields.objectId("id");
  if (id === undefined) throw fields.damaged("id");
  const polynomial = fields.text("chunker_polynomial") ?? "";
  if (!polynomialOfDegree53.test(polynomial)) throw fields.damaged("chunker_polynomial");
  return { version, id, chunkerPolynomial: BigInt(`0x${polynomial}`) };
}
