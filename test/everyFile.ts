// Runs with every test file. Most files share a process (vitest.config.ts), so each must leave that process as it found it.
import { afterAll, expect, vi } from "vitest";
import { removeWorkFolder } from "./workFolder.js";

/** Environment variables that are set when libtorch is loaded. */
const OF_LIBTORCH = /^(GOMP_|LRU_CACHE_|NVPL_|OMP_WAIT_POLICY|ONEDNN_|UCX_)/;

const processState = () => ({
  environment: Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_LIBTORCH.test(name))),
  workingFolder: process.cwd(),
  exitCode: process.exitCode,
  signalListeners: ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => process.listenerCount(signal)),
});

const before = processState();

afterAll(() => {
  removeWorkFolder();
  vi.unstubAllEnvs();
  expect(processState(), "the process after this test file").toEqual(before);
});
