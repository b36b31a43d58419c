// The page of the library's interface: TypeDoc warns of what a public signature names and index.ts does not export.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TYPEDOC = join(ROOT, "node_modules", ".bin", "typedoc");
const work = mkdtempSync(join(tmpdir(), "bidora-api-"));
afterAll(() => rmSync(work, { recursive: true }));

function typedoc(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(TYPEDOC, ["--emit", "none", "--skipErrorChecking", ...words], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status, said: stdout + stderr };
}

test("every public symbol is documented, and refers to public types only", () => {
  const { status, said } = typedoc();
  expect(said).not.toContain("[warning]");
  expect([status, said]).toEqual([0, expect.any(String)]);
});

test("a missing type and a missing docstring fail the check", () => {
  const source = "interface Hidden { readonly a: number }\nexport const open = (x: Hidden): number => x.a;\n";
  writeFileSync(join(work, "index.ts"), source);
  const compilerOptions = { target: "es2023", module: "nodenext", types: [] };
  writeFileSync(join(work, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["index.ts"] }));
  writeFileSync(join(work, "package.json"), '{ "name": "small", "type": "module" }');
  const options = JSON.parse(readFileSync(join(ROOT, "typedoc.json"), "utf8")) as object;
  const own = { ...options, entryPoints: ["index.ts"], tsconfig: "tsconfig.json" };
  writeFileSync(join(work, "typedoc.json"), JSON.stringify(own));
  const { status, said } = typedoc("--options", join(work, "typedoc.json"));
  expect(said).toContain("Hidden, defined in");
  expect(said).toMatch(/open .*does not have any documentation/);
  expect(status).not.toBe(0);
});
