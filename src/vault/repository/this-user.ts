/**
 * The account this process runs under, as keys, locks and snapshots name it for
 * people. Nothing is decided by it.
 *
 * @module
 */

import { userInfo } from "node:os";

export interface ThisUser {
  /** Empty where the account has no name, as in many containers. */
  readonly username: string;
  /** 0 where a system has no such numbers, which is what restic writes there. */
  readonly uid: number;
  readonly gid: number;
}

/** Never fails. */
export function readThisUser(): ThisUser {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  try {
    return { username: userInfo().username, uid, gid };
  } catch {
    return { username: "", uid, gid };
  }
}
