/**
 * Turns a list of paths into gitignore-style excludes that leave out everything
 * else. Pure.
 *
 * @module
 */

/**
 * Excludes under which a walk comes to these paths and to nothing else but the folders on
 * the way.
 *
 * @param paths Relative, "/" between components, none of them empty
 */
export function onlyPatterns(paths: readonly string[]): readonly string[] {
  const patterns = ["/*"];
  const opened = new Set<string>();
  for (const path of paths) {
    const components = path.split("/").map(escaped);
    for (let depth = 1; depth < components.length; depth++) {
      const folder = components.slice(0, depth).join("/");
      if (opened.has(folder)) continue;
      opened.add(folder);
      patterns.push(`!/${folder}/`, `/${folder}/*`);
    }
    patterns.push(`!/${components.join("/")}`);
  }
  return patterns;
}

/** What means itself only behind a backslash, gitignore(5). */
function escaped(component: string): string {
  return component.replace(/[\\*?[\]!# ]/g, "\\$&");
}
