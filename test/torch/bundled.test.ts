import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { expect, it } from "vitest";
import { freshPath } from "../support/workFolder.js";

const LOADER = fileURLToPath(new URL("../../src/torch/installations/index.ts", import.meta.url));
const PLATFORM = `@bidora/${process.platform}-${process.arch}-gnu`;

it("says to exclude bidora from a bundle, also where the platform package is found from there", async () => {
  const project = freshPath("project");
  const files = {
    [`node_modules/${PLATFORM}/package.json`]: { version: "0.1.0" },
    [`node_modules/${PLATFORM}/engine.json`]: { version: "0.1.0", files: {} },
  };
  for (const [name, value] of Object.entries(files)) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), JSON.stringify(value));
  }
  const bundle = await rolldown({ input: LOADER, platform: "node" });
  const { output } = await bundle.write({ file: join(project, "bundle", "app.mjs") });
  expect(output).toHaveLength(1);
  const script = 'import("./bundle/app.mjs").then((it) => console.log(it.engineInUse().problem.message))';
  const message = execFileSync(process.execPath, ["-e", script], { cwd: project, encoding: "utf8" });
  expect(message.trim()).toBe(
    `A bundler moved bidora's code to ${join(project, "bundle")}, away from its packages: exclude it from the bundle (esbuild: --external:bidora).`,
  );
});
