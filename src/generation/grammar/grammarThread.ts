/**
 * What runs in the thread of a grammar. XGrammar is a program of WebAssembly: it ends with the thread that runs it, whatever a schema makes
 * it do.
 */
import type * as XGrammar from "@mlc-ai/web-xgrammar";

/** What a thread is started with. */
export interface ThreadData {
  /** The grammar in EBNF. */
  readonly grammar: string;
  /** The bytes of all tokens, and where those of each end. Tokens without bytes are never allowed. */
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
  /** The tokens that end a text. */
  readonly endTokens: readonly number[];
}

/** What a thread is asked: what may come at the start of a new sequence, or after one more token of it; or to forget it. */
export interface Question {
  readonly sequence: number;
  readonly token?: number;
  readonly isOver?: true;
}

/** What it answers, at first when the grammar is ready. An error ends the thread. */
export interface Reply {
  readonly allowed?: Int32Array;
  readonly error?: string;
}

/** It is sent to the thread as text, so it refers to nothing outside of it. */
export async function grammarThread(
  { TokenizerInfo, GrammarCompiler, GrammarMatcher }: typeof XGrammar,
  { parentPort, workerData }: typeof import("node:worker_threads"),
): Promise<void> {
  const { grammar, bytes, ends, endTokens } = workerData as ThreadData;
  const send = (sequence: number | undefined, reply: Reply) => parentPort?.postMessage({ sequence, ...reply });
  let last = "";
  console.error = (line: unknown) => {
    last = String(line).replace(/^.*?\.cc:\d+: /, "");
  };
  try {
    const tokens = Array.from(ends, (end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
    const info = await TokenizerInfo.createTokenizerInfo(tokens as never, "raw", false, tokens.length, [...endTokens]);
    const compiler = await GrammarCompiler.createGrammarCompiler(info, false);
    const compiled = await compiler.compileGrammar(grammar);
    const matchers = new Map<number, XGrammar.GrammarMatcher>();
    parentPort?.on("message", async ({ sequence, token, isOver }: Question) => {
      try {
        let matcher = matchers.get(sequence);
        if (isOver) {
          matcher?.dispose();
          matchers.delete(sequence);
          return;
        }
        matcher ??= await GrammarMatcher.createGrammarMatcher(compiled);
        matchers.set(sequence, matcher);
        if (token !== undefined) matcher.acceptToken(token);
        send(sequence, { allowed: await matcher.getNextTokenBitmask() });
      } catch (error) {
        send(sequence, { error: last || String(error) });
      }
    });
    send(undefined, {});
  } catch (error) {
    send(undefined, { error: last || String(error) });
  }
}
