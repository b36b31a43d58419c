import { parse } from "@huggingface/jinja";
import type { Statement } from "./ast.js";
import { refuse, TemplateFault } from "./fault.js";
import { GENERATION, type Token, tokensOf } from "./lexer.js";
import { rewritten } from "./rewrite.js";

export interface Template {
  readonly body: readonly Statement[];
  /** Whether it says which parts the assistant wrote. */
  readonly marksGeneration: boolean;
}

/**
 * Reads a template: blocks take the line's end after them and the blanks before them along, as transformers has it.
 * @throws TemplateFault for one that breaks Jinja's rules
 */
export function parseTemplate(source: string): Template {
  try {
    const tokens = tokensOf(source.replace(/\r\n?/g, "\n"));
    const known = rewritten(tokens);
    requireNoChains(known);
    const body = parse(known as Parameters<typeof parse>[0]).body as unknown as Statement[];
    return { body, marksGeneration: tokens.some(({ type, value }) => type === "Identifier" && value === GENERATION) };
  } catch (error) {
    if (error instanceof TemplateFault) throw error;
    // The parser runs into the end where a block or a bracket is left open.
    const why = error instanceof TypeError ? "a block or a bracket is not closed" : (error as Error).message;
    return refuse(`it breaks Jinja's rules (${why})`);
  }
}

const OPENING: ReadonlySet<string> = new Set(["(", "[", "{"]);
const CLOSING: ReadonlySet<string> = new Set([")", "]", "}"]);
const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", ">", "<=", ">=", "in"]);
/** What a comparison ends before. */
const ENDS: ReadonlySet<string> = new Set(["and", "or", "if", "else", "not", ",", ":", "=", "%}", "}}"]);

/** `a < b < c` means `a < b and b < c` to Python, but the parser takes it for `(a < b) < c`. */
function requireNoChains(tokens: readonly Token[]): void {
  const compared = [false];
  for (const [i, { value, type }] of tokens.entries()) {
    if (type === "Text" || type === "StringLiteral" || tokens[i - 1]?.type === "Dot") continue;
    if (OPENING.has(value)) compared.push(false);
    else if (CLOSING.has(value)) compared.pop();
    else if (COMPARISONS.has(value)) {
      if (compared.pop()) refuse("it compares more than two values in one go");
      compared.push(true);
    } else if (ENDS.has(value) && !(value === "not" && tokens[i + 1]?.value === "in")) {
      compared.pop();
      compared.push(false);
    }
  }
}
