// The packed package in another project, where npm has put what it depends on beside it.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packedProject, root } from "./packedProject.js";

const { folder: project, installed, env, bidora } = packedProject();
afterAll(() => rmSync(project, { recursive: true }));

/** What the compiler complains of in the project. */
function compiled(...words: string[]): string {
  return spawnSync(join(root, "node_modules", ".bin", "tsc"), words, { cwd: project, encoding: "utf8" }).stdout;
}

describe("an installed package", () => {
  beforeAll(() => void expect(bidora("setup").status).toBe(0));

  test("has types, examples and documentation, and can be imported by name", () => {
    const readme = readFileSync(join(installed, "README.md"), "utf8");
    const linked = Array.from(readme.matchAll(/\]\((?!https?:)([^)#]+)/g), ([, path]) => path as string);
    expect(linked).toContain("docs/options.md");
    for (const path of ["dist/index.d.ts", "LICENSE", ...linked]) {
      expect(existsSync(join(installed, path)), path).toBe(true);
    }
    const script = 'import("bidora").then((library) => console.log(typeof library.finetune))';
    expect(execFileSync(process.execPath, ["-e", script], { cwd: project, encoding: "utf8" })).toBe("function\n");
  });

  test("has the JSON Schema that init names in run files", () => {
    const rows = Array.from({ length: 6 }, (_, i) => `the boat ${i},${i % 2}\n`).join("");
    writeFileSync(join(project, "train.csv"), `text,label\n${rows}`);
    expect(bidora("init", "train.csv", "--no-estimate")).toMatchObject({ status: 0 });
    const [, schema] = /\$schema=(\S+)/.exec(readFileSync(join(project, "run.yaml"), "utf8")) ?? [];
    expect(schema).toBe("./node_modules/bidora/schema/run.schema.json");
    expect(existsSync(join(project, schema!))).toBe(true);
  });

  test("has the metrics of texts, but not METEOR's dictionary", () => {
    expect(existsSync(join(project, "node_modules/wordnet"))).toBe(false);
    const script = `import("bidora").then(({ metrics: { bleu, meteor } }) => {
      console.log(bleu().result([bleu().measure(["a b c d"], "a b c d", 1)]));
      try { meteor().measure(["a"], "a", 1) } catch (error) { console.log(error.code, error.message) }
    })`;
    expect(execFileSync(process.execPath, ["-e", script], { cwd: project, encoding: "utf8" })).toMatch(
      /^\{ bleu: 1 \}\nWORDNET_MISSING METEOR .* is not installed: run `npm install wordnet`\.\n$/,
    );
  });

  test("serves a TypeScript project: its types are complete, and a program that uses them runs", () => {
    const source = `import { finetune, type FinetuneSettings, type Metrics, nn, type RunEvent, type Task, regression, torch } from "bidora";
const settings: FinetuneSettings = { model: "nowhere", method: "dora", rank: 4 };
export const start = (watch: (event: RunEvent) => void): Promise<Metrics> =>
  finetune(settings, { observers: [watch] }).then(({ metrics }) => metrics);
const task: Task = regression;
const layer = new nn.Linear(2, 1);
// @ts-expect-error a rank is a number
export const wrong = () => finetune({ model: "nowhere", rank: "4" });
console.log(task.peftTaskType, settings.rank, layer.inFeatures, torch.tensor([1, 2]).shape);
`;
    writeFileSync(join(project, "program.ts"), source);
    // The console comes from the DOM's types: a project need not have Node's.
    const compilerOptions = { target: "es2023", lib: ["es2023", "dom"], module: "nodenext", strict: true, types: [] };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    writeFileSync(join(project, "package.json"), '{ "type": "module" }');
    expect(compiled("-p", ".")).toBe("");
    expect(execFileSync(process.execPath, ["program.js"], { cwd: project, env, encoding: "utf8" })).toBe(
      "SEQ_CLS 4 2 [ 2 ]\n",
    );
  });

  test("builds before it is published", () => {
    const { scripts } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    expect(scripts.prepack).toContain("npm run build");
  });
});
