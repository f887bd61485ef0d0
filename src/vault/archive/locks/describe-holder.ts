/**
 * Who holds an archive vault, in words.
 *
 * @module
 */

import type { Run } from "../bytes/runs.ts";
import type { RunPurpose } from "./run-document.ts";

const doing: Readonly<Record<RunPurpose, string>> = {
  create: "making a backup",
  hold: "reading backups",
  remove: "removing backups",
  clean: "cleaning up",
};

/** The end of "Cannot lock the vault: ". */
export function describeHolder(holders: readonly Run[]): string {
  const document = holders[0]?.document;
  if (document === undefined) return "a run that this version knows nothing about holds it";
  const { host, pid } = document.owner;
  return `process ${pid} on ${host} has been ${doing[document.purpose]} since ${document.startedAt}`;
}
