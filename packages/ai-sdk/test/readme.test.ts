// The README's example as a user runs it: installed packages, plain Node.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { load } from "bidora";
import { beforeAll, expect, test } from "vitest";
import { chatModel, freshFolder } from "./models.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const program = readme.split("```js\n")[1]!.split("```")[0]!;
const project = freshFolder();
const model = chatModel();

/** Puts a package where Node finds it. */
function install(name: string, from: string): void {
  const target = join(project, "node_modules", name);
  mkdirSync(join(target, ".."), { recursive: true });
  symlinkSync(join(root, from), target);
}

beforeAll(() => {
  execFileSync("npm", ["run", "--silent", "build", "-w", "@bidora/ai-sdk"], { cwd: root });
  const own = join(project, "node_modules/@bidora/ai-sdk");
  mkdirSync(own, { recursive: true });
  for (const part of ["dist", "package.json"])
    cpSync(join(root, "packages/ai-sdk", part), join(own, part), { recursive: true });
  for (const name of ["ai", "@ai-sdk/provider"]) install(name, `node_modules/${name}`);
  mkdirSync(join(project, "runs"));
  symlinkSync(model, join(project, "runs/chat"));
});

const run = () =>
  spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: project,
    encoding: "utf8",
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });

test("without bidora, it says what to install", () => {
  expect(run().stderr).toContain("The package bidora is not installed: npm install bidora");
});

test("with bidora, it prints the answer of the model", async () => {
  install("bidora", "");
  const { status, stdout, stderr } = run();
  expect([status, stderr]).toEqual([0, ""]);
  using own = await load({ model });
  const { text } = await own.generate([{ role: "user", content: "Why is the sky blue?" }], { maxNewTokens: 40 });
  expect(stdout).toBe(text);
});
