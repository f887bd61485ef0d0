/**
 * Who started a run, written into locks and into the names of unfinished files,
 * and what another process can prove about it later (I7, I8). Pure: what this
 * machine knows about itself comes from `storage/this-machine.ts`.
 *
 * @module
 */

/** One process on one machine, described so that a later process can tell whether it is still there. */
export interface RunOwner {
  /** Host name. Machines that share a vault must have different ones; containers of one machine need not. */
  readonly host: string;
  /** Random id of this start of the kernel, shared by all containers on the machine; empty where unknown. */
  readonly bootId: string;
  readonly pid: number;
  /** What makes `pid` unique under one kernel; empty where unknown. */
  readonly pidNamespace: string;
  /** When the process started, in the kernel's ticks, so that a pid used again is not taken for alive; empty where unknown. */
  readonly startedTicks: string;
}

/** What the running process knows about the machine it is on. */
export interface ThisMachine {
  /** The running process itself. */
  readonly owner: RunOwner;
  /** Start ticks of a process of our own pid namespace: empty if it is there but they are unknown, undefined if there is no such process. */
  startTicksOf(pid: number): string | undefined;
}

/**
 * - `alive`: that very process is running
 * - `gone`: proven to have ended
 * - `unknown`: it runs, or ran, where we cannot look
 */
export type OwnerState = "alive" | "gone" | "unknown";

/** Names that many machines carry and that therefore tell nothing. */
const namesOfNobody: ReadonlySet<string> = new Set(["", "localhost", "localhost.localdomain", "(none)"]);

/**
 * Tells what can be proven about the process that `owner` names.
 *
 * - Same boot id: the same running kernel, whatever the host name, because
 *   containers have names of their own. Its processes can be looked up only from
 *   the same pid namespace. A namespace's number is used again only after all of
 *   its processes ended, so a missing pid under an equal number proves the end too.
 * - Different boot ids under one host name: the machine was started again since.
 * - Anything else may be another machine, and stays unknown.
 */
export function ownerState(owner: RunOwner, machine: ThisMachine): OwnerState {
  const here = machine.owner;
  if (owner.bootId !== here.bootId) {
    const bothKnown = owner.bootId !== "" && here.bootId !== "";
    return bothKnown && owner.host === here.host && !namesOfNobody.has(owner.host) ? "gone" : "unknown";
  }
  // Where a system has no boot id, only its host name says that this is the same machine.
  if (owner.bootId === "" && (owner.host !== here.host || namesOfNobody.has(owner.host))) return "unknown";
  if (owner.pidNamespace === "" || owner.pidNamespace !== here.pidNamespace) return "unknown";
  const ticks = machine.startTicksOf(owner.pid);
  if (ticks === undefined) return "gone";
  if (ticks === "" || owner.startedTicks === "") return "unknown";
  return ticks === owner.startedTicks ? "alive" : "gone";
}

/** Tells whether the process has certainly ended, so that what it left may be cleaned and its lock broken. */
export function isProvablyGone(owner: RunOwner, machine: ThisMachine): boolean {
  return ownerState(owner, machine) === "gone";
}

/** Every unfinished file's name starts with this; no stored object's does. */
export const unfinishedPrefix = ".tmp-";

/** A host name of more is cut: Linux allows 64, and a file name has 255 bytes for everything. */
const hostCharactersMax = 64;

const unfinishedPattern = /^\.tmp-([^,]*),([^,]*),([^,]*),(\d{1,15}),(\d*)-/;

/**
 * A file name that says who is writing the file. Files under such names in a
 * storage, or in its staging directory, are cleaned once their owner is gone.
 * What a program puts behind the name (`-journal`, `-wal`) is cleaned like it.
 *
 * @param unique makes it unique among the owner's files: letters and digits
 */
export function unfinishedName(owner: RunOwner, unique: string): string {
  const { host, bootId, pidNamespace } = fieldsOf(owner);
  return `${unfinishedPrefix}${host},${bootId},${pidNamespace},${owner.pid},${owner.startedTicks}-${unique}`;
}

/** What {@link unfinishedName} says about a file; undefined where a name does not say it. */
export function stateOfUnfinished(name: string, machine: ThisMachine): OwnerState | undefined {
  const match = unfinishedPattern.exec(name);
  if (match === null) return undefined;
  const [, host = "", bootId = "", pidNamespace = "", pid = "", startedTicks = ""] = match;
  const owner: RunOwner = { host, bootId, pid: Number(pid), pidNamespace, startedTicks };
  // Names carry the fields in their written form, so ours is compared in that form too.
  const here: RunOwner = { ...machine.owner, ...fieldsOf(machine.owner) };
  return ownerState(owner, { owner: here, startTicksOf: (id) => machine.startTicksOf(id) });
}

/** The text fields of an owner, without what a file name or the pattern cannot carry. */
function fieldsOf(owner: RunOwner): Pick<RunOwner, "host" | "bootId" | "pidNamespace"> {
  const written = (text: string): string => text.replace(/[^A-Za-z0-9._-]/g, "_");
  return {
    host: written(owner.host.slice(0, hostCharactersMax)),
    bootId: written(owner.bootId),
    pidNamespace: written(owner.pidNamespace),
  };
}
