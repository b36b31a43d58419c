import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { makeFolder } from "../common/fileSystem.js";
import { ownCacheFolder } from "../common/program.js";

/*
 * The native library ends the whole process on some tokenizer files: on a character map that it can't parse, on a template with a
 * second text where there is one, on an expression that backtracks too far. So a tokenizer that was not seen before is tried in a
 * process of its own. What passed is remembered by its contents.
 */

const require = createRequire(import.meta.url);
const LIMIT_MS = 30_000;
/** Ends of the child that say nothing of the tokenizer: somebody ended it. */
const ENDED_BY_OTHERS: ReadonlySet<NodeJS.Signals | null> = new Set(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]);

/** Errors that the library throws are left to the real loading, which has the words for them. */
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
 * Tries a tokenizer unless its like has passed before.
 * @param spec the text of a tokenizer.json
 * @param file what it was made from, for the message
 * @throws BidoraError `TOKENIZER` where it ends the process that uses it, or takes too long
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
    // It is tried again next time.
  }
}

/** Another library, or other probes, may come to another end. */
function fingerprint(spec: string): string {
  const { version } = require("tokenizers/package.json") as { version: string };
  return createHash("sha256").update(`${version}\n${SCRIPT}\n${spec}`).digest("hex");
}

type Outcome = "passed" | "crashed" | "slow" | "unknown";

function runTrial(trial: { spec: string; texts: readonly string[] }, limitMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["-e", SCRIPT, require.resolve("tokenizers")], {
      cwd: tmpdir(),
      stdio: ["pipe", "pipe", "ignore"],
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
    // A child that is gone takes no more.
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
/** Beyond what the library lets an expression with two nested loops try. */
const RUN_LENGTH = 4000;
const RUN_CHARACTERS = "aA0 .\n";
const MAX_RUN_CHARACTERS = 24;

/** Texts that lead into what is known to fail; long runs of a character show an expression that backtracks. */
function probes(spec: string): string[] {
  const expressions = Array.from(spec.matchAll(/"Regex":"((?:[^"\\]|\\.)*)"/g), ([, expression]) => expression!);
  if (expressions.length === 0) return PLAIN_PROBES;
  const characters = new Set([...RUN_CHARACTERS, ...expressions.join("").replace(/[^\p{L}\p{N}\p{P}\p{S}]/gu, "")]);
  // The library looks first whether what an expression must contain stands anywhere.
  const rest = [...characters].join("");
  const runs = [...characters].slice(0, MAX_RUN_CHARACTERS).map((character) => character.repeat(RUN_LENGTH));
  return [...PLAIN_PROBES, ...runs.flatMap((run) => [run, `${run}~${rest}`, `${run}7${rest}`])];
}

function refusal(file: string, outcome: "crashed" | "slow", limitMs: number): BidoraError {
  const what = outcome === "slow" ? `takes more than ${limitMs / 1000} s to split a short text` : "ends the process";
  return new BidoraError(
    "TOKENIZER",
    `${file} is broken: a tokenizer made from it ${what}; expected a sound normalizer, pre-tokenizer and template: take the file from the model's source again.`,
  );
}
