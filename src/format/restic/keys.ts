/**
 * Files of `keys/`: the master key in an envelope whose key scrypt derives from a password.
 * The files are not encrypted, so every number in them may come from a stranger.
 * Source: restic's `doc/design.rst`, "Keys, Encryption and MAC".
 *
 * @module
 */

import { randomBytes, scrypt } from "node:crypto";
import { BackupError, isBackupError } from "../../domain/error.ts";
import { encodeMasterKey, masterKeyFromBytes, openBox, parseMasterKey, sealBox } from "./crypto-box.ts";
import type { KeyDocument, MasterKey } from "./model.ts";

/** What guessing a password costs: memory of 128 × N × r bytes, work in proportion to N × r × p. */
export interface ScryptCost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** Who adds a key, for the list of keys. */
export interface KeyOwner {
  /** RFC 3339. */
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
}

const saltBytes = 64;
const derivedBytes = 64;

/** A key file has about 450 bytes; a longer one than this is not one. */
const maxKeyFileBytes = 65_536;
/** Eight times what any restic chooses (60 MB), twice what rustic does; keeps a hostile file from taking all memory. */
const maxScryptMemoryBytes = 512 * 1024 * 1024;
/** Sixteen times what restic's 500 ms come to here: some ten seconds at worst. */
const maxScryptWork = 2 ** 25;

/** restic's: the largest N whose 128 × N × r bytes stay under its 60 MB. */
const chosenN = 32_768;
const chosenR = 8;
/** The most that restic 0.14 ever chose in 32 tries on our 2.1 GHz reference machine; it mostly takes 8, restic 0.19 mostly 7. */
const leastP = 9;
const mostP = 64;
/**
 * restic takes as many passes as fit into 500 ms (https://github.com/elithrar/simple-scrypt). The rest is for our trial,
 * which is shorter than restic's: touching the memory for the first time weighs 2 to 4 % more in it.
 */
const budgetMs = 520;
const trialCost: ScryptCost = { N: chosenN, r: chosenR, p: 4 };
/** The fastest counts: whatever else the machine does must not make a key weaker. */
const trials = 2;

/** Reads a key file; whatever it is not is `damaged`, another key derivation than scrypt `unsupported`. */
export function parseKeyFile(bytes: Uint8Array): KeyDocument {
  if (bytes.length > maxKeyFileBytes) throw damagedKeyFile(`it has ${bytes.length} bytes`);
  const document = parseObject(bytes);
  const kdf = document["kdf"];
  if (typeof kdf === "string" && kdf !== "scrypt") {
    throw new BackupError(
      "unsupported",
      `Cannot read a key file: its key derivation is ${JSON.stringify(kdf)}, wanted "scrypt"`,
    );
  }
  const key: KeyDocument = {
    created: textField(document, "created"),
    username: textField(document, "username"),
    hostname: textField(document, "hostname"),
    kdf: "scrypt",
    N: countField(document, "N"),
    r: countField(document, "r"),
    p: countField(document, "p"),
    salt: bytesField(document, "salt"),
    data: bytesField(document, "data"),
  };
  if (kdf === undefined) throw damagedKeyFile("it names no key derivation");
  if (key.salt.length !== saltBytes) throw damagedKeyFile(`its salt has ${key.salt.length} bytes, wanted 64`);
  return key;
}

/** restic's JSON of a key file, in its order of fields. */
export function encodeKeyFile(key: KeyDocument): Buffer {
  const { created, username, hostname, kdf, N, r, p } = key;
  const salt = Buffer.from(key.salt).toString("base64");
  const data = Buffer.from(key.data).toString("base64");
  return Buffer.from(JSON.stringify({ created, username, hostname, kdf, N, r, p, salt, data }));
}

/**
 * The master key, or undefined where the password is not this key file's.
 *
 * @throws BackupError `unsafe` where opening would take more memory or time than any honest key does.
 */
export async function openKeyFile(key: KeyDocument, password: string): Promise<MasterKey | undefined> {
  const userKey = await deriveKey(password, key.salt, key);
  let plain: Buffer;
  try {
    plain = openBox(userKey, key.data);
  } catch (error) {
    if (isBackupError(error, "damaged")) return undefined;
    throw error;
  }
  return parseMasterKey(plain);
}

/** A key file that opens `master` with `password`. Takes half a second on purpose, and as long again to find the cost. */
export async function sealKeyFile(
  master: MasterKey,
  password: string,
  owner: KeyOwner,
  cost: ScryptCost | undefined = undefined,
): Promise<KeyDocument> {
  const { N, r, p } = cost ?? (await calibrateCost());
  const salt = new Uint8Array(randomBytes(saltBytes));
  const userKey = await deriveKey(password, salt, { N, r, p });
  const { created, username, hostname } = owner;
  const data = new Uint8Array(sealBox(userKey, encodeMasterKey(master)));
  return { created, username, hostname, kdf: "scrypt", N, r, p, salt, data };
}

/** The cost for new keys on this machine, and never less than a fixed floor. */
async function calibrateCost(): Promise<ScryptCost> {
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let trial = 0; trial < trials; trial++) {
    const startedAtMs = performance.now();
    await deriveKey("", new Uint8Array(saltBytes), trialCost);
    fastestMs = Math.min(fastestMs, performance.now() - startedAtMs);
  }
  return chooseCost(fastestMs / trialCost.p);
}

/**
 * What restic chooses where one pass (N 32768, p 1) takes `passMs`, rounded up where restic rounds down:
 * a trial that came out a few percent too slow still gives no weaker key.
 */
export function chooseCost(passMs: number): ScryptCost {
  const p = Math.min(mostP, Math.max(leastP, Math.ceil(budgetMs / passMs)));
  return { N: chosenN, r: chosenR, p };
}

async function deriveKey(password: string, salt: Uint8Array, cost: ScryptCost): Promise<MasterKey> {
  const { N, r, p } = cost;
  const memoryBytes = 128 * r * (N + p);
  if (memoryBytes > maxScryptMemoryBytes || N * r * p > maxScryptWork) {
    throw new BackupError(
      "unsafe",
      `Cannot open a key file: it asks for scrypt with N ${N}, r ${r}, p ${p}`,
      {
        hint: "No program chooses so much; look at who wrote the file, and remove it from the repository's folder keys.",
      },
    );
  }
  const isPowerOfTwo = N > 1 && Number.isInteger(Math.log2(N));
  if (!isPowerOfTwo || r < 1 || p < 1) throw damagedKeyFile(`scrypt cannot run with N ${N}, r ${r}, p ${p}`);
  // Some slack over the formula: the library counts its own small buffers too.
  const options = { N, r, p, maxmem: memoryBytes + 1024 * 1024 };
  const derived = await new Promise<Buffer>((resolve, reject) => {
    scrypt(Buffer.from(password, "utf8"), salt, derivedBytes, options, (error, bytes) => {
      if (error === null) resolve(bytes);
      else reject(error);
    });
  });
  return masterKeyFromBytes(derived);
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch (error) {
    throw damagedKeyFile("it is not JSON", error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw damagedKeyFile("it is no JSON object");
  return value as Record<string, unknown>;
}

function textField(document: Readonly<Record<string, unknown>>, name: string): string {
  const value = document[name] ?? "";
  if (typeof value !== "string") throw damagedKeyFile(`its field ${name} is not text`);
  return value;
}

function countField(document: Readonly<Record<string, unknown>>, name: string): number {
  const value = document[name];
  if (!Number.isSafeInteger(value)) throw damagedKeyFile(`its field ${name} is not a whole number`);
  return value as number;
}

function bytesField(document: Readonly<Record<string, unknown>>, name: string): Uint8Array {
  return new Uint8Array(Buffer.from(textField(document, name), "base64"));
}

function damagedKeyFile(state: string, cause?: unknown): BackupError {
  return new BackupError("damaged", `Cannot read a key file: ${state}`, { cause });
}
