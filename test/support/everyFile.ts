// Runs with every test file. Most files share a process (vitest.config.ts), so each must leave that process as it found it.
import { afterAll, expect, vi } from "vitest";
import { removeWorkFolder } from "./workFolder.js";

/** What the user has set for commands, beside what chooses the tests' own engine, device and number of cases. */
const OF_USER =
  /^(HF_|HUGGING|TRANSFORMERS_|TORCHELASTIC_|MASTER_(ADDR|PORT)$|(LOCAL_)?RANK$|WORLD_SIZE$|BIDORA_(?!CPU$|DEVICE$|KERNELS$|KILLS|RANKS$|SANITIZER$))/;

for (const name of Object.keys(process.env).filter((name) => OF_USER.test(name))) delete process.env[name];

/** Environment variables that are set when libtorch, onnxruntime or transformers.js is loaded. */
const OF_LIBRARIES = /^(GOMP_|LRU_CACHE_|NVPL_|OMP_WAIT_POLICY|ONEDNN_|ORT_|UCX_|VIPSHOME)/;

const processState = () => ({
  environment: Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_LIBRARIES.test(name))),
  workingFolder: process.cwd(),
  exitCode: process.exitCode,
  signalListeners: ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => process.listenerCount(signal)),
});

const before = processState();

/** With other threads or instructions the next file's tests would not test what they say. */
async function expectDefaultEngine(): Promise<void> {
  const { native } = await import("../../src/torch/native/native.js");
  if (!Object.hasOwn(native, "engineFacts")) return; // libtorch is not loaded
  const { threads, isaVariant, isaVariants } = native.engineFacts();
  const usual = [Number(process.env.OMP_NUM_THREADS), process.env.BIDORA_CPU || isaVariants.at(-1)];
  expect([threads, isaVariant], "threads and ISA variant after this test file").toEqual(usual);
}

afterAll(async () => {
  removeWorkFolder();
  vi.unstubAllEnvs();
  expect(processState(), "the process after this test file").toEqual(before);
  await expectDefaultEngine();
});
