// Calls of tools in a model's own form: the tokens around the arguments are given, the arguments follow a grammar.

import { type Constraint, isAllowed } from "../search.js";
import type { TextConstraint } from "./grammars.js";

/** The tokens around the arguments of calls. */
export interface CallTokens {
  /** By tool: the tokens before its arguments in the first call. */
  readonly first: readonly (readonly number[])[];
  /** By tool: the tokens between the arguments of one call and the next; none if there is one call. */
  readonly further: readonly (readonly number[])[];
  /** The tokens after the arguments of the last call. */
  readonly last: readonly number[];
  /** The tokens that may end the text then. */
  readonly ends: readonly number[];
}

/** A place in a tree of token lists. */
interface Node {
  readonly next: Map<number, Node>;
  /** The tool whose arguments come next. */
  tool?: number;
  /** Whether the text may end. */
  isLast?: true;
}

/** Allows one call of a tool, or several. */
export class CallConstraint implements Constraint {
  readonly #further: Node;
  /** Undefined among the arguments. */
  #node: Node | undefined;
  #arguments: TextConstraint | undefined;

  /** @param newArguments the grammar of a call: a tool's number, a colon and its arguments @param size of the vocabulary */
  constructor(
    private readonly tokens: CallTokens,
    private readonly newArguments: () => TextConstraint,
    private readonly size: number,
  ) {
    const { first, further, last } = tokens;
    this.#node = treeOf(first);
    this.#further = treeOf(further);
    place(this.#further, last).isLast = true;
  }

  async allowed(): Promise<Int32Array> {
    if (this.#arguments) {
      const allowed = await this.#arguments.allowed();
      if (!this.tokens.ends.some((end) => isAllowed(allowed, end))) return allowed;
      // The arguments are complete.
      this.#arguments = undefined;
      this.#node = this.#further;
    }
    const { next, isLast } = this.#node as Node;
    return maskOf([...next.keys(), ...(isLast ? this.tokens.ends : [])], this.size);
  }

  accept(token: number): void {
    if (this.#arguments) {
      this.#arguments.accept(token);
      return;
    }
    this.#node = this.#node?.next.get(token);
    const tool = this.#node?.tool;
    if (tool === undefined) return;
    this.#arguments = this.newArguments();
    this.#arguments.acceptText(`${tool}:`);
  }
}

function treeOf(lists: readonly (readonly number[])[]): Node {
  const root: Node = { next: new Map() };
  for (const [tool, list] of lists.entries()) place(root, list).tool = tool;
  return root;
}

/** The place after a list, which is added. */
function place(root: Node, list: readonly number[]): Node {
  let node = root;
  for (const token of list) {
    const next: Node = node.next.get(token) ?? { next: new Map() };
    node.next.set(token, next);
    node = next;
  }
  return node;
}

function maskOf(tokens: readonly number[], size: number): Int32Array {
  const mask = new Int32Array(Math.ceil(size / 32));
  for (const token of tokens) mask[token >> 5]! |= 1 << (token & 31);
  return mask;
}
