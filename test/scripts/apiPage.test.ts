// That TypeDoc fails where the page of the library's interface would lack something; apiPage.slow.test.ts runs it on the library.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freshPath } from "../support/workFolder.js";
import { ROOT, typedoc } from "./typedoc.js";

test("a missing type and a missing docstring fail the check", () => {
  const work = freshPath("api");
  mkdirSync(work);
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
