/** The native library `tokenizers`: the part of its API that is used, and a trial of each new tokenizer in a child process. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BidoraError, makeFolder, ownCacheFolder, require } from "../base/index.js";
import type { JsonObject } from "../base/records/index.js";
import { findTokenizers } from "./library.js";

// The library's own types do not compile, so no published type refers to them.

/** The tokens of one text or a pair. */
interface NativeEncoding {
  getLength(): number;
  getIds(): number[];
  getTypeIds(): number[];
  getOffsets(): number[][];
  /** The text that each token belongs to; null for special tokens. */
  getSequenceIds(): readonly (number | undefined | null)[];
}

interface NativeEncodeOptions {
  readonly addSpecialTokens?: boolean;
}

export interface NativeTokenizer {
  encode(text: string, pair?: string | null, options?: NativeEncodeOptions): Promise<NativeEncoding>;
  encodeBatch(texts: string[], options?: NativeEncodeOptions): Promise<NativeEncoding[]>;
  decode(ids: number[], skipSpecialTokens: boolean): Promise<string>;
  getVocab(): Record<string, number>;
  getVocabSize(withAddedTokens: boolean): number;
  idToToken(id: number): string | null;
  tokenToId(token: string): number | null;
}

/** Loads the library at its first use: no other native library can be loaded while a thread loads libtorch. */
export function createNative(text: string): NativeTokenizer {
  const { Tokenizer: Native } = require(findTokenizers().path) as typeof import("tokenizers");
  const native: NativeTokenizer = Native.fromString(text);
  return {
    encode: explained((...given) => native.encode(...given)),
    encodeBatch: explained((...given) => native.encodeBatch(...given)),
    decode: explained((...given) => native.decode(...given)),
    getVocab: () => native.getVocab(),
    getVocabSize: (withAddedTokens) => native.getVocabSize(withAddedTokens),
    idToToken: (id) => native.idToToken(id),
    tokenToId: (token) => native.tokenToId(token),
  };
}

/** The same call, whose failures are the tokenizer's: it may lack what a text needs, such as a token for unknown words. */
const explained =
  <Given extends unknown[], T>(call: (...given: Given) => Promise<T>) =>
  (...given: Given): Promise<T> =>
    call(...given).catch((cause: Error) => {
      const fault = `The tokenizer fails at a text: ${cause.message.replace(/\.$/, "")}. Check the tokenizer's files.`;
      throw new BidoraError("TOKENIZER", fault, { cause });
    });

/** A tokenizer.json for the library, without padding and truncation, which would apply to every encoding. */
export function nativeText(spec: JsonObject): string {
  return JSON.stringify({ ...spec, truncation: null, padding: null });
}

/*
 * The library ends the whole process on some tokenizer files: a character map that it can't parse, a template with a second text
 * although there is only one, an expression that backtracks too far. So each new tokenizer is tried in a child process first. Those that
 * passed are remembered by their contents.
 */

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
  return createHash("sha256").update(`${findTokenizers().version}\n${SCRIPT}\n${spec}`).digest("hex");
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
