// The packed package as Node, bundlers and TypeScript load it.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type InputOptions, rolldown } from "rolldown";
import { afterAll, describe, expect, test } from "vitest";
import { packedProject, root } from "./packedProject.js";

const { folder: project, installed, tarball, env } = packedProject();
afterAll(() => rmSync(project, { recursive: true }));

/** What a tool of this repository says in the project. */
const said = (tool: string, ...words: string[]): string =>
  spawnSync(join(root, "node_modules", ".bin", tool), words, {
    cwd: project,
    env: { ...process.env, NO_COLOR: "1" },
    encoding: "utf8",
  }).stdout;

/** What a program in the project prints. */
function printed(program: string, source: string, ...flags: string[]): string {
  writeFileSync(join(project, program), source);
  return execFileSync(process.execPath, [...flags, program], { cwd: project, encoding: "utf8" });
}

describe("import and require()", () => {
  test("give one module with the same classes", () => {
    const source = `const required = require("bidora");
import("bidora").then((imported) => {
  const same = ["BidoraError", "LabelMap", "Adapter", "nn", "torch"].map((name) => imported[name] === required[name]);
  console.log(same.join(), Object.keys(required).length === Object.keys(imported).length);
  console.log(new required.UsageError("x") instanceof imported.BidoraError);
});`;
    expect(printed("both.cjs", source)).toBe("true,true,true,true,true true\ntrue\n");
  });

  test("say how to load the package where require() can't load ES modules", () => {
    const source = 'try { require("bidora") } catch (error) { console.log(error.message) }';
    expect(printed("old.cjs", source, "--no-experimental-require-module")).toBe(
      `bidora is an ES module, which require() loads in Node 20.19 and newer; this is Node ${process.versions.node}: update it, or use await import("bidora").\n`,
    );
  });

  test("load the package's own files only, and no native library", () => {
    writeFileSync(
      join(project, "hooks.mjs"),
      `import { appendFileSync } from "node:fs";
export function load(url, context, next) { appendFileSync("loaded.txt", url + "\\n"); return next(url, context) }`,
    );
    const source = `import { readFileSync } from "node:fs";
import { createRequire, register } from "node:module";
register("./hooks.mjs", import.meta.url);
await import("bidora");
const urls = readFileSync("loaded.txt", "utf8").split("\\n").filter((url) => url.startsWith("file:"));
const files = [...urls.map((url) => new URL(url).pathname), ...Object.keys(createRequire(import.meta.url).cache)];
const libraries = readFileSync("/proc/self/maps", "utf8").match(/\\S+(\\.node|libtorch\\S*)$/gm) ?? [];
console.log(JSON.stringify([files.length, ...files.filter((file) => !file.includes("/bidora/dist/")), ...libraries]));`;
    const [count, ...others] = JSON.parse(printed("imports.mjs", source));
    expect(others).toEqual([]);
    // Each takes about half a millisecond.
    expect(count).toBeLessThan(100);
  });

  test("give package.json", () => {
    expect(printed("manifest.cjs", 'console.log(require("bidora/package.json").name)')).toBe("bidora\n");
  });
});

describe("a program's bundle", () => {
  const source = `import { BidoraError, torch } from "bidora";
try { torch.tensor([1]) } catch (error) { console.log(error instanceof BidoraError, error.code) }`;

  /** Bundles the program, and runs it. */
  async function bundled(format: "esm" | "cjs", settings: InputOptions): Promise<string> {
    writeFileSync(join(project, "program.mjs"), source);
    const bundle = await rolldown({ input: join(project, "program.mjs"), platform: "node", ...settings });
    const name = `bundle.${format === "esm" ? "mjs" : "cjs"}`;
    await bundle.write({ file: join(project, name), format, codeSplitting: false });
    const { stdout, stderr } = spawnSync(process.execPath, [name], { cwd: project, env, encoding: "utf8" });
    return stdout + stderr;
  }

  test.each(["esm", "cjs"] as const)("works with bidora left out of it: %s", async (format) => {
    expect(await bundled(format, { external: ["bidora"] })).toMatch(/^true ENGINE_\w+\n$/);
  });

  test("refuses to have bidora in it if the bundler leaves no URL to a file", async () => {
    const transform = { define: { "import.meta.url": "undefined" } };
    expect(await bundled("cjs", { transform })).toMatch(/BidoraError: bidora can't be part of a CommonJS bundle: /);
  });
});

describe("the packed package", () => {
  test("has exports and types that publint and arethetypeswrong find nothing wrong with", () => {
    expect(said("publint", "run", tarball, "--strict")).toMatch(/All good!\n$/);
    expect(said("attw", tarball, "--no-color", "--no-emoji")).toContain("No problems found");
  });

  test("contains its workspaces, and no scripts but those that build the addon", () => {
    expect(existsSync(join(project, "node_modules/@bidora"))).toBe(false);
    expect(readdirSync(join(installed, "scripts")).sort()).toEqual(["addon.cjs", "build-native.sh"]);
  });

  const source = `import { finetune, load } from "bidora";
export const metrics = finetune({ model: "nowhere" }).then((result) => result.metrics);
export const open = (signal: AbortSignal) => load({ model: "nowhere" }, { hub: { signal } });
export const use = async (signal: AbortSignal): Promise<string | undefined> => {
  const model = await open(signal);
  const [first] = await model.predict(["a text"]);
  model[Symbol.dispose]();
  return first?.label;
};
`;
  test.each([
    ["strict.mts", "nodenext", "nodenext", ["es2023"]],
    ["strict.mts", "nodenext", "nodenext", ["es2023", "dom"]],
    ["strict.mts", "node16", "node16", ["es2023"]],
    ["strict.cts", "nodenext", "nodenext", ["es2023"]],
    ["strict.cts", "node16", "node16", ["es2023"]],
    ["strict.mts", "esnext", "bundler", ["es2023"]],
    ["strict.mts", "esnext", "bundler", ["es2023", "dom"]],
  ])(
    "has types that compile without skipLibCheck: %s, module %s, resolution %s, lib %j",
    (file, module, resolution, lib) => {
      writeFileSync(join(project, file), source);
      const compilerOptions = {
        ...{ target: "es2023", lib, module, moduleResolution: resolution, strict: true, types: [], noEmit: true },
        // Packages see what lies beside them here, and not what this repository has for development.
        preserveSymlinks: true,
      };
      writeFileSync(join(project, "tsconfig.strict.json"), JSON.stringify({ compilerOptions, files: [file] }));
      expect(said("tsc", "-p", "tsconfig.strict.json")).toBe("");
    },
  );
});
