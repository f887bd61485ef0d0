/**
 * Judges the entries of a foreign archive one after the other, and refuses
 * everything that could reach outside of the folder it is restored into.
 *
 * @module
 */

import { basename } from "node:path/posix";
import type { ByteString } from "../../../domain/byte-string.ts";
import { asByteString, byteStringToDisplay, byteStringToUtf8 } from "../../../domain/byte-string.ts";
import type { StoredEntry } from "../../../domain/entry.ts";
import { BackupError } from "../../../domain/error.ts";
import { tarNameBytesMax } from "../../../format/archive/tar-header.ts";
import type { TarBlock } from "../../../format/archive/tar-parse.ts";

/** Names are remembered to find what is below a link or comes twice; about 200 MB at this many. */
const entriesMax = 1_000_000;

/** Set-user and set-group bits of files are not taken from strangers. */
const fileModeMask = 0o1777;

/** Turns header blocks into entries. Sees each once, in the order of the archive. */
export class ForeignEntries {
  readonly #archiveName: string;
  /** Kind of every path so far, with its root. */
  readonly #seen = new Map<string, StoredEntry["kind"]>();
  /** Root of what lies in no folder: named after the archive. */
  readonly #looseRoot: string;
  #hasLoose = false;
  #hasFolderOfThatName = false;

  constructor(archiveName: string) {
    this.#archiveName = archiveName;
    const stem = basename(archiveName).replace(/\.(?:tar\.gz|tgz)$/i, "");
    // "...tar.gz" must not lead out of the target.
    this.#looseRoot = /^\.{0,2}$/.test(stem) ? "files" : stem;
  }

  /** The entry; undefined for a top that is not a folder of its own ("./"). @throws {BackupError} `unsafe`, `unsupported` */
  accept(block: TarBlock): StoredEntry | undefined {
    const name = block.name.replace(/^(?:\.\/+)+/, "").replace(/\/+$/, "");
    if (name === "" || name === ".") return undefined;
    this.#checkName(name);
    const { root, path } = this.#place(name, block.type === "5");
    const entry = this.#describe(block, root, path);
    this.#remember(entry, name);
    return entry;
  }

  /** The first part of a name is its root; what lies in no folder gets a root of its own. */
  #place(name: string, isFolder: boolean): Pick<StoredEntry, "root" | "path"> {
    const slash = name.indexOf("/");
    if (slash < 0 && !isFolder) {
      this.#hasLoose = true;
      this.#refuseMixed();
      return { root: this.#looseRoot, path: asByteString(name) };
    }
    const root = byteStringToUtf8(asByteString(slash < 0 ? name : name.slice(0, slash)));
    if (root === undefined) throw this.#unsafe("has a folder whose name is not UTF-8", name);
    if (root === this.#looseRoot) {
      this.#hasFolderOfThatName = true;
      this.#refuseMixed();
    }
    return { root, path: asByteString(slash < 0 ? "" : name.slice(slash + 1)) };
  }

  /** Both would go into one folder, where one could take the name of the other. */
  #refuseMixed(): void {
    if (!this.#hasLoose || !this.#hasFolderOfThatName) return;
    throw new BackupError(
      "unsupported",
      `Cannot read ${this.#archiveName}: it holds files outside of any folder and a folder of its own name`,
      { hint: "Give the archive another name." },
    );
  }

  #describe(block: TarBlock, root: string, path: ByteString): StoredEntry {
    const { uid, gid, mtimeNs } = block;
    const common = { root, path, uid, gid, mtimeNs, ctimeNs: 0n, inode: 0n };
    switch (block.type) {
      case "5":
        return { ...common, kind: "directory", mode: block.mode & 0o7777, sizeBytes: 0 };
      case "0":
      case "7":
        return { ...common, kind: "file", mode: block.mode & fileModeMask, sizeBytes: block.sizeBytes };
      case "1":
        return {
          ...common,
          kind: "file",
          mode: block.mode & fileModeMask,
          sizeBytes: 0,
          hardLinkTo: this.#hardLinkTarget(block, root),
        };
      case "2":
        return {
          ...common,
          kind: "symlink",
          mode: block.mode & 0o777,
          sizeBytes: 0,
          linkTarget: this.#linkTarget(block, path),
        };
      default:
        throw this.#unsafe(`has a special file (type ${JSON.stringify(block.type)})`, block.name);
    }
  }

  #checkName(name: string): void {
    const bad =
      name.length > tarNameBytesMax ||
      name.startsWith("/") ||
      /(?:^|\/)\.{0,2}(?:\/|$)/.test(name) ||
      name.includes("\0");
    if (bad) throw this.#unsafe("has a name that leads out of it", name);
  }

  #hardLinkTarget(block: TarBlock, root: string): ByteString {
    const target = block.linkName.replace(/^(?:\.\/+)+/, "");
    this.#checkName(target);
    const isFile = this.#seen.get(target) === "file";
    const place = isFile ? this.#place(target, false) : undefined;
    if (place?.root === root) return place.path;
    throw this.#unsafe("has a hard link to something that is no earlier file of the same folder", block.name);
  }

  /**
   * A link may point anywhere within its root. Steps up are taken at the start only: after
   * the name of another link, which may be planted, nobody can say where they lead.
   */
  #linkTarget(block: TarBlock, path: ByteString): ByteString {
    const target = block.linkName;
    const steps = target.split("/").filter((part) => part !== "" && part !== ".");
    const up = steps.lastIndexOf("..") + 1;
    const depth = path.split("/").length - 1;
    const inside = up <= depth && steps.slice(0, up).every((part) => part === "..");
    const wellFormed = target !== "" && !target.startsWith("/") && !target.includes("\0");
    if (!inside || !wellFormed || target.length > tarNameBytesMax) {
      throw this.#unsafe("has a link that leads out of it", block.name);
    }
    return asByteString(target);
  }

  #remember(entry: StoredEntry, name: string): void {
    const before = this.#seen.get(name);
    if (before !== undefined && !(before === "directory" && entry.kind === "directory")) {
      throw this.#unsafe("has a name twice", name);
    }
    for (let slash = name.indexOf("/"); slash > 0; slash = name.indexOf("/", slash + 1)) {
      const above = this.#seen.get(name.slice(0, slash));
      if (above !== undefined && above !== "directory")
        throw this.#unsafe("has an entry below something that is no folder", name);
    }
    if (this.#seen.size >= entriesMax) throw this.#unsafe(`has more than ${entriesMax} entries`, name);
    this.#seen.set(name, entry.kind);
  }

  #unsafe(what: string, name: string): BackupError {
    const shown = byteStringToDisplay(asByteString(name.slice(0, 200)));
    return new BackupError("unsafe", `Cannot read ${this.#archiveName}: it ${what}: ${shown}`, {
      hint: "Look at the archive with tar before you trust it.",
    });
  }
}
