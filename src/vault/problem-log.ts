/**
 * Collects what could not be stored as it should, and what was stored.
 *
 * @module
 */

import type { Problem, ProblemKind } from "../domain/backup.ts";
import { incompleteKinds } from "../domain/backup.ts";
import { byteStringToDisplay } from "../domain/byte-string.ts";
import type { Entry } from "../domain/entry.ts";
import type { Observer } from "../domain/progress.ts";

/** Problems kept in full: enough for people, bounded for a folder in which everything fails. */
const problemsMax = 1000;

/** The problems of one backup. */
export class ProblemLog {
  readonly #observer: Observer;
  readonly problems: Problem[] = [];
  count = 0;
  incomplete = false;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  add(kind: ProblemKind, entry: Pick<Entry, "root" | "path">, message: string): void {
    const path = entry.path === "" ? entry.root : `${entry.root}/${byteStringToDisplay(entry.path)}`;
    const problem = { kind, path, message };
    this.count++;
    this.incomplete ||= incompleteKinds.has(kind);
    if (this.problems.length < problemsMax) this.problems.push(problem);
    this.#observer.problem(problem);
  }
}
