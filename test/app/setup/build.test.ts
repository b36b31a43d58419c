// Whether a compiler failed or was interrupted.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { build } from "../../../src/app/setup/build.js";
import { freshPath } from "../../support/workFolder.js";
import { fakeSystem } from "./fakeSystem.js";

beforeEach(() => void vi.stubEnv("BIDORA_HOME", freshPath("home")));
afterEach(() => void vi.unstubAllEnvs());

test("a compiler that fails is an error", async () => {
  const { system } = fakeSystem({ run: async () => 1 });
  await expect(build(system, undefined)).rejects.toMatchObject({ code: "SETUP" });
});

test("a compiler that fails just before the signal arrives was interrupted", async () => {
  const controller = new AbortController();
  const run = async () => {
    setTimeout(() => controller.abort(), 20);
    return 1;
  };
  await expect(build(fakeSystem({ run }).system, undefined, controller.signal)).rejects.toThrow(
    expect.objectContaining({ name: "AbortError" }),
  );
});
