/**
 * restic's envelope around everything it stores: 16 bytes of random IV, AES-256-CTR, 16 bytes of
 * Poly1305-AES over the ciphertext. Source: `doc/design.rst`, "Keys, Encryption and MAC".
 *
 * @module
 */

import {
  type Cipheriv,
  type Decipheriv,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
  randomFillSync,
  timingSafeEqual,
} from "node:crypto";
import { BackupError } from "../../domain/error.ts";
import type { MasterKey } from "./model.ts";
import { piecesOf, poly1305, poly1305PieceBytes } from "./poly1305.ts";

const cipherName = "aes-256-ctr";
const ivBytes = 16;
const macBytes = 16;
const aesKeyBytes = 32;
const macKeyPartBytes = 16;

/** How much longer an envelope is than what is inside. */
export const boxOverheadBytes: number = ivBytes + macBytes;

/** Decrypted at once where no MAC is computed: fewer calls, and still what the processor's cache holds. */
const unprovenPieceBytes = 128 * 1024;

/** What is smaller costs more to give back than to leave to the collector. */
const releasedBytesMin = 1024;

/** Random bytes are fetched for this many IVs at once: a call costs as much as encrypting 2 KiB. */
const ivsFetched = 256;

/** What is made from a master key once, since importing it again for each box costs more than a small box. */
interface Ciphers {
  readonly encrypt: KeyObject;
  /** AES-128 of single blocks under `k`: ECB keeps no state between blocks, so that one cipher serves for ever. */
  readonly nonce: Cipheriv;
  /** `r`, then room for the encrypted IV. */
  readonly oneTimeKey: Uint8Array;
}

const ciphersByKey = new WeakMap<MasterKey, Ciphers>();
const ivPool = Buffer.alloc(ivsFetched * ivBytes);
let ivPoolAt = ivPool.length;

/** A fresh key from the system's random numbers. */
export function newMasterKey(): MasterKey {
  return {
    encrypt: randomBytes(aesKeyBytes),
    mac: { k: randomBytes(macKeyPartBytes), r: randomBytes(macKeyPartBytes) },
  };
}

/** The master key inside 64 bytes, as scrypt yields them: AES key, `k`, `r`. */
export function masterKeyFromBytes(bytes: Uint8Array): MasterKey {
  const macStart = aesKeyBytes + macKeyPartBytes;
  return {
    encrypt: bytes.slice(0, aesKeyBytes),
    mac: { k: bytes.slice(aesKeyBytes, macStart), r: bytes.slice(macStart, macStart + macKeyPartBytes) },
  };
}

/** restic's JSON of a key, in its order of fields. */
export function encodeMasterKey(key: MasterKey): Buffer {
  const mac = { k: base64(key.mac.k), r: base64(key.mac.r) };
  return Buffer.from(JSON.stringify({ mac, encrypt: base64(key.encrypt) }));
}

/** Reads {@link encodeMasterKey}'s JSON; anything else, and a key of zeros, is `damaged`. */
export function parseMasterKey(bytes: Uint8Array): MasterKey {
  const parts = parseJson(bytes);
  const mac = objectOf(parts["mac"]);
  return {
    encrypt: keyPart(parts["encrypt"], aesKeyBytes),
    mac: { k: keyPart(mac["k"], macKeyPartBytes), r: keyPart(mac["r"], macKeyPartBytes) },
  };
}

/** `plain` in a new envelope. */
export function sealBox(key: MasterKey, plain: Uint8Array): Buffer {
  const box = Buffer.allocUnsafe(plain.length + boxOverheadBytes);
  sealBoxInto(key, plain, box, 0);
  return box;
}

/** Writes `plain` in an envelope into `target` at `offset`, which may not overlap; returns the bytes written. */
export function sealBoxInto(key: MasterKey, plain: Uint8Array, target: Uint8Array, offset: number): number {
  const written = plain.length + boxOverheadBytes;
  if (offset + written > target.length) {
    throw new BackupError("bug", `Cannot seal ${plain.length} bytes: ${target.length - offset} are free`);
  }
  const ciphers = ciphersOf(key);
  const iv = nextIv();
  target.set(iv, offset);
  const cipher = createCipheriv(cipherName, ciphers.encrypt, iv);
  const ciphertext = transformInto(cipher, plain, target, offset + ivBytes);
  target.set(poly1305(oneTimeKey(ciphers, iv), ciphertext), offset + written - macBytes);
  return written;
}

/**
 * What is inside an envelope. I6: the MAC comes first, and nothing is decrypted that fails it.
 * Too short, an IV of zeros, and any changed byte are `damaged`.
 */
export function openBox(key: MasterKey, box: Uint8Array): Buffer {
  const iv = ivOf(box);
  const ciphertext = box.subarray(ivBytes, box.length - macBytes);
  const ciphers = ciphersOf(key);
  checkMac(poly1305(oneTimeKey(ciphers, iv), piecesOf(ciphertext)), box);
  return createDecipheriv(cipherName, ciphers.encrypt, iv).update(ciphertext);
}

/**
 * As {@link openBox}, into memory of the caller's: bytes pass through the processor's cache once, and
 * no buffer is made for them. Where it throws, what `target` holds means nothing and is not to be used (I6).
 *
 * @param target At least as long as what is inside; may not overlap the envelope
 * @returns How many bytes were inside
 */
export function openBoxInto(key: MasterKey, box: Uint8Array, target: Uint8Array): number {
  assertRoom(box, target);
  return openBoxInPieces(key, box, (plain, at) => target.set(plain, at));
}

/**
 * As {@link openBoxInto} without the MAC: what a changed box gives is changed bytes. Only for plain bytes whose
 * SHA-256 is known from something that passed its own MAC, and is compared before anybody uses them (I6).
 *
 * @throws {BackupError} `damaged` for a box that is too short, and for an IV of zeros
 */
export function decryptUnproven(key: MasterKey, box: Uint8Array, target: Uint8Array): number {
  assertRoom(box, target);
  const iv = ivOf(box);
  const ciphertext = box.subarray(ivBytes, box.length - macBytes);
  const decipher = createDecipheriv(cipherName, ciphersOf(key).encrypt, iv);
  for (let at = 0; at < ciphertext.length; at += unprovenPieceBytes) {
    const plain = decipher.update(ciphertext.subarray(at, at + unprovenPieceBytes));
    target.set(plain, at);
    releasePiece(plain);
  }
  return ciphertext.length;
}

/**
 * As {@link openBoxInto}, handing over piece after piece, each valid during the call only.
 *
 * @param take Gets plain bytes and where they belong. Nothing of them may be used before this returns (I6)
 */
export function openBoxInPieces(
  key: MasterKey,
  box: Uint8Array,
  take: (plain: Uint8Array, at: number) => void,
): number {
  const iv = ivOf(box);
  const ciphertext = box.subarray(ivBytes, box.length - macBytes);
  const ciphers = ciphersOf(key);
  const decipher = createDecipheriv(cipherName, ciphers.encrypt, iv);
  checkMac(poly1305(oneTimeKey(ciphers, iv), openedPieces(decipher, ciphertext, take)), box);
  return ciphertext.length;
}

function assertRoom(box: Uint8Array, target: Uint8Array): void {
  const length = box.length - boxOverheadBytes;
  if (length > target.length)
    throw new BackupError("bug", `Cannot open ${length} bytes: ${target.length} are free`);
}

function ivOf(box: Uint8Array): Uint8Array {
  if (box.length < boxOverheadBytes) {
    throw new BackupError(
      "damaged",
      `Cannot open an encrypted box: it has ${box.length} bytes, wanted 32 or more`,
    );
  }
  const iv = box.subarray(0, ivBytes);
  if (iv.some((byte) => byte !== 0)) return iv;
  throw new BackupError("damaged", "Cannot open an encrypted box: its IV is all zeros");
}

function checkMac(mac: Uint8Array, box: Uint8Array): void {
  if (timingSafeEqual(mac, box.subarray(box.length - macBytes))) return;
  throw new BackupError("damaged", "Cannot open an encrypted box: its MAC does not fit its bytes");
}

/** Yields each piece of the ciphertext, and decrypts it while it is in the cache. */
function* openedPieces(
  decipher: Decipheriv,
  ciphertext: Uint8Array,
  take: (plain: Uint8Array, at: number) => void,
): Generator<Uint8Array> {
  for (let at = 0; at < ciphertext.length; at += poly1305PieceBytes) {
    const piece = ciphertext.subarray(at, at + poly1305PieceBytes);
    yield piece;
    const plain = decipher.update(piece);
    take(plain, at);
    releasePiece(plain);
  }
}

/** Given back at once: the collector counts what is outside its heap, and would run for every few megabytes of it. */
function releasePiece(piece: Buffer<ArrayBuffer>): void {
  if (piece.length >= releasedBytesMin && piece.buffer.byteLength === piece.length) piece.buffer.transfer(0);
}

/** Encrypts piece by piece, and yields each once it is in its place. */
function* transformInto(
  cipher: Cipheriv,
  plain: Uint8Array,
  target: Uint8Array,
  offset: number,
): Generator<Uint8Array> {
  for (let at = 0; at < plain.length; at += poly1305PieceBytes) {
    const piece = cipher.update(plain.subarray(at, at + poly1305PieceBytes));
    target.set(piece, offset + at);
    yield piece;
    releasePiece(piece);
  }
}

/** The key of Poly1305-AES for one box: `r`, and the IV encrypted under `k`. Overwritten by the next call. */
function oneTimeKey(ciphers: Ciphers, iv: Uint8Array): Uint8Array {
  ciphers.oneTimeKey.set(ciphers.nonce.update(iv), macKeyPartBytes);
  return ciphers.oneTimeKey;
}

function ciphersOf(key: MasterKey): Ciphers {
  const known = ciphersByKey.get(key);
  if (known !== undefined) return known;
  const ciphers: Ciphers = {
    encrypt: createSecretKey(key.encrypt),
    nonce: createCipheriv("aes-128-ecb", key.mac.k, null).setAutoPadding(false),
    oneTimeKey: Uint8Array.from([...key.mac.r, ...Buffer.alloc(ivBytes)]),
  };
  ciphersByKey.set(key, ciphers);
  return ciphers;
}

/** Each part of the pool is handed out once; the next fetch overwrites it, when its box is long sealed. */
function nextIv(): Uint8Array {
  if (ivPoolAt === ivPool.length) {
    randomFillSync(ivPool);
    ivPoolAt = 0;
  }
  ivPoolAt += ivBytes;
  return ivPool.subarray(ivPoolAt - ivBytes, ivPoolAt);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function parseJson(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    // The parser's message quotes what it read, which may be the key.
    value = undefined;
  }
  return objectOf(value);
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw damagedKey("it is not the JSON of a key");
  return value as Record<string, unknown>;
}

function keyPart(text: unknown, wantedBytes: number): Uint8Array {
  if (typeof text !== "string") throw damagedKey("a part of it is missing");
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== wantedBytes)
    throw damagedKey(`a part has ${bytes.length} bytes, wanted ${wantedBytes}`);
  if (bytes.every((byte) => byte === 0)) throw damagedKey("a part of it is all zeros");
  return new Uint8Array(bytes);
}

function damagedKey(state: string): BackupError {
  return new BackupError("damaged", `Cannot read the master key: ${state}`);
}
