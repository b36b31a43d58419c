// What runs in the thread of a grammar, an entry of its own of the bundle: it writes the grammar of a schema, and compiles it with XGrammar,
// a program of WebAssembly. Both end with the thread, whatever a schema makes them do.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import type * as XGrammar from "@mlc-ai/web-xgrammar";
import { BidoraError } from "../../../base/index.js";
import { callsGrammar } from "./callsGrammar.js";
import { type JsonSchema, jsonGrammar } from "./jsonGrammar.js";

/** What a thread is started with. */
export interface ThreadData {
  /** XGrammar's script. */
  readonly xgrammar: string;
  /** A schema or a list of tools, as JSON, or the grammar itself in EBNF. */
  readonly of: { readonly schema: string } | { readonly tools: string } | { readonly grammar: string };
  /** The bytes of all tokens, and where those of each end. Tokens without bytes are never allowed. */
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
  /** The tokens that end a text. */
  readonly endTokens: readonly number[];
}

/** What a thread is asked: what may come at the start of a new sequence, or after more text or one more token of it; or to forget it. */
export interface GrammarQuestion {
  readonly sequence: number;
  readonly token?: number;
  readonly text?: string;
  readonly isOver?: true;
}

/** What it answers, at first when the grammar is ready. An error ends the thread. */
export interface Reply {
  /** Undefined for the first answer. */
  readonly sequence?: number | undefined;
  readonly allowed?: Int32Array;
  readonly error?: string;
  /** What is wrong with the schema. */
  readonly refusal?: string;
}

/** The bytes that a grammar may take beside those for the vocabulary. */
const MOST_BYTES = 256 * 2 ** 20;

/** The last line that XGrammar wrote, which says more than its exceptions. */
let fault = "";
let isTooLarge = false;
console.error = (line: unknown) => {
  fault = String(line).replace(/^.*?\.cc:\d+: /, "");
};

const reply = (own: Reply): void => parentPort?.postMessage(own);
const failed = (error: unknown, sequence?: number): void =>
  reply({ sequence, error: isTooLarge ? "it takes too much memory" : fault || String(error) });

/** The package's file is CommonJS in a package of modules, which neither import nor require can load: it is run as a script. */
function load(file: string): typeof XGrammar {
  const module = { exports: {} };
  const run = new Function("module", "exports", "require", "__filename", "__dirname", readFileSync(file, "utf8"));
  run(module, module.exports, createRequire(file), file, dirname(file));
  return module.exports as typeof XGrammar;
}

/** The memory of a program of WebAssembly, as TypeScript's own types have it with those of browsers only. */
interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
const { prototype } = (globalThis as unknown as { WebAssembly: { Memory: { prototype: Memory } } }).WebAssembly.Memory;
const PAGE = 2 ** 16;

/** @returns ends the growth of the program's memory beyond so many bytes more than it has then */
function limitMemory(): (bytes: number) => void {
  const { grow } = prototype;
  let memory: Memory | undefined;
  let most = Number.POSITIVE_INFINITY;
  prototype.grow = function (this: Memory, pages) {
    memory = this;
    if (this.buffer.byteLength + pages * PAGE <= most) return grow.call(this, pages);
    isTooLarge = true;
    throw new RangeError();
  };
  return (bytes) => {
    most = (memory?.buffer.byteLength ?? 0) + bytes;
  };
}

/** Answers what comes after the tokens of each sequence. */
function answers(xgrammar: typeof XGrammar, compiled: XGrammar.CompiledGrammar) {
  const matchers = new Map<number, XGrammar.GrammarMatcher>();
  return async ({ sequence, token, text, isOver }: GrammarQuestion): Promise<void> => {
    try {
      let matcher = matchers.get(sequence);
      if (isOver) {
        matcher?.dispose();
        matchers.delete(sequence);
        return;
      }
      matcher ??= await xgrammar.GrammarMatcher.createGrammarMatcher(compiled);
      matchers.set(sequence, matcher);
      if (text !== undefined) matcher._acceptString(text);
      if (token !== undefined) matcher.acceptToken(token);
      reply({ sequence, allowed: await matcher.getNextTokenBitmask() });
    } catch (error) {
      failed(error, sequence);
    }
  };
}

function textOf(of: ThreadData["of"]): string {
  if ("grammar" in of) return of.grammar;
  return "tools" in of ? callsGrammar(JSON.parse(of.tools)) : jsonGrammar(JSON.parse(of.schema) as JsonSchema);
}

async function start({ xgrammar: file, of, bytes, ends, endTokens }: ThreadData): Promise<void> {
  const text = textOf(of);
  const allow = limitMemory();
  const xgrammar = load(file);
  const tokens = Array.from(ends, (end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
  const { TokenizerInfo, GrammarCompiler } = xgrammar;
  const info = await TokenizerInfo.createTokenizerInfo(tokens as never, "raw", false, tokens.length, [...endTokens]);
  const compiler = await GrammarCompiler.createGrammarCompiler(info, false);
  allow(MOST_BYTES);
  parentPort?.on("message", answers(xgrammar, await compiler.compileGrammar(text)));
  reply({});
}

start(workerData as ThreadData).catch((error) => {
  if (error instanceof BidoraError) reply({ refusal: error.message });
  else failed(error);
});
