// What the release scripts rely on: versions, pins and licences of the packages, and the order in which they are published.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { freshPath } from "../support/workFolder.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly files: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

function read(name: string) {
  return JSON.parse(readFileSync(join(root, name), "utf8"));
}

const folders = [...readdirSync(join(root, "packages")).map((name) => `packages/${name}`), ""];
const packages: readonly Manifest[] = folders.map((folder) => read(join(folder, "package.json")));
const bidora = packages.at(-1)!;

describe("the packages of a release", () => {
  test("have one version, and ask each other for exactly this one", () => {
    expect(new Set(packages.map(({ version }) => version))).toEqual(new Set([bidora.version]));
    const asked = packages.flatMap(({ dependencies, devDependencies, optionalDependencies, peerDependencies }) =>
      Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies }).filter(
        ([name]) => /^(@bidora\/|bidora$)/.test(name),
      ),
    );
    // @bidora/ai-sdk asks for bidora, and nothing asks for it.
    expect(asked.map(([name]) => name).sort()).toEqual(
      packages.map(({ name }) => name).filter((name) => name !== "@bidora/ai-sdk"),
    );
    expect(new Set(asked.map(([, version]) => version))).toEqual(new Set([bidora.version]));
  });

  test("are in the lock file with this version", () => {
    const { version, packages: locked } = read("package-lock.json");
    expect(version).toBe(bidora.version);
    for (const [index, folder] of folders.entries()) {
      expect(locked[folder].version, folder).toBe(bidora.version);
      expect(locked[folder].optionalDependencies, folder).toEqual(packages[index]!.optionalDependencies);
    }
  });

  test("are published under the licence that they carry, by name, from a repository that the workflow fills in", () => {
    for (const [index, folder] of folders.entries()) {
      const manifest = packages[index]!;
      expect(readFileSync(join(root, folder, "LICENSE"), "utf8"), folder).toContain("Apache License");
      expect(existsSync(join(root, folder, "README.md")), folder).toBe(true);
      expect(manifest.license, folder).toBe("Apache-2.0");
      expect(manifest.description, folder).toMatch(/^\S.*[^.]$/);
      expect(manifest.files, folder).toBeInstanceOf(Array);
      for (const field of ["private", "repository", "homepage", "bugs"])
        expect(manifest, folder).not.toHaveProperty(field);
    }
  });

  test("are versioned together, and the changelog begins with their version", () => {
    expect(read(".changeset/config.json")).toMatchObject({ fixed: [["bidora", "@bidora/*"]], access: "public" });
    expect(readFileSync(join(root, "CHANGELOG.md"), "utf8")).toMatch(`# bidora\n\n## ${bidora.version}\n`);
    expect(bidora.files).toContain("CHANGELOG.md");
  });
});

describe("publishing", () => {
  const folder = freshPath("tarballs");
  const tools = freshPath("tools");

  /** A tarball as npm packs it, with nothing but a package.json. */
  function pack(name: string, version: string): void {
    const source = freshPath("source");
    mkdirSync(join(source, "package"), { recursive: true });
    writeFileSync(join(source, "package/package.json"), JSON.stringify({ name, version }));
    const file = join(folder, `${name.replace("@", "").replace("/", "-")}.tgz`);
    spawnSync("tar", ["-czf", file, "-C", source, "package"]);
  }

  /** Runs the script with an npm that only says what it was called with, and knows one published package. */
  function publish(...options: string[]) {
    const env = { ...process.env, PATH: `${tools}:${process.env.PATH}` };
    const script = join(root, "scripts/release/publish.js");
    const at = { cwd: dirname(folder), encoding: "utf8", env } as const;
    return spawnSync(process.execPath, [script, basename(folder), ...options], at);
  }

  beforeAll(() => {
    for (const made of [folder, tools]) mkdirSync(made, { recursive: true });
    const published = `@bidora/text-metrics@${bidora.version}`;
    const npm = `#!/bin/sh\ncase "$1 $2" in "view ${published}") echo 1 ;; view*) exit 1 ;; *) echo "npm $*" ;; esac\n`;
    writeFileSync(join(tools, "npm"), npm);
    chmodSync(join(tools, "npm"), 0o755);
  });

  test("stops before the first package if one is missing or has another version", () => {
    for (const { name } of packages.slice(1)) pack(name, bidora.version);
    expect(publish().stderr).toContain(`has no tarball of ${packages[0]!.name}.`);
    pack(packages[0]!.name, "0.0.9");
    const { stdout, stderr } = publish();
    expect(stderr).toContain(`has version 0.0.9 instead of ${bidora.version}.`);
    expect(stdout).toBe("");
  });

  test("puts bidora last, after all that it depends on, and passes over what is published", () => {
    for (const { name } of packages) pack(name, bidora.version);
    const { status, stdout } = publish();
    expect(status).toBe(0);
    const called = Array.from(stdout.matchAll(/^npm publish \/\S+\/(\S+)\.tgz (.*)$/gm), ([, name, how]) => [
      name,
      how,
    ]);
    const how = "--access public --tag latest --provenance";
    expect(called).toEqual(
      ["bidora-ai-sdk", "bidora-chat-template", "bidora-linux-arm64-gnu", "bidora-linux-x64-gnu", "bidora"].map(
        (name) => [name, how],
      ),
    );
    expect(stdout).toContain(`==> @bidora/text-metrics ${bidora.version} is published already\n`);
  });

  test("publishes nothing in a dry run, and refuses other options", () => {
    const { stdout } = publish("--dry-run");
    expect(stdout.match(/--dry-run$/gm)).toHaveLength(5);
    expect(stdout).not.toContain("--provenance");
    expect(publish("--dryrun").stderr).toContain("usage: node scripts/release/publish.js FOLDER [--dry-run]");
  });
});
