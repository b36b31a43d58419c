import { parse, tokenize } from "@huggingface/jinja";
import type { Statement } from "./ast.js";
import { refuse, TemplateFault } from "./fault.js";

/** What transformers' `{% generation %}` becomes for the parser, which would drop it: a call block, as in Jinja. */
export const GENERATION = "generation__";

const TAG = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

/** Characters that Python and JavaScript don't both take for white space. */
const UNCLEAR_CHARACTERS = "\\x1c-\\x1f\\x85\\ufeff";
const UNCLEAR_SPACE = new RegExp(`[${UNCLEAR_CHARACTERS}]`);
/** Text that the tokenizer takes for a block's edge where Jinja doesn't. */
const UNCLEAR_EDGE = /^[ \t]+\{-|-\}\n/m;

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
  const lines = source.replace(/\r\n?/g, "\n");
  if (UNCLEAR_SPACE.test(lines) || UNCLEAR_EDGE.test(lines))
    return refuse("it has a character or a brace beside which white space is not clear");
  const marked = lines.replace(TAG, (_, before: string, end: string | undefined, after: string) =>
    end ? `{%${before} endcall ${after}%}` : `{%${before} call ${GENERATION}() ${after}%}`,
  );
  try {
    const tokens = tokenize(marked, { trim_blocks: true, lstrip_blocks: true });
    requireNoChains(tokens);
    return { body: parse(tokens).body as unknown as Statement[], marksGeneration: marked !== lines };
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
function requireNoChains(tokens: readonly { readonly value: string; readonly type: string }[]): void {
  const compared = [false];
  for (const [i, { value, type }] of tokens.entries()) {
    if (type === "Text" || type === "StringLiteral" || type === "Comment" || tokens[i - 1]?.type === "Dot") continue;
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
