// What the shared libraries that `npm run package` put into packages/ say of themselves.
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { PLATFORM_PACKAGE } from "../../src/base/installation.js";
import { expectNothingNewer, needs } from "./requirements.js";

interface EngineFile {
  readonly glibc: string;
  readonly glibcxx: string;
  readonly sources: string;
  readonly tokenizers: string;
  readonly files: Readonly<Record<string, number>>;
}

const scripts = new URL("../../scripts/", import.meta.url);
const { dynamicSection } = await import(new URL("package/elf.js", scripts).href);
const { sourcesHash } = await import(new URL("addon.cjs", scripts).href);

const platform = PLATFORM_PACKAGE.split("/")[1] as string;
const folder = fileURLToPath(new URL(`../packages/${platform}`, scripts));

/** As `npm run package` last made it; one of other sources is passed over when bidora starts. */
function packagedEngine(): EngineFile | undefined {
  const path = join(folder, "engine.json");
  const engine = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as EngineFile) : undefined;
  return engine?.sources === sourcesHash() ? engine : undefined;
}

const engine = packagedEngine();
const names = Object.keys(engine?.files ?? {});
const at = (name: string) => join(folder, name);
const LIBRARIES = names.filter((name) => !name.endsWith(".node"));

describe.skipIf(!engine)(`packages/${platform}, if npm run package made it from these sources`, () => {
  test("has the expected files, whole, and no link", () => {
    const kept = ["LICENSE", "NOTICE", "README.md", "engine.json", "package.json"];
    expect(readdirSync(folder).sort()).toEqual([...kept, ...names].sort());
    expect(names).toEqual(
      expect.arrayContaining(["bidora.node", "libc10.so", "libtorch_cpu.so", "prelude.node", "tokenizers.node"]),
    );
    for (const [name, bytes] of Object.entries(engine!.files)) {
      const status = lstatSync(at(name));
      expect([name, status.isFile(), status.size]).toEqual([name, true, bytes]);
    }
  });

  test("has each library that a file needs, under the name that it is asked for by, or the system has it", async () => {
    const system = /^(libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|libz|ld-linux-[\w-]+)\.so\.\d+$/;
    for (const name of names) {
      const { needed } = (await dynamicSection(at(name))) as { needed: string[] };
      expect(
        needed.filter((other) => !names.includes(other) && !system.test(other)),
        name,
      ).toEqual([]);
    }
    for (const name of ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"])
      expect((await dynamicSection(at(name))).soname).toBe(name);
  });

  test("is searched for libraries in its own folder alone", async () => {
    for (const name of ["bidora.node", ...LIBRARIES])
      expect([name, (await dynamicSection(at(name))).runPath]).toEqual([name, "$ORIGIN"]);
    for (const name of ["prelude.node", "tokenizers.node"])
      expect((await dynamicSection(at(name))).runPath).toBeUndefined();
  });

  test("names no folder of the machine where the addon was built", () => {
    const root = fileURLToPath(new URL("..", scripts));
    for (const name of ["bidora.node", "prelude.node", "NOTICE", "engine.json"])
      expect(readFileSync(at(name)).includes(root), name).toBe(false);
  });

  test("has an addon that asks for no newer libc or libstdc++ than libtorch", async () => {
    const libraries = LIBRARIES.map(at);
    for (const name of ["bidora.node", "prelude.node"]) await expectNothingNewer(at(name), libraries);
    const { GLIBC, GLIBCXX } = await needs(...names.map(at));
    expect([engine!.glibc, engine!.glibcxx]).toEqual([GLIBC, GLIBCXX]);
  });

  test("names the version of tokenizers that bidora asks for", () => {
    const { peerDependencies } = JSON.parse(readFileSync(new URL("../package.json", scripts), "utf8"));
    expect(engine!.tokenizers).toBe(peerDependencies.tokenizers);
  });

  test("takes less than 400 MB", () => {
    const bytes = readdirSync(folder).reduce((sum, name) => sum + lstatSync(at(name)).size, 0);
    expect(bytes).toBeLessThan(400e6);
  });

  test("says whose works it holds", () => {
    const notice = readFileSync(at("NOTICE"), "utf8");
    for (const name of names) expect(notice).toContain(name);
  });
});
