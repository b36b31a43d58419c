import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { byCodePoint, own, refuseSpecialFile } from "../../base/index.js";
import { emptyFile, fileError } from "../data/files/textFile.js";
import { type Dataset, type Location, rowError, type TextExample } from "../data/index.js";
import type { NamedDatasetFacts, NamedDatasets, Split } from "./dataset.js";
import { missingFiles, namesIn } from "./files.js";

/**
 * Topics of newswire stories, any number for each: the 22 SGML files of Reuters-21578, Distribution 1.0. The stories' attributes divide
 * them into training and test rows, as section VIII of the collection's README says:
 *
 * | | training | test | topics | training rows without a topic |
 * |---|---|---|---|---|
 * | `modapte` | 9 603 | 3 299 | 115 | 1 828 |
 * | `modhayes` | 20 856 | 722 | 118 | 10 054 |
 * | `modlewis` | 13 625 | 6 188 | 115 | 5 845 |
 *
 * - A row's text is title, line break, body; for a brief story the title; for an unprocessed one (`TYPE="UNPROC"`) its whole text.
 *   Control characters are left out. One story has no text at all (NEWID 12793, in two of the divisions): its date is used.
 * - Labels are `TOPICS`; a story may have none. A model has the topics that at least one training story has: 115 in ModApte, of which 90
 *   occur in test stories too.
 * - A test story's topic that is in no training story (3 in ModApte and ModLewis, 2 in ModHayes) is removed from its reference, as in
 *   evaluations on the 115 categories: it counts neither as found nor as missed. No test row is left out, and each of these has another
 *   topic, so that none counts as right for having no topic.
 */
export const reuters21578 = {
  "reuters21578/modapte": divided("modapte"),
  "reuters21578/modhayes": divided("modhayes"),
  "reuters21578/modlewis": divided("modlewis"),
} as const satisfies NamedDatasets;

function divided(by: keyof typeof DIVISIONS): NamedDatasetFacts {
  return {
    task: "multi-label-classification",
    files: "the collection's 22 SGML files",
    labelNames: [],
    labeled: ["train", "test"],
    load: (directory, split) => load(by, directory, split),
  };
}

const lewis = (value: string): Split | undefined => (({ TRAIN: "train", TEST: "test" }) as const)[value];

/** The divisions of the collection's README: by Apté, Hayes and Lewis, each modified. */
const DIVISIONS = {
  modapte: ({ LEWISSPLIT, TOPICS }) => (TOPICS === "YES" ? lewis(LEWISSPLIT) : undefined),
  modhayes: ({ CGISPLIT }) => (CGISPLIT === "TRAINING-SET" ? "train" : "test"),
  modlewis: ({ LEWISSPLIT, TOPICS }) => (TOPICS === "BYPASS" ? undefined : lewis(LEWISSPLIT)),
} satisfies Readonly<Record<string, (attributes: ReutersAttributes) => Split | undefined>>;

const FILES = Array.from({ length: 22 }, (_, i) => `reut2-${String(i).padStart(3, "0")}.sgm`);

async function load(
  by: keyof typeof DIVISIONS,
  directory: string,
  split: Split,
): Promise<Dataset<TextExample<readonly string[]>>> {
  const documents = await readAll(directory);
  const part = (wanted: Split) => documents.filter(({ attributes }) => DIVISIONS[by](attributes) === wanted);
  const known = new Set(part("train").flatMap(({ topics }) => topics));
  const examples = part(split).map(({ text, topics, at }): TextExample<readonly string[]> => {
    const label = [...new Set(topics)].filter((topic) => known.has(topic));
    return { input: [text], label, at };
  });
  return { examples, labelNames: [...known].sort(byCodePoint) };
}

async function readAll(directory: string): Promise<ReutersDocument[]> {
  const names = await namesIn(directory);
  const missing = FILES.find((name) => !names.includes(name));
  if (missing !== undefined)
    throw missingFiles(directory, `${missing} of Reuters-21578's ${FILES[0]} to ${FILES.at(-1)}`);
  const documents: ReutersDocument[] = [];
  for (const name of FILES) documents.push(...(await readReutersFile(join(directory, name))));
  return documents;
}

/** The attributes of a story that decide about its division, with the values that occur in the collection. */
const ATTRIBUTES = {
  TOPICS: ["YES", "NO", "BYPASS"],
  LEWISSPLIT: ["TRAIN", "TEST", "NOT-USED"],
  CGISPLIT: ["TRAINING-SET", "PUBLISHED-TESTSET"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type ReutersAttributes = { readonly [K in keyof typeof ATTRIBUTES]: (typeof ATTRIBUTES)[K][number] };

/** A story. */
interface ReutersDocument {
  readonly attributes: ReutersAttributes;
  readonly topics: readonly string[];
  /** Never empty. */
  readonly text: string;
  readonly at: Location;
}

/**
 * The stories of one SGML file (lewis.dtd), which is Latin-1 and has control characters as `&#5;`.
 * @throws BidoraError naming the line that breaks the DTD
 */
async function readReutersFile(file: string): Promise<ReutersDocument[]> {
  refuseSpecialFile(file);
  const sgml = await readFile(file, "latin1").catch((cause: unknown) => {
    throw fileError(file, cause);
  });
  const stories = new StoryBuilder(file, sgml);
  const { Parser } = await import("htmlparser2");
  const parser = new Parser(
    {
      onopentag: (name, attributes) => stories.open(name, attributes, parser.startIndex),
      ontext: (text) => stories.text(text),
      onclosetag: (name, isImplied) => stories.close(name, isImplied, parser.startIndex),
    },
    // As XML: names keep their case, HTML's elements have no special meaning, and the entities of these files are known.
    { xmlMode: true, decodeEntities: true },
  );
  parser.end(sgml);
  return stories.finish();
}

/** Collects the stories of one file from the parser's events. */
class StoryBuilder {
  readonly #found: ReutersDocument[] = [];
  readonly #line: (index: number) => number;
  /** The open elements, from the story down. */
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
      const got = value === undefined ? "missing" : JSON.stringify(value);
      throw rowError(this.file, line, `${name} of a story must be one of ${values.join(", ")}, but is ${got}.`);
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

/** The wire service's control characters, such as the end-of-text mark, are no part of the text. */
const withoutControls = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, "");

/** Gives the line, from 1, of each index; indices must not decrease. */
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
