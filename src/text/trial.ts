// A trial of each new tokenizer in a child process. The library ends the whole process on some tokenizer files: a character map that it
// can't parse, a template with a second text although there is only one, an expression that backtracks too far. So each new tokenizer is
// tried in a child process first. Those that passed are remembered by their contents.
import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BidoraError, makeFolder, ownCacheFolder } from "../base/index.js";
import { sha256 } from "../base/records/index.js";
import { findTokenizers } from "./native.js";

const LIMIT_MS = 30_000;
/** Signals that end the child for reasons other than the tokenizer. */
const ENDED_BY_OTHERS: ReadonlySet<NodeJS.Signals | null> = new Set(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]);

/** Exceptions of the library are ignored here: loading reports them. */
const SCRIPT = `
const { readFileSync, writeSync } = require("node:fs");
const { Tokenizer } = require(process.argv[1]);
writeSync(1, "ready");
const { spec, texts } = JSON.parse(readFileSync(0, "utf8"));
const leave = () => process.exit(0);
(async () => {
  const tokenizer = Tokenizer.fromString(spec);
  for (const text of texts) {
    await tokenizer.encode(text, null);
    await tokenizer.encode(text, text);
  }
  await tokenizer.encodeBatch(texts, { addSpecialTokens: false });
})().then(leave, leave);
`;

/**
 * Tries a tokenizer in a child process, unless the same one has passed before.
 * @param spec the text of a tokenizer.json
 * @param file the file it was made from, for the error
 * @throws BidoraError `TOKENIZER` if it ends the process or takes too long
 */
export async function tryTokenizer(spec: string, file: string, limitMs = LIMIT_MS): Promise<void> {
  const folder = join(ownCacheFolder(), "tokenizers");
  const mark = join(folder, fingerprint(spec));
  if (existsSync(mark)) return;
  const outcome = await runTrial({ spec, texts: probes(spec) }, limitMs);
  if (outcome === "unknown") return;
  if (outcome !== "passed") throw refusal(file, outcome, limitMs);
  try {
    makeFolder(folder);
    writeFileSync(mark, "");
  } catch {
    // The tokenizer is tried again next time.
  }
}

/** Includes the library's version and the script, which may change the outcome. */
function fingerprint(spec: string): string {
  return sha256(`${findTokenizers().version}\n${SCRIPT}\n${spec}`);
}

type Outcome = "passed" | "crashed" | "slow" | "unknown";

function runTrial(trial: { spec: string; texts: readonly string[] }, limitMs: number): Promise<Outcome> {
  const { path } = findTokenizers();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["-e", SCRIPT, path], {
      cwd: tmpdir(),
      stdio: ["pipe", "pipe", "ignore"],
      // In Electron, execPath is the app.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" },
    });
    let [isReady, isSlow] = [false, false];
    const expire = () => {
      isSlow = true;
      child.kill("SIGKILL");
    };
    let timer = setTimeout(expire, LIMIT_MS);
    child.stdout.on("data", () => {
      isReady = true;
      clearTimeout(timer);
      timer = setTimeout(expire, limitMs);
    });
    // The child may end before it has read everything.
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify(trial));
    child.on("error", () => resolve("unknown"));
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      if (status === 0) resolve("passed");
      else if (!isReady || ENDED_BY_OTHERS.has(signal)) resolve("unknown");
      else resolve(isSlow ? "slow" : "crashed");
    });
  });
}

const PLAIN_PROBES = ["", " ", "a", "The 1st  café—«ﬁ①ｆ»\t漢字 かな\u3000한국어 😀\u200D e\u0301\n", "x".repeat(200)];
/** Long enough to exceed the library's limit on backtracking with two nested loops. */
const RUN_LENGTH = 4000;
const RUN_CHARACTERS = "aA0 .\n";
const MAX_RUN_CHARACTERS = 24;

/** Texts that trigger known failures: long runs of a character make expressions backtrack. */
function probes(spec: string): string[] {
  const expressions = Array.from(spec.matchAll(/"Regex":"((?:[^"\\]|\\.)*)"/g), ([, expression]) => expression!);
  if (expressions.length === 0) return PLAIN_PROBES;
  const characters = new Set([...RUN_CHARACTERS, ...expressions.join("").replace(/[^\p{L}\p{N}\p{P}\p{S}]/gu, "")]);
  // The library skips an expression if a required character is missing, so the text has all of them.
  const rest = [...characters].join("");
  const runs = [...characters].slice(0, MAX_RUN_CHARACTERS).map((character) => character.repeat(RUN_LENGTH));
  return [...PLAIN_PROBES, ...runs.flatMap((run) => [run, `${run}~${rest}`, `${run}7${rest}`])];
}

function refusal(file: string, outcome: "crashed" | "slow", limitMs: number): BidoraError {
  const what = outcome === "slow" ? `takes more than ${limitMs / 1000} s to split a short text` : "ends the process";
  return new BidoraError(
    "TOKENIZER",
    `${file} is broken: a tokenizer made from it ${what}; expected a valid normalizer, pre-tokenizer and template: download the file again.`,
  );
}
