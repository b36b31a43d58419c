// The version that runs record.
import { expect, test } from "vitest";
import { packageVersion } from "../../../src/base/index.js";
import { fresh, run, SMALL_FLAGS, spawned } from "../support.js";

const versionOf = (start: object | undefined) =>
  (start as { versions?: { bidora: string } } | undefined)?.versions?.bidora;

test("a clone's build adds its digest to the version, sources without a build add none", async () => {
  const built = () => {
    const { stdout } = spawned("finetune", ...SMALL_FLAGS, "--max-steps", "1", "--output", fresh(), "--json");
    return versionOf(JSON.parse(stdout.split("\n")[0]!));
  };
  const [version, digest] = built()?.split("+") ?? [];
  expect([version, digest]).toEqual([packageVersion(), expect.stringMatching(/^[0-9a-f]{8}$/)]);
  expect(built()).toBe(`${version}+${digest}`);
  expect(versionOf((await run({ maxSteps: 1 })).events[0])).toBe(packageVersion());
});
