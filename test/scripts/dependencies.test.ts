import { readFileSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

interface Dependency {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  readonly brings: readonly string[];
}

const tree = new URL("../../scripts/dependencies/tree.js", import.meta.url).href;
const { dependencies, problems } = (await import(tree)) as {
  dependencies(packages: object, sources: string): { installed: Dependency[]; bundled: Dependency[] };
  problems(packages: object, found: object, reasons: object): string[];
};

const root = fileURLToPath(new URL("../..", import.meta.url));
const json = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8"));
const { packages } = json("package-lock.json");
const found = dependencies(packages, join(root, "src"));

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(
    (entry) => entry.isFile() && !entry.parentPath.slice(folder.length).includes("node_modules"),
  );
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

describe("the packages that bidora needs", () => {
  test("have a reason and a permissive license each", () => {
    expect(problems(packages, found, json("scripts/dependencies/reasons.json"))).toEqual([]);
  });

  test("take 10 MB at most", async () => {
    const folders = found.installed.flatMap(({ folder, brings }) => [folder, ...brings]);
    for (const folder of folders) expect(await bytesIn(join(root, folder)), folder).toBeLessThan(10e6);
  });

  test("run no script when they are installed", () => {
    for (const { folder, brings } of found.installed) {
      for (const at of [folder, ...brings]) expect(packages[at].hasInstallScript, at).toBeUndefined();
    }
  });

  test("have their licenses in the package if their code is part of the bundle", () => {
    const licenses = readFileSync(join(root, "dist/THIRD-PARTY-LICENSES.txt"), "utf8");
    for (const { name, version } of found.bundled) expect(licenses).toContain(`\n${name} ${version}\n`);
    for (const within of ["@huggingface/jinja", "porter2", "d3-shape", "css-select"])
      expect(licenses).toMatch(new RegExp(`^${within} \\d`, "m"));
    expect(licenses).toContain("Princeton University");
  });
});

test.each([
  ["a dependency without a reason", { a: { license: "MIT" } }, {}, "a has no reason in reasons.json"],
  [
    "a reason without a dependency",
    { a: { license: "MIT" } },
    { a: "x", b: "x" },
    "reasons.json has b, which is not a dependency",
  ],
  [
    "a license that is not permissive",
    { a: { license: "MIT AND GPL-3.0" } },
    { a: "x" },
    "a has the license MIT AND GPL-3.0",
  ],
  ["a dependency without a license", { a: {} }, { a: "x" }, "a has the license undefined"],
  [
    "the same of a package that a dependency brings, below it",
    {
      a: { license: "MIT", dependencies: { b: "1" } },
      b: { license: "MIT" },
      "a/node_modules/b": { license: "GPL-2.0" },
    },
    { a: "x" },
    "b has the license GPL-2.0",
  ],
])("%s is a problem", (_, entries, reasons, problem) => {
  const folders = Object.entries(entries).map(([name, entry]) => [`node_modules/${name}`, entry]);
  const lock = { "": { dependencies: { a: "1" } }, ...Object.fromEntries(folders) };
  expect(problems(lock, dependencies(lock, join(root, "src")), reasons)).toEqual([problem]);
});
