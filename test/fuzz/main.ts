// Usage: npm run fuzz [-- --minutes N] [--seed N] [--only NAME]
//
// Gives mutated and generated inputs to every part of bidora that takes input from outside. Each target has a process, so that an input
// that ends it, blocks it or takes all memory is found too. What is found is reduced and written to test/fuzz/found, which the tests run.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Campaign, type Find, fuzz } from "./campaign.js";
import { ROOT, removeWorkFolder, workFolder } from "./files.js";
import { FOUND, nameOf } from "./found.js";
import { TARGETS } from "./targets/index.js";

/** Seconds that one input may block a process. */
const BLOCKED_SECONDS = 60;
/** The heap of a process. */
const HEAP_MB = 2000;
const DEFAULT_MINUTES = 5;

interface Part {
  readonly name: string;
  readonly seed: number;
  readonly milliseconds: number;
}

/** Where a process leaves its last input and its result. */
const filesIn = (folder: string) => ({ input: join(folder, "input.json"), result: join(folder, "result.json") });

/** Fuzzes one target in this process. */
async function fuzzHere({ name, seed, milliseconds }: Part, folder: string): Promise<void> {
  const target = TARGETS.find((one) => one.name === name);
  if (!target) throw new Error(`There is no target ${name}.`);
  const { input, result } = filesIn(folder);
  process.env.BIDORA_HOME = join(workFolder(), "home");
  const onInput = (given: unknown): void => writeFileSync(input, JSON.stringify(given));
  try {
    writeFileSync(result, JSON.stringify(await fuzz(target, { seed, milliseconds, onInput })));
  } finally {
    removeWorkFolder();
  }
}

/** Fuzzes one target in a process of its own. */
async function fuzzApart(part: Part): Promise<Campaign> {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bidora-fuzz-"));
  const words = [`--max-old-space-size=${HEAP_MB}`, fileURLToPath(import.meta.url), JSON.stringify(part), folder];
  const child = spawn(process.execPath, words, {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TMPDIR: folder, OMP_NUM_THREADS: "1" },
  });
  let errors = "";
  child.stderr?.on("data", (text: Buffer) => {
    errors = (errors + text.toString()).slice(-3000);
  });
  const { input, result } = filesIn(folder);
  const end = await endOf(child, input);
  const campaign = end === undefined ? (JSON.parse(readFileSync(result, "utf8")) as Campaign) : undefined;
  const last = existsSync(input) ? JSON.parse(readFileSync(input, "utf8")) : null;
  rmSync(folder, { recursive: true, force: true });
  if (campaign) return campaign;
  return {
    runs: 0,
    finds: [{ target: part.name, seed: part.seed, fault: `the process ${end}: ${errors}`, input: last }],
  };
}

/** Waits for the end of a process. @returns how it ended, if not by itself with success */
async function endOf(child: ChildProcess, input: string): Promise<string | undefined> {
  let isBlocked = false;
  const watch = setInterval(() => {
    const began = statSync(input, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    isBlocked = Date.now() - began > BLOCKED_SECONDS * 1000;
    if (isBlocked) child.kill("SIGKILL");
  }, 1000);
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on("close", (...end) => resolve(end));
  });
  clearInterval(watch);
  if (status === 0) return undefined;
  return isBlocked ? `is blocked for more than ${BLOCKED_SECONDS} s` : `ends with ${signal ?? `status ${status}`}`;
}

function save(find: Find): void {
  mkdirSync(FOUND, { recursive: true });
  const path = join(
    FOUND,
    nameOf(find.target, createHash("sha256").update(JSON.stringify(find.input)).digest("hex").slice(0, 8)),
  );
  writeFileSync(
    path,
    `${JSON.stringify({ target: find.target, fault: find.fault.split("\n")[0], input: find.input }, undefined, 1)}\n`,
  );
  console.error(
    `\n${find.target}: ${find.fault}\n  input: ${path}\n  again: npm run fuzz -- --only "${find.target}" --seed ${find.seed}\n`,
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { minutes: { type: "string" }, seed: { type: "string" }, only: { type: "string", multiple: true } },
  });
  const { minutes = String(DEFAULT_MINUTES), seed = String(Date.now() % 2 ** 31), only } = values;
  const names = TARGETS.map(({ name }) => name).filter((name) => only?.includes(name) ?? true);
  if (names.length === 0 || !(Number(minutes) > 0) || !Number.isSafeInteger(Number(seed))) {
    console.error(
      `fuzz takes --minutes N, --seed N, and --only with one of ${TARGETS.map(({ name }) => name).join(", ")}.`,
    );
    return 2;
  }
  const processes = Math.min(names.length, Math.max(1, availableParallelism()));
  const milliseconds = (Number(minutes) * 60_000 * processes) / names.length;
  console.log(`fuzz: ${names.length} targets for ${minutes} minutes in ${processes} processes, seed ${seed}`);
  const waiting = [...names];
  let found = 0;
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const { runs, finds } = await fuzzApart({ name, seed: Number(seed), milliseconds });
      console.log(`${name.padEnd(22)}${String(runs).padStart(9)} inputs, ${finds.length} faults`);
      for (const find of finds) save(find);
      found += finds.length;
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
  console.log(
    found === 0 ? "fuzz: no fault was found" : `fuzz: ${found} faults were found; their inputs are in ${FOUND}`,
  );
  return found === 0 ? 0 : 1;
}

const [part, folder] = process.argv.slice(2);
if (part?.startsWith("{")) await fuzzHere(JSON.parse(part) as Part, folder as string);
else process.exitCode = await main();
