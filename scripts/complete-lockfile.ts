/**
 * `node scripts/complete-lockfile.ts`, after every change of dependencies: takes
 * registry addresses out of the lock file and names every optional package of
 * other platforms in it. npm leaves those out that a registry mirror does not
 * carry, and `npm ci` then refuses the lock file it wrote itself.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";

interface LockedPackage {
  version?: string;
  resolved?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const operatingSystems = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const processors = [
  "arm64",
  "arm",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
];

const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
  packages: Record<string, LockedPackage>;
};
for (const locked of Object.values(lock.packages)) {
  delete locked.resolved;
  for (const [name, version] of Object.entries(locked.optionalDependencies ?? {})) {
    lock.packages[`node_modules/${name}`] ??= platformPackage(name, version, locked.dev === true);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);

/** An entry npm never fetches on this machine; on its own platform npm takes name and version from it. */
function platformPackage(name: string, version: string, dev: boolean): LockedPackage {
  const parts = name.split(/[-/]/);
  const os = operatingSystems.filter((system) => parts.includes(system));
  const cpu = processors.filter((processor) => parts.includes(processor));
  // An entry without a platform would be installed everywhere.
  if (cpu.length === 0) cpu.push(...(parts.includes("wasi") ? ["wasm32"] : ["none"]));
  const libc = parts.includes("musl") ? ["musl"] : parts.includes("gnu") ? ["glibc"] : [];
  return {
    version,
    cpu,
    dev,
    optional: true,
    ...(os.length > 0 ? { os } : {}),
    ...(libc.length > 0 ? { libc } : {}),
  };
}
