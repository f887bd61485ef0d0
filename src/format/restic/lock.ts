/**
 * A file of `locks/`: who works on the repository. Source: restic `doc/design.rst`,
 * "Locks", and `internal/repository/lock_file.go`. Ours say more about their owner in
 * a field of our own, which restic does not read.
 *
 * @module
 */

import { DocumentFields } from "./document-fields.ts";
import { goJsonText } from "./go-json.ts";
import type { LockDocument } from "./model.ts";
import { parseTime } from "./times.ts";

const ownerField = "vertex_backup";

/** The plain bytes of a lock. */
export function encodeLock(lock: LockDocument): Buffer {
  const who = `"hostname":${goJsonText(lock.hostname)},"username":${goJsonText(lock.username)},"pid":${lock.pid}`;
  const ids = `${lock.uid === 0 ? "" : `,"uid":${lock.uid}`}${lock.gid === 0 ? "" : `,"gid":${lock.gid}`}`;
  const text = `{"time":${goJsonText(lock.time)},"exclusive":${lock.exclusive},${who}${ids}${encodeOwner(lock)}}`;
  return Buffer.from(text, "latin1");
}

function encodeOwner({ owner }: LockDocument): string {
  if (owner === undefined) return "";
  const namespace = goJsonText(owner.pidNamespace);
  const ticks = goJsonText(owner.startedTicks);
  return `,"${ownerField}":{"boot_id":${goJsonText(owner.bootId)},"pid_namespace":${namespace},"started_ticks":${ticks}}`;
}

/** @throws {BackupError} `damaged` */
export function parseLock(bytes: Uint8Array): LockDocument {
  const fields = new DocumentFields(bytes, "a lock");
  const time = fields.text("time");
  if (time === undefined) throw fields.damaged("time");
  const owner = parseOwner(fields.object(ownerField));
  return {
    time,
    timeMs: Number(parseTime(time) / 1_000_000n),
    exclusive: fields.boolean("exclusive"),
    hostname: fields.text("hostname") ?? "",
    username: fields.text("username") ?? "",
    pid: fields.whole("pid"),
    uid: fields.whole("uid"),
    gid: fields.whole("gid"),
    ...(owner === undefined ? {} : { owner }),
  };
}

function parseOwner(fields: DocumentFields | undefined): LockDocument["owner"] {
  if (fields === undefined) return undefined;
  return {
    bootId: fields.text("boot_id") ?? "",
    pidNamespace: fields.text("pid_namespace") ?? "",
    startedTicks: fields.text("started_ticks") ?? "",
  };
}
