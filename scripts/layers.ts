/**
 * Who may import whom, as data: the table of ARCHITECTURE.md. `check-layers.ts`
 * enforces it. A layer is the first folder below `src`; a file directly in `src`
 * is a layer of its own name.
 *
 * @module
 */

export interface LayerRule {
  /** Layers this one may import besides itself. */
  readonly layers: readonly string[];
  /** Single files of other layers it may import, where only an interface is allowed. */
  readonly files?: readonly string[];
  /** Built-in modules it may import; undefined means all. */
  readonly builtins?: readonly string[];
  /** npm packages it may import. */
  readonly packages?: readonly string[];
}

const storageInterface = ["storage/storage.ts", "storage/read-all.ts"];

export const layerRules: Readonly<Record<string, LayerRule>> = {
  domain: { layers: [], builtins: [] },
  format: { layers: ["domain"], builtins: ["node:crypto"] },
  encode: { layers: ["domain"] },
  storage: { layers: ["domain"] },
  source: { layers: ["domain"], files: ["format/sqlite/*"], packages: ["ignore"] },
  vault: { layers: ["domain", "format", "encode"], files: storageInterface },
  operations: {
    layers: ["domain", "source"],
    files: ["vault/vault.ts", "vault/maintenance.ts", "storage/storage.ts"],
    packages: ["ignore"],
  },
  contract: { layers: ["domain"], packages: ["zod"] },
  app: {
    layers: ["domain", "format", "encode", "storage", "source", "vault", "operations", "contract"],
    packages: ["yaml", "zod"],
  },
  cli: { layers: ["domain", "contract", "operations", "app"], packages: ["commander"] },
  main: { layers: ["cli"] },
  library: { layers: ["domain", "operations", "app"] },
};

/** What one import statement of one file names. */
export interface ImportEdge {
  /** Path below `src`, e.g. `vault/archive/list.ts`. */
  readonly from: string;
  /** Path below `src`, `node:...`, or a package name. */
  readonly to: string;
}

/** Says why `edge` is not allowed, or undefined where it is. */
export function layerViolation(edge: ImportEdge): string | undefined {
  const layer = layerOf(edge.from);
  const rule = layerRules[layer];
  if (rule === undefined) return `${edge.from}: layer "${layer}" is not in the table`;
  if (edge.to.startsWith("node:")) {
    return rule.builtins === undefined || rule.builtins.includes(edge.to)
      ? undefined
      : `${edge.from}: ${layer} must not import ${edge.to}`;
  }
  if (!edge.to.endsWith(".ts")) {
    return rule.packages?.includes(edge.to) === true
      ? undefined
      : `${edge.from}: ${layer} must not import the package ${edge.to}`;
  }
  const target = layerOf(edge.to);
  if (target === layer || rule.layers.includes(target)) return undefined;
  const allowed = rule.files?.some((file) =>
    file.endsWith("*") ? edge.to.startsWith(file.slice(0, -1)) : edge.to === file,
  );
  return allowed === true ? undefined : `${edge.from}: ${layer} must not import ${edge.to}`;
}

function layerOf(file: string): string {
  const slash = file.indexOf("/");
  return slash < 0 ? file.replace(/\.ts$/, "") : file.slice(0, slash);
}
