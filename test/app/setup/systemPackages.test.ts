import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { System } from "../../../src/app/setup/system.js";
import { installPackages, missingPackages } from "../../../src/app/setup/systemPackages.js";
import { fakeSystem } from "./fakeSystem.js";

const ENVIRONMENT = ["CI", "CXX", "npm_config_yes"];
const before = Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]]));
beforeEach(() => {
  for (const name of ENVIRONMENT) delete process.env[name];
});
afterEach(() => {
  for (const [name, value] of Object.entries(before)) if (value !== undefined) process.env[name] = value;
});

const PACKAGES = ["libtorch-dev", "libopenblas0-openmp"];
const BY_HAND =
  "sudo apt-get update && sudo apt-get install -y --no-install-recommends libtorch-dev libopenblas0-openmp";

const install = (system: System, yes = false) => installPackages(system, PACKAGES, yes);

describe("what is missing", () => {
  const all = { libtorch: true, develop: false };
  test("is the compiler, CMake, and libtorch with its fast BLAS", () => {
    expect(missingPackages(fakeSystem().system, all)).toEqual(["g++", "cmake", "make", ...PACKAGES]);
    expect(missingPackages(fakeSystem({ has: () => true }).system, all)).toEqual(PACKAGES);
    expect(missingPackages(fakeSystem({ has: () => true, hasPackage: () => true }).system, all)).toEqual([]);
  });

  test("does not include libtorch if another is used, nor g++ if CXX names a compiler", () => {
    process.env.CXX = "clang++";
    expect(missingPackages(fakeSystem().system, { libtorch: false, develop: false })).toEqual(["cmake", "make"]);
  });

  test("includes the linters for developers", () => {
    expect(missingPackages(fakeSystem().system, { libtorch: false, develop: true })).toContain("clang-tidy-19");
  });
});

describe("installing", () => {
  test("needs consent, even if sudo needs no password", async () => {
    const { system, ran } = fakeSystem();
    await expect(install(system)).rejects.toThrow(
      `System packages are missing; an administrator installs them with: ${BY_HAND}`,
    );
    expect(ran).toEqual([]);
  });

  test.each([
    ["--yes", {}, true],
    ["npm's --yes", { npm_config_yes: "true" }, false],
    ["CI", { CI: "true" }, false],
  ])("goes through sudo with %s", async (_, environment, yes) => {
    Object.assign(process.env, environment);
    const { system, ran } = fakeSystem();
    await install(system, yes);
    expect(ran).toEqual([
      "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get update -q",
      "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends libtorch-dev libopenblas0-openmp",
    ]);
  });

  test("asks at a terminal, where sudo may ask for the password", async () => {
    const { system, ran, asked } = fakeSystem({ isTerminal: true, answer: "y" });
    await install(system);
    expect(asked).toEqual(["Install these Debian packages with sudo: libtorch-dev libopenblas0-openmp? [y/N] "]);
    expect(ran[0]).toBe("sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q");
  });

  test.each(["n", ""])("does nothing if the answer is %j", async (answer) => {
    const { system, ran } = fakeSystem({ isTerminal: true, answer });
    await expect(install(system)).rejects.toThrow(BY_HAND);
    expect(ran).toEqual([]);
  });

  test("does not ask root, and needs no sudo then", async () => {
    const { system, ran, asked } = fakeSystem({ isRoot: true, isTerminal: true });
    await install(system);
    expect(asked).toEqual([]);
    expect(ran[0]).toBe("env DEBIAN_FRONTEND=noninteractive apt-get update -q");
  });

  test("says what to do where there is no sudo, no apt-get, or apt-get fails", async () => {
    const isApt = (program: string) => program === "apt-get";
    await expect(install(fakeSystem({ has: isApt }).system, true)).rejects.toThrow(BY_HAND);
    await expect(install(fakeSystem({ has: () => false }).system, true)).rejects.toThrow(
      /^libtorch-dev libopenblas0-openmp are missing, and this system has no apt-get: .* set LIBTORCH/,
    );
    const failing = (what: string) =>
      fakeSystem({ isRoot: true, run: async (_, words) => Number(words.includes(what)) }).system;
    await expect(install(failing("update"))).rejects.toThrow(/^apt-get update failed; .*sudo apt-get/);
    await expect(install(failing("install"))).rejects.toThrow(/^apt-get could not install libtorch-dev/);
  });
});
