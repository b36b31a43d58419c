// What is found out before libtorch is loaded: too little address space, too many threads, an addon for something else.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { UsageError } from "../../src/base/errors.js";
import * as torch from "../../src/torch/index.js";
import { environmentThreadsProblem } from "../../src/torch/native/limits.js";
import { builtFolder } from "./builtFolder.js";

const { mismatch } = createRequire(import.meta.url)("../../scripts/addon.cjs") as {
  mismatch(folder: string): string | undefined;
};
const bin = fileURLToPath(new URL("../../bin/bidora.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "bidora-stamp-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("threads", () => {
  test("more than a few per processor are refused", () => {
    expect(() => torch.setThreads(5000)).toThrow(UsageError);
    expect(() => torch.setThreads(5000)).toThrow(
      new RegExp(`^threads: expected at most \\d+ threads on ${availableParallelism()} processors?, got 5000\\.$`),
    );
  });

  test("too many from the environment are refused", () => {
    const before = process.env.OMP_NUM_THREADS;
    try {
      process.env.OMP_NUM_THREADS = "5000,2";
      expect(environmentThreadsProblem()?.message).toMatch(/^OMP_NUM_THREADS: expected at most .* got 5000\.$/);
      process.env.OMP_NUM_THREADS = "2";
      expect(environmentThreadsProblem()).toBeUndefined();
    } finally {
      if (before === undefined) delete process.env.OMP_NUM_THREADS;
      else process.env.OMP_NUM_THREADS = before;
    }
  });
});

test("an address space that is too small is refused immediately", () => {
  const { status, stderr } = spawnSync(
    "bash",
    ["-c", `ulimit -v 1500000; exec "${process.execPath}" "${bin}" doctor`],
    {
      encoding: "utf8",
      timeout: 60_000,
    },
  );
  expect(stderr).toMatch(
    /^bidora: The address space is limited to 1,465 MiB \(ulimit -v\), and libtorch on \d+ threads takes [\d,.]+ [MG]iB before .*\n$/,
  );
  expect(status).toBe(1);
});

describe("a build's stamp", () => {
  const stampOf = (name: string) => join(folder, name, "stamp.json");
  const build = builtFolder();

  /** The stamp of the build with some of it changed. */
  function changed(
    name: string,
    change: (stamp: { nodeApi: number; architecture: string; libraries: { path: string; bytes: number }[] }) => void,
  ) {
    const stamp = JSON.parse(readFileSync(join(build, "stamp.json"), "utf8"));
    change(stamp);
    mkdirSync(join(folder, name));
    writeFileSync(stampOf(name), JSON.stringify(stamp));
    return mismatch(join(folder, name));
  }

  test("fits the build", () => {
    expect(mismatch(build)).toBeUndefined();
    expect(changed("same", () => undefined)).toBeUndefined();
  });

  test("detects another processor family, Node-API and libtorch, and a missing stamp", () => {
    expect(
      changed("family", (stamp) => {
        stamp.architecture = "vax";
      }),
    ).toBe(`it was built for vax, and this is ${process.arch}`);
    expect(
      changed("napi", (stamp) => {
        stamp.nodeApi = 999;
      }),
    ).toMatch(/^it needs Node-API 999, and Node .* has \d+$/);
    expect(
      changed("size", (stamp) => {
        stamp.libraries[0]!.bytes += 1;
      }),
    ).toMatch(/libtorch_cpu\S* was replaced\)$/);
    expect(
      changed("gone", (stamp) => {
        stamp.libraries[1]!.path += ".old";
      }),
    ).toMatch(/libc10\S* is gone\)$/);
    cpSync(join(build, "prelude.node"), join(folder, "bare", "prelude.node"));
    expect(mismatch(join(folder, "bare"))).toMatch(/has no record of the libtorch/);
    for (const damaged of ["null", "{}", '{"libraries":5}', '{"libraries":[{}]}']) {
      writeFileSync(join(folder, "bare", "stamp.json"), damaged);
      expect(mismatch(join(folder, "bare"))).toMatch(/has no record of the libtorch/);
    }
  });
});
