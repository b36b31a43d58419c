import { readFile } from "node:fs/promises";
import { Parser } from "htmlparser2";
import { own } from "../common/collections.js";
import { refuseSpecialFile } from "../common/fileSystem.js";
import type { Location } from "./example.js";
import { emptyFile, fileError, rowError } from "./textFile.js";

/** The attributes of a story that the divisions into training and test rows go by, with their values in the collection. */
const ATTRIBUTES = {
  TOPICS: ["YES", "NO", "BYPASS"],
  LEWISSPLIT: ["TRAIN", "TEST", "NOT-USED"],
  CGISPLIT: ["TRAINING-SET", "PUBLISHED-TESTSET"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type ReutersAttributes = { readonly [K in keyof typeof ATTRIBUTES]: (typeof ATTRIBUTES)[K][number] };

/** A story of Reuters-21578. */
export interface ReutersDocument {
  readonly attributes: ReutersAttributes;
  readonly topics: readonly string[];
  /**
   * Title and body, a line break between; all of the text where it is not divided into these (`TYPE="UNPROC"`), so that it is
   * never empty. (The one story without any text, NEWID 12793, has its date for one.)
   */
  readonly text: string;
  readonly at: Location;
}

/**
 * The stories of one of Reuters-21578's SGML files (lewis.dtd), which are Latin-1 and have control characters as `&#5;`.
 * @throws BidoraError naming the line of what is not as the DTD says
 */
export async function readReutersFile(file: string): Promise<ReutersDocument[]> {
  refuseSpecialFile(file);
  const sgml = await readFile(file, "latin1").catch((cause: unknown) => {
    throw fileError(file, cause);
  });
  const stories = new StoryBuilder(file, sgml);
  const parser: Parser = new Parser(
    {
      onopentag: (name, attributes) => stories.open(name, attributes, parser.startIndex),
      ontext: (text) => stories.text(text),
      onclosetag: (name, isImplied) => stories.close(name, isImplied, parser.startIndex),
    },
    // XML's rules keep the case of names, give no element of HTML a meaning, and know the entities that these files have.
    { xmlMode: true, decodeEntities: true },
  );
  parser.end(sgml);
  return stories.finish();
}

/** Gathers the stories of one file from the parser's events. */
class StoryBuilder {
  readonly #found: ReutersDocument[] = [];
  readonly #line: (index: number) => number;
  /** The elements that are open, from the story on. */
  #open: string[] = [];
  #story:
    | { readonly attributes: ReutersAttributes; readonly at: Location; readonly texts: Map<string, string> }
    | undefined;
  #topics: string[] = [];

  constructor(
    readonly file: string,
    sgml: string,
  ) {
    this.#line = lineCounter(sgml);
  }

  open(name: string, attributes: Readonly<Record<string, string>>, index: number): void {
    if (name === "REUTERS") this.#begin(attributes, this.#line(index));
    this.#open.push(name);
    if (name === "D" && this.#open.at(-2) === "TOPICS") this.#topics.push("");
  }

  text(text: string): void {
    const [element, parent] = [this.#open.at(-1), this.#open.at(-2)];
    if (element === "D" && parent === "TOPICS") this.#topics.push(this.#topics.pop() + text);
    for (const name of new Set(this.#open)) this.#add(name, text);
  }

  close(name: string, isImplied: boolean, index: number): void {
    if (isImplied)
      throw rowError(this.file, this.#line(index), `the element ${name} is never closed: the file is damaged.`);
    this.#open.pop();
    if (name !== "REUTERS" || !this.#story) return;
    const { attributes, at, texts } = this.#story;
    this.#found.push({ attributes, topics: this.#topics.map((topic) => topic.trim()), text: textOf(texts), at });
    this.#story = undefined;
  }

  finish(): ReutersDocument[] {
    if (this.#found.length === 0) throw emptyFile(this.file);
    return this.#found;
  }

  #begin(given: Readonly<Record<string, string>>, line: number): void {
    if (this.#story) throw rowError(this.file, this.#story.at.line, "the story is never closed by </REUTERS>.");
    for (const [name, values] of Object.entries<readonly string[]>(ATTRIBUTES)) {
      const value = own(given, name);
      if (value !== undefined && values.includes(value)) continue;
      const came = value === undefined ? "missing" : JSON.stringify(value);
      throw rowError(this.file, line, `${name} of a story must be one of ${values.join(", ")}, but is ${came}.`);
    }
    this.#open = [];
    this.#topics = [];
    this.#story = { attributes: given as ReutersAttributes, at: { file: this.file, line }, texts: new Map() };
  }

  #add(element: string, text: string): void {
    this.#story?.texts.set(element, (this.#story.texts.get(element) ?? "") + text);
  }
}

function textOf(texts: ReadonlyMap<string, string>): string {
  const partOf = (element: string) => withoutControls(texts.get(element) ?? "").trim();
  const parts = [partOf("TITLE"), partOf("BODY")].filter((part) => part !== "");
  return parts.join("\n") || partOf("TEXT") || partOf("DATE");
}

/** Marks of the wire that the stories came by, such as that of a text's end; they say nothing and are none of its words. */
const withoutControls = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, "");

/** Tells the line, from 1, of indices that only grow. */
function lineCounter(text: string): (index: number) => number {
  let [line, from] = [1, 0];
  return (index) => {
    for (let at = text.indexOf("\n", from); at !== -1 && at < index; at = text.indexOf("\n", from)) {
      line++;
      from = at + 1;
    }
    return line;
  };
}
