/**
 * Where everything is built and how it will be swapped: the targets, with what is
 * known of their places, laid out as areas of a restore journal. Pure.
 *
 * @module
 */

import { asByteString, type ByteString, byteStringToDisplay } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { absolutePath } from "../../source/tree/entry-path.ts";
import { isInside, type LiveTarget, type SwapArea } from "../../source/swap/restore-journal.ts";
import { previousName, stagingName } from "../../source/swap/staging-names.ts";
import type { TargetPlace } from "../../source/swap/staging-place.ts";
import type { RestoreTarget } from "./targets.ts";

export interface PlacedTarget {
  readonly target: RestoreTarget;
  readonly place: TargetPlace;
}

export interface LayoutFacts {
  readonly restoreId: string;
  /** Are only parts of folders restored? */
  readonly partial: boolean;
  /** Are databases that exist written through SQLite? */
  readonly live: boolean;
  /** Every mount point of this machine. */
  readonly mounts: ReadonlySet<ByteString>;
  /** Real absolute paths of our own: vault and state. */
  readonly own: readonly ByteString[];
  /** Real absolute paths of declared databases, and what belongs to them, that are not restored: they stay where they are. */
  readonly keep: readonly ByteString[];
}

/** A target with the path it is built at. */
export interface StagedTarget extends PlacedTarget {
  readonly stagedPath: ByteString;
  /** Where it is built; with the target that it lies in, it comes to `stagedPath` when that has been built. */
  readonly builtPath: ByteString;
  /** Another target that it lies in. */
  readonly insideOf: StagedTarget | undefined;
  /** Present where the names in it are swapped one by one; the rules of that. */
  readonly oneByOne: { readonly area: number; readonly replace: boolean } | undefined;
}

export interface Layout {
  readonly staged: readonly StagedTarget[];
  /** Slots are still missing where targets are swapped one by one: they depend on what is built. */
  readonly areas: readonly SwapArea[];
  readonly live: readonly LiveTarget[];
}

/**
 * Lays out a restore.
 *
 * @throws {BackupError} `unsafe` or `unsupported` for places that cannot be restored to, each by name
 */
export function layOut(targets: readonly PlacedTarget[], facts: LayoutFacts): Layout {
  const layout = new LayoutBuilder(facts);
  // What holds others comes before what lies in it.
  const ordered = targets.toSorted((a, b) => a.place.path.length - b.place.path.length);
  for (const placed of ordered) layout.add(placed);
  return layout.finish();
}

class LayoutBuilder {
  readonly #facts: LayoutFacts;
  readonly #areas: SwapArea[] = [];
  readonly #staged: StagedTarget[] = [];
  readonly #live: LiveTarget[] = [];

  constructor(facts: LayoutFacts) {
    this.#facts = facts;
  }

  finish(): Layout {
    return { staged: this.#staged, areas: this.#areas, live: this.#live };
  }

  add(placed: PlacedTarget): void {
    checkPlace(placed, this.#facts);
    const outer = this.#staged.findLast(
      (other) => other.target.kind === "folder" && isInside(placed.place.path, other.place.path),
    );
    if (this.#isLive(placed)) this.#addLive(placed);
    else if (outer !== undefined) this.#addInside(placed, outer);
    else if (this.#isOneByOne(placed)) this.#addOneByOne(placed);
    else this.#addWhole(placed);
  }

  #isLive({ target, place }: PlacedTarget): boolean {
    return this.#facts.live && target.kind === "database" && place.state === "file";
  }

  #addLive(placed: PlacedTarget): void {
    if (placed.target.kind !== "database") return;
    const { name, parent } = placed.place;
    const container = absolutePath(parent, stagingName(name, this.#facts.restoreId));
    const stagedPath = absolutePath(container, name);
    this.#push(placed, stagedPath);
    this.#live.push({
      name: placed.target.name,
      path: placed.target.path,
      imagePath: stagedPath,
      journalMode: placed.target.database.journalMode,
    });
  }

  #addInside(placed: PlacedTarget, outer: StagedTarget): void {
    const relative = placed.place.path.slice(outer.place.path.length + 1);
    const stagedPath = absolutePath(outer.stagedPath, asByteString(relative));
    const index = this.#areas.findIndex((area) => area.targets.includes(outer.target.path));
    const container = this.#areas[index]?.container ?? outer.stagedPath;
    const builtPath = absolutePath(container, asByteString(`.inside-${this.#staged.length}`));
    this.#staged.push({ ...placed, stagedPath, builtPath, insideOf: outer, oneByOne: undefined });
    this.#addTarget(index, placed);
  }

  /** A folder that stays where it is, while what is in it is swapped. */
  #isOneByOne({ target, place }: PlacedTarget): boolean {
    if (target.kind !== "folder" || place.state !== "directory") return false;
    const { partial, mounts, keep, own } = this.#facts;
    if (partial || place.name === "" || mounts.has(place.path)) return true;
    return [...own, ...keep].some((kept) => isInside(kept, place.path));
  }

  #push(placed: PlacedTarget, stagedPath: ByteString, oneByOne?: StagedTarget["oneByOne"]): void {
    this.#staged.push({ ...placed, stagedPath, builtPath: stagedPath, insideOf: undefined, oneByOne });
  }

  #addOneByOne(placed: PlacedTarget): void {
    const { path, parent, name } = placed.place;
    const { restoreId, mounts, partial } = this.#facts;
    // A rename cannot leave a mount, so everything has to lie inside.
    const mounted = name === "" || mounts.has(path);
    const [home, visible] = mounted ? [path, asByteString("")] : [parent, name];
    const container = absolutePath(home, stagingName(visible, restoreId));
    // One deeper, so that the container stays private whatever mode the folder has.
    const staging = absolutePath(container, asByteString("tree"));
    const area = this.#areas.length;
    this.#areas.push({
      place: path,
      staging,
      container,
      previous: absolutePath(home, previousName(visible, restoreId)),
      slots: [],
      targets: [placed.target.path],
    });
    this.#push(placed, staging, { area, replace: !partial });
  }

  #addWhole(placed: PlacedTarget): void {
    const { path, parent, name, state } = placed.place;
    const { restoreId } = this.#facts;
    const staging = absolutePath(parent, stagingName(name, restoreId));
    // Below the first folder that has to be made, the rest of the path is built with it.
    const stagedPath = asByteString(staging + path.slice(parent === "/" ? 0 : parent.length));
    this.#push(placed, stagedPath);
    const shared = this.#areas.findIndex((area) => area.staging === staging);
    if (shared >= 0) {
      this.#addTarget(shared, placed);
      return;
    }
    const own = absolutePath(parent, name) === path;
    const database = placed.target.kind === "database" && own;
    this.#areas.push({
      place: parent,
      staging,
      container: staging,
      previous: absolutePath(parent, previousName(name, restoreId)),
      slots: [{ name, arrives: true, database: database && state !== "directory" }],
      targets: [placed.target.path],
    });
  }

  #addTarget(index: number, placed: PlacedTarget): void {
    const area = this.#areas[index];
    if (area !== undefined) this.#areas[index] = { ...area, targets: [...area.targets, placed.target.path] };
  }
}

function checkPlace({ target, place }: PlacedTarget, { mounts, own, live, partial }: LayoutFacts): void {
  const display = byteStringToDisplay(place.path);
  const wanted = target.kind === "database" ? "file" : "directory";
  if (place.state !== "absent" && place.state !== wanted) {
    throw new BackupError(
      "unsafe",
      `Cannot restore ${target.kind} ${target.name} to ${display}: it is a ${place.state}`,
      {
        hint: "Move what is there out of the way, or restore into another folder with --target.",
      },
    );
  }
  if (target.kind === "database" && mounts.has(place.path) && !live) {
    throw new BackupError(
      "unsupported",
      `Cannot restore ${target.name} to ${display}: the file itself is a mount`,
      {
        hint: "Write through SQLite into the mounted file with --live, or mount the folder it lies in.",
      },
    );
  }
  if (own.some((kept) => place.path === kept || isInside(place.path, kept))) {
    throw new BackupError(
      "invalid-input",
      `Cannot restore ${target.name} to ${display}: backups are kept there`,
      {
        hint: "Restore into a folder outside the vault and the state folder.",
      },
    );
  }
  const below = [...mounts].find((mount) => isInside(mount, place.path));
  if (target.kind !== "folder" || below === undefined || partial) return;
  throw new BackupError(
    "unsupported",
    `Cannot replace folder ${display}: ${byteStringToDisplay(below)} is mounted inside it`,
    { hint: "Unmount it for the restore, or restore into another folder with --target." },
  );
}
