import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const root = fileURLToPath(new URL(".", import.meta.url));

/**
 * What needs a process of its own: a mocked module, which must not have been imported before, the memory or the number of live tensors
 * of the process, and the start of loading libtorch.
 */
const NEEDS_OWN_PROCESS = /\bvi\.mock\(|\b(memoryUsage|liveHandles|collectableBytes|allocatedBytes|preloadEngine)\(/;

const testFiles = ["test", "packages"].flatMap((folder) =>
  readdirSync(`${root}/${folder}`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts") && !name.includes("node_modules"))
    .map((name) => `${folder}/${name}`),
);

/** Left out of `npm test`: tests of many processes, and of what takes many steps to show. */
const isSlow = (path: string): boolean => path.endsWith(".slow.test.ts");
const fastFiles = testFiles.filter((path) => !isSlow(path));

/** A file with more cases than `npm test` runs (test/support/few.ts). */
const hasMoreCases = (path: string): boolean => /\bfew\(/.test(readFileSync(`${root}/${path}`, "utf8"));

const needsOwnProcess = (path: string): boolean => NEEDS_OWN_PROCESS.test(readFileSync(`${root}/${path}`, "utf8"));

/** In memory where there is room to run programs from: runs and checkpoints wait for the disk at each file otherwise. */
function temporaryFolder(): string {
  const mounts = process.platform === "linux" ? readFileSync("/proc/mounts", "utf8") : "";
  const options = /^\S+ \/dev\/shm tmpfs (\S+)/m.exec(mounts)?.[1]?.split(",") ?? ["ro"];
  if (options.some((option) => ["ro", "noexec"].includes(option))) return tmpdir();
  const { bavail, bsize } = statfsSync("/dev/shm");
  return bavail * bsize > 4 * 2 ** 30 ? "/dev/shm" : tmpdir();
}

export default defineConfig({
  resolve: {
    // bidora and workspaces by their sources, so that tests need no build of them.
    alias: [
      { find: /^bidora$/, replacement: fileURLToPath(new URL("src/index.ts", import.meta.url)) },
      { find: /^@bidora\/([\w-]+)$/, replacement: fileURLToPath(new URL("packages/$1/src/index.ts", import.meta.url)) },
    ],
  },
  test: {
    pool: "forks",
    maxWorkers: availableParallelism(),
    testTimeout: 120_000,
    hookTimeout: 120_000,
    setupFiles: ["test/support/everyFile.ts"],
    provide: { cases: "few" },
    // A worker for each processor: libtorch's own threads would only wait for each other.
    env: { OMP_NUM_THREADS: "1", TMPDIR: temporaryFolder() },
    projects: [
      { extends: true, test: { name: "isolated", include: fastFiles.filter(needsOwnProcess) } },
      {
        extends: true,
        test: { name: "shared", include: fastFiles.filter((path) => !needsOwnProcess(path)), isolate: false },
      },
      {
        extends: true,
        test: {
          name: "slow",
          include: testFiles.filter((path) => isSlow(path) || hasMoreCases(path)),
          provide: { cases: "all" },
        },
      },
    ],
  },
});
