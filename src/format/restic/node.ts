/**
 * One node of a tree, written exactly as restic writes it: a tree's id is the hash of
 * these bytes, and equal ids are what makes unchanged directories cost nothing. Source:
 * restic `internal/data/node.go`; `tree-scan.ts` reads nodes.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import {
  asByteString,
  byteStringFromText,
  byteStringToBytes,
  byteStringToUtf8,
} from "../../domain/byte-string.ts";
import { goJsonOthers, goJsonString, goJsonText } from "./go-json.ts";
import type { NodeType, TreeNode } from "./model.ts";
import { encodeName } from "./names.ts";
import { formatTime } from "./times.ts";

/** Types as Go's `fs.FileMode` has them; its bit 31 makes these numbers too large for JavaScript's bit operators. */
const typeBits: Readonly<Record<NodeType, number>> = {
  file: 0,
  dir: 2 ** 31,
  symlink: 2 ** 27,
  dev: 2 ** 26,
  chardev: 2 ** 26 + 2 ** 21,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  irregular: 2 ** 19,
};

/** Go's places for setuid, setgid and sticky, and Unix's. */
const specialBits: readonly (readonly [go: number, unix: number])[] = [
  [2 ** 23, 0o4000],
  [2 ** 22, 0o2000],
  [2 ** 20, 0o1000],
];

/** Fields of {@link TreeNode.others} that have a place of their own; all later ones come last. */
const placedBeforeContent = ["extended_attributes", "generic_attributes", "device"] as const;

/** Tells whether `text` names a type of node. */
export function isNodeType(text: string): text is NodeType {
  return Object.hasOwn(typeBits, text);
}

/** Unix permission bits of a Go `fs.FileMode`. */
export function modeFromGo(goMode: number): number {
  let mode = goMode & 0o777;
  for (const [go, unix] of specialBits) if ((goMode & go) !== 0) mode |= unix;
  return mode;
}

/**
 * The JSON text of a node, as bytes: each character of it is one. Times are written in the
 * time zone of this process.
 */
export function encodeNode(node: TreeNode): ByteString {
  const head = `{"name":${encodeName(node.name)},${encodeLooks(node.type, node.mode)}`;
  const middle = `${encodeTimes(node)}${encodeOwner(node)}${encodePlace(node)}`;
  return asByteString(`${head}${middle}${encodeTarget(node)}${encodeContent(node)}`);
}

function encodeLooks(type: NodeType, mode: number): string {
  const goMode = goModeOf(type, mode);
  return goMode === 0 ? `"type":"${type}"` : `"type":"${type}","mode":${goMode}`;
}

function goModeOf(type: NodeType, mode: number): number {
  let goMode = typeBits[type] + (mode & 0o777);
  for (const [go, unix] of specialBits) if ((mode & unix) !== 0) goMode += go;
  return goMode;
}

function encodeTimes({ mtimeNs, atimeNs, ctimeNs }: TreeNode): string {
  const mtime = formatTime(mtimeNs);
  const atime = atimeNs === mtimeNs ? mtime : formatTime(atimeNs);
  const ctime = ctimeNs === mtimeNs ? mtime : formatTime(ctimeNs);
  return `,"mtime":"${mtime}","atime":"${atime}","ctime":"${ctime}"`;
}

let lastOwner = { uid: -1, gid: -1, user: "", group: "", text: "" };

/** The owner stays the same for thousands of nodes, which is worth remembering. */
function encodeOwner({ uid, gid, user, group }: TreeNode): string {
  const last = lastOwner;
  if (last.uid !== uid || last.gid !== gid || last.user !== user || last.group !== group) {
    const names = `${optionalText("user", user)}${optionalText("group", group)}`;
    lastOwner = { uid, gid, user, group, text: `,"uid":${uid},"gid":${gid}${names}` };
  }
  return lastOwner.text;
}

let lastDevice = { id: 0n, text: "" };

function encodePlace({ inode, deviceId, sizeBytes, links }: TreeNode): string {
  if (lastDevice.id !== deviceId) {
    lastDevice = { id: deviceId, text: deviceId === 0n ? "" : `,"device_id":${deviceId}` };
  }
  const at = inode === 0n ? "" : `,"inode":${inode}`;
  const size = sizeBytes === 0 ? "" : `,"size":${sizeBytes}`;
  return `${at}${lastDevice.text}${size}${links === 0 ? "" : `,"links":${links}`}`;
}

/** A target that is not UTF-8 is written twice: as text, in part unreadable, and as it is (restic 0.16 and later). */
function encodeTarget({ linkTarget }: TreeNode): string {
  if (linkTarget === undefined || linkTarget === "") return "";
  const text = `,"linktarget":${goJsonString(linkTarget)}`;
  if (byteStringToUtf8(linkTarget) !== undefined) return text;
  return `${text},"linktarget_raw":"${byteStringToBytes(linkTarget).toString("base64")}"`;
}

function encodeContent({ content, subtree, others }: TreeNode): string {
  const ids = encodeIds(content);
  const tree = subtree === undefined ? "" : `,"subtree":"${subtree}"`;
  if (others === undefined) return `,"content":${ids}${tree}}`;
  const last = new Map(others);
  let first = "";
  for (const name of placedBeforeContent) {
    const json = others.get(name);
    if (json !== undefined) first += `,"${name}":${byteStringFromText(json)}`;
    last.delete(name);
  }
  // restic knows `error` and has it directly after the subtree.
  const error = others.get("error");
  last.delete("error");
  const errorText = error === undefined ? "" : `,"error":${byteStringFromText(error)}`;
  return `${first},"content":${ids}${tree}${errorText}${goJsonOthers(last)}}`;
}

function encodeIds(content: TreeNode["content"]): string {
  if (content === undefined) return "null";
  return content.length === 0 ? "[]" : `["${content.join('","')}"]`;
}

function optionalText(name: string, text: string): string {
  return text === "" ? "" : `,"${name}":${goJsonText(text)}`;
}
