// Runs the tests of the native code with a sanitizer: it and the kernels are compiled to check themselves while they run.
// Usage: node scripts/test-sanitized.js address|undefined|thread [FILES of tests]   (npm run test:sanitized -- …)
//
// libtorch and Node are not compiled so, and only what our code does is checked; what is skipped, and why, is below. Needs GCC, whose
// runtime libraries are loaded into Node before all others.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import addon from "./addon.cjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const reports = join(root, "build", "sanitizer-reports");

/**
 * @typedef {object} Sanitizer
 * @property {string} command
 * @property {string} check prefix of the functions that instrumented code calls
 * @property {string} [runtime] the library that is loaded first
 * @property {Record<string, string>} environment
 * @property {readonly string[]} files tests that are run by default
 * @property {Record<string, string>} skipped tests by a part of their name, and why they are skipped
 */

const NATIVE = ["test/torch/kernels", "test/torch", "test/torch/operators", "test/lifetime"];
/** What happens before the addon is loaded: in processes with little memory, and with addons that are none. */
const NOT_NATIVE = ["--exclude", "test/torch/preflight.test.ts"];
/** Runs of several ranks, which have threads for their sums. */
const RANKS = ["launch", "launch.slow", "faults.slow"].map((name) => `test/e2e/distributed/${name}.test.ts`);
const WHOLE = ["test/e2e/inference/predict.test.ts", ...RANKS];

/** Tests that no sanitized process passes. */
const MEMORY = {
  "garbage is collected before memory runs out": "the sanitizer keeps freed memory for a while",
  "keeps resident memory flat": "the sanitizer keeps freed memory for a while",
  "allocatedBytes counts": "the sanitizer's allocator has no statistics (mallinfo2)",
  "whose memory it does not hold": "the sanitizer's allocator has no statistics (mallinfo2)",
  "gradient checkpointing keeps": "the sanitizer keeps freed memory for a while",
};

const options = (/** @type {Record<string, string | number>} */ values) =>
  Object.entries({ ...values, log_path: join(reports, "report") })
    .map(([name, value]) => `${name}=${value}`)
    .join(":");

/** @type {Record<string, Sanitizer>} */
const SANITIZERS = {
  address: {
    command: "test:sanitized -- address",
    check: "__asan_report_",
    runtime: "libasan.so",
    environment: {
      // Leaks: Node and libtorch keep much until the process ends; test/lifetime counts what is ours. Allocations that are too large
      // return null as without a sanitizer, which is tested. V8 allocates with malloc and frees its own way, libtorch with operators.
      ASAN_OPTIONS: options({
        detect_leaks: 0,
        allocator_may_return_null: 1,
        alloc_dealloc_mismatch: 0,
        detect_stack_use_after_return: 1,
      }),
    },
    files: [...NATIVE, ...WHOLE],
    skipped: MEMORY,
  },
  undefined: {
    command: "test:sanitized -- undefined",
    check: "__ubsan_handle_",
    environment: { UBSAN_OPTIONS: options({ print_stacktrace: 1, halt_on_error: 1 }) },
    files: [...NATIVE, ...WHOLE],
    skipped: {},
  },
  thread: {
    command: "test:sanitized -- thread",
    check: "__tsan_write",
    runtime: "libtsan.so",
    // Other libraries synchronize by atomics that the sanitizer does not see: what they do among themselves does not count.
    environment: { TSAN_OPTIONS: options({ ignore_noninstrumented_modules: 1, exitcode: 66 }) },
    // Not the tests of kernels: it does not see where OpenMP's threads wait for each other, and reports races that don't exist.
    files: [
      ...["threads", "handles", "loading"].map((name) => `test/lifetime/${name}.slow.test.ts`),
      "test/torch/distributed",
      ...RANKS,
    ],
    skipped: MEMORY,
  },
};

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/** The path of a library of the compiler. @param {string} name */
function libraryPath(name) {
  const path = spawnSync(process.env.CXX || "c++", [`-print-file-name=${name}`], { encoding: "utf8" }).stdout?.trim();
  if (!path || !existsSync(path)) fail(`The compiler has no ${name}: install GCC with its sanitizers (Debian: g++).`);
  return path;
}

/** What tells a report from a warning, such as that of an allocation that is too large. */
const REPORT = /ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:/;

/** The sanitizer's reports: a file for each process that wrote something. */
const written = () =>
  readdirSync(reports)
    .map((name) => readFileSync(join(reports, name), "utf8"))
    .filter((text) => REPORT.test(text));

function main(/** @type {string | undefined} */ kind = "", /** @type {readonly string[]} */ ...given) {
  const sanitizer = SANITIZERS[kind];
  if (!sanitizer) fail(`test-sanitized takes one of ${Object.keys(SANITIZERS).join(", ")}.`);
  const { command, check, runtime, environment, files, skipped } = sanitizer;
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });
  // The compiler's C++ library too: the sanitizer looks for its functions while it is being loaded.
  const preload = runtime ? [runtime, "libstdc++.so"].map(libraryPath).join(" ") : "";
  const env = { ...process.env, ...environment, BIDORA_SANITIZER: kind };
  const build = spawnSync("bash", [join(root, "scripts", "build-native.sh")], {
    env: { ...env, SANITIZER_PRELOAD: preload },
    stdio: "inherit",
  });
  if (build.status !== 0) fail(`${command}: nothing was tested.`);
  const built = join(root, "build", `native-${addon.buildName(env.LIBTORCH, kind)}`, "bidora.node");
  if (!readFileSync(built).includes(check))
    fail(`${command}: ${built} was compiled without the sanitizer; nothing was tested.`);
  for (const [name, why] of Object.entries(skipped)) console.log(`skipped: ${name} …: ${why}`);
  const names = Object.keys(skipped).map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const only = names.length > 0 ? ["--testNamePattern", `^(?!.*(${names.join("|")}))`] : [];
  const words = ["run", "--testTimeout=600000", "--hookTimeout=600000", "--reporter=default", ...NOT_NATIVE, ...only];
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const { status } = spawnSync(process.execPath, [vitest, ...words, ...(given.length > 0 ? given : files)], {
    cwd: root,
    env: { ...env, LD_PRELOAD: preload },
    stdio: "inherit",
  });
  const found = written();
  for (const report of found) console.error(report);
  if (status !== 0 || found.length > 0) fail(`${command}: failed, with ${found.length} reports of the sanitizer.`);
  console.log(`${command}: passed, without a report of the sanitizer.`);
}

main(...process.argv.slice(2));
