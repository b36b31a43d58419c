import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { PLATFORM_PACKAGE } from "../../src/base/installation.js";
import { findTokenizers } from "../../src/text/native.js";

const require = createRequire(import.meta.url);
const npmPackage = dirname(require.resolve("tokenizers/package.json"));
const versionOf = (path: string) => (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
const version = versionOf(join(npmPackage, "package.json"));
const work = mkdtempSync(join(tmpdir(), "bidora-library-"));
afterAll(() => rmSync(work, { recursive: true }));

/** A platform package with this machine's binary. */
function platformPackage(engine?: object): string {
  const folder = mkdtempSync(join(work, "package-"));
  const binary = `tokenizers.${PLATFORM_PACKAGE.split("/")[1]}.node`;
  symlinkSync(join(npmPackage, binary), join(folder, "tokenizers.node"));
  if (engine) writeFileSync(join(folder, "engine.json"), JSON.stringify(engine));
  return folder;
}

const nowhere = join(work, "nowhere");

const missing = (): never => {
  throw new Error("Cannot find module 'tokenizers'");
};

describe("the tokenizers' library", () => {
  it("is the platform package's binary, with the same classes as the npm package", () => {
    const folder = platformPackage({ tokenizers: version });
    const { path } = findTokenizers(folder, missing);
    expect(path).toBe(join(folder, "tokenizers.node"));
    const [binary, whole] = [require(path), require("tokenizers")];
    const methods = (library: typeof whole) => Object.getOwnPropertyNames(library.Tokenizer.prototype);
    expect(methods(binary)).toEqual(methods(whole));
    expect(binary.Tokenizer.fromString).toBeTypeOf("function");
  });

  it.each([
    ["there is no platform package", () => nowhere],
    ["the platform package has none", () => mkdtempSync(join(work, "empty-"))],
    ["the platform package's has another version", () => platformPackage({ tokenizers: "0.1.0" })],
    ["the platform package does not say its version", () => platformPackage()],
  ])("is the npm package's where %s", (_, folder) => {
    expect(findTokenizers(folder())).toMatchObject({ path: require.resolve("tokenizers"), version });
  });

  it.each([
    ["is missing", undefined, missing, ""],
    [
      "is of other versions",
      { tokenizers: "0.1.0" },
      (id: string) => {
        const folder = mkdtempSync(join(work, "npm-"));
        writeFileSync(join(folder, "package.json"), '{ "version": "0.2.0" }');
        return join(folder, id.endsWith(".json") ? "package.json" : "index.js");
      },
      ` (${PLATFORM_PACKAGE} has version 0.1.0, the npm package has version 0.2.0)`,
    ],
    ["is of an unknown version", {}, missing, ` (${PLATFORM_PACKAGE} has an unknown version)`],
  ])("is asked for with the command that installs it where it %s", (_, engine, resolve, found) => {
    expect(() => findTokenizers(engine ? platformPackage(engine) : nowhere, resolve)).toThrow(
      `The library tokenizers ${version} is not installed${found}: run \`npm install tokenizers@${version}\`.`,
    );
  });

  it("has one version, for development and for users", () => {
    const { devDependencies, peerDependencies } = require("../../package.json");
    expect(peerDependencies.tokenizers).toBe(devDependencies.tokenizers);
  });
});
