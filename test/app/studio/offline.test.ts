// Which processes of the studio may ask the Hub: a base model that changed there must not answer in place of the one that was trained on.
import { expect, test, vi } from "vitest";
import { Answerer } from "../../../src/app/studio/answers/answerer.js";
import type { FinishedRun } from "../../../src/app/studio/answers/finishedRuns.js";
import { Commands } from "../../../src/app/studio/commands.js";
import { Serving } from "../../../src/app/studio/exports/serving.js";
import { spawnLinked } from "../../../src/base/index.js";

vi.mock("../../../src/base/childProcess.js", async (original) => ({
  ...(await original<object>()),
  spawnLinked: vi.fn(() => {
    throw new Error("not started");
  }),
}));

const variables = () => vi.mocked(spawnLinked).mock.lastCall?.[3];

test("only a download asks the Hub", () => {
  const commands = new Commands("folder");
  expect(() => commands.start(["download", "org/name"])).toThrow("not started");
  expect(variables()).toEqual({});
  expect(() => commands.start(["finetune", "run.yaml"])).toThrow("not started");
  expect(variables()).toEqual({ HF_HUB_OFFLINE: "1" });
});

test("the process that answers and the server take models from the cache as they are", async () => {
  const run = { name: "one", folder: "runs/one", isAdapter: true } as FinishedRun;
  expect(() => new Serving("folder", () => {}).start(run)).toThrow("not started");
  expect(variables()).toEqual({ HF_HUB_OFFLINE: "1" });
  vi.mocked(spawnLinked).mockClear();
  await expect(new Answerer("folder").ask({} as never, {} as never)).rejects.toThrow("not started");
  expect(variables()).toEqual({ HF_HUB_OFFLINE: "1" });
});
