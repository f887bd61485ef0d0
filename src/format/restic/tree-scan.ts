/**
 * One node of a tree, read. Fields may come in any order; those that restic leaves out
 * where they are zero are zero; those we do not know are kept as they are.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { asByteString, byteStringToBytes } from "../../domain/byte-string.ts";
import type { JsonScanner } from "./json-scan.ts";
import type { NodeType, ObjectId, TreeNode } from "./model.ts";
import { isEntryName, unquoteName } from "./names.ts";
import { isNodeType, modeFromGo } from "./node.ts";

/** Longer than any file system's; 4,096 is the longest path Linux takes. */
const nameBytesMax = 4096;
/** Go's quoting makes up to five characters of a byte. */
const quotedNameBytesMax: number = 5 * nameBytesMax;
/** Of a target in base64, which is a path. */
const base64CharactersMax = 65_536;

const uint32Max = 0xffff_ffff;
/** What Go's zero time is in nanoseconds since 1970: the first second of the year 1. */
const zeroTimeNs = -62_135_596_800_000_000_000n;

/** A node while its fields come in. */
type Draft = { -readonly [Field in keyof TreeNode]: TreeNode[Field] } & { others?: Map<string, string> };

/** Takes the node the scanner stands before. @throws {BackupError} `damaged` */
export function takeNode(scanner: JsonScanner): TreeNode {
  const draft = emptyDraft();
  for (let key = scanner.firstKey(); key !== undefined; key = scanner.nextKey()) {
    if (scanner.takeNull()) keepNull(draft, key);
    else takeField(scanner, draft, key);
  }
  if (!isNodeType(draft.type)) throw scanner.damaged("a node without a type");
  if (!isEntryName(draft.name)) throw scanner.damaged("a name that no entry of a directory can have");
  return draft;
}

/** What a node says that says nothing. */
function emptyDraft(): Draft {
  return {
    name: asByteString(""),
    // Checked when all fields are in.
    type: "" as NodeType,
    mode: 0,
    mtimeNs: zeroTimeNs,
    atimeNs: zeroTimeNs,
    ctimeNs: zeroTimeNs,
    uid: 0,
    gid: 0,
    user: "",
    group: "",
    inode: 0n,
    deviceId: 0n,
    links: 0,
    sizeBytes: 0,
  };
}

function takeField(scanner: JsonScanner, draft: Draft, key: ByteString): void {
  switch (key) {
    case "name":
      draft.name = takeName(scanner);
      return;
    case "type":
      draft.type = scanner.takeString() as string as NodeType;
      return;
    case "mode":
      draft.mode = modeFromGo(scanner.takeWhole(uint32Max));
      return;
    case "mtime":
      draft.mtimeNs = scanner.takeTime();
      return;
    case "atime":
      draft.atimeNs = scanner.takeTime();
      return;
    case "ctime":
      draft.ctimeNs = scanner.takeTime();
      return;
    case "uid":
      draft.uid = scanner.takeWhole(uint32Max);
      return;
    case "gid":
      draft.gid = scanner.takeWhole(uint32Max);
      return;
    case "user":
      draft.user = scanner.takeText();
      return;
    case "group":
      draft.group = scanner.takeText();
      return;
    default:
      takePlaceField(scanner, draft, key);
  }
}

function takePlaceField(scanner: JsonScanner, draft: Draft, key: ByteString): void {
  switch (key) {
    case "inode":
      draft.inode = scanner.takeUint64();
      return;
    case "device_id":
      draft.deviceId = scanner.takeUint64();
      return;
    case "size":
      draft.sizeBytes = scanner.takeWhole(Number.MAX_SAFE_INTEGER);
      return;
    case "links":
      draft.links = scanner.takeWhole(Number.MAX_SAFE_INTEGER);
      return;
    case "linktarget":
      // The raw target, where there is one, is the true one.
      draft.linkTarget = takeTarget(scanner, draft);
      return;
    case "linktarget_raw":
      draft.linkTarget = takeBase64(scanner);
      return;
    case "content":
      draft.content = takeIds(scanner);
      return;
    case "subtree":
      draft.subtree = scanner.takeObjectId();
      return;
    default:
      keepOther(draft, key, scanner.takeRaw());
  }
}

function takeName(scanner: JsonScanner): ByteString {
  const text = scanner.takeString();
  if (text.length > quotedNameBytesMax) throw scanner.damaged("a name that is too long");
  const name = text.includes("\\") || text.includes('"') ? unquoteName(text) : text;
  if (name === undefined || name.length > nameBytesMax)
    throw scanner.damaged("a name that is too long or whose escapes are wrong");
  return name;
}

function takeTarget(scanner: JsonScanner, draft: Draft): ByteString {
  const text = scanner.takeString();
  return draft.linkTarget ?? text;
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function takeBase64(scanner: JsonScanner): ByteString {
  const text = scanner.takeString();
  if (text.length > base64CharactersMax || !base64.test(text))
    throw scanner.damaged("bytes that are not base64");
  return asByteString(Buffer.from(text, "base64").toString("latin1"));
}

function takeIds(scanner: JsonScanner): readonly ObjectId[] {
  const ids: ObjectId[] = [];
  for (let more = scanner.firstItem(); more; more = scanner.nextItem()) ids.push(scanner.takeObjectId());
  return ids;
}

/** Fields that mean nothing where they are null. */
const nullable: ReadonlySet<string> = new Set([
  ...["name", "type", "mode", "mtime", "atime", "ctime", "uid", "gid", "user", "group", "inode", "device_id"],
  ...["size", "links", "linktarget", "linktarget_raw", "content", "subtree"],
]);

function keepNull(draft: Draft, key: ByteString): void {
  if (!nullable.has(key)) keepOther(draft, key, "null");
}

function keepOther(draft: Draft, key: ByteString, json: string): void {
  draft.others ??= new Map();
  draft.others.set(byteStringToBytes(key).toString("utf8"), json);
}
