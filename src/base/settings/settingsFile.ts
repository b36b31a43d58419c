/** Settings in a YAML file, with messages that name the line. */

import { readFileSync } from "node:fs";
import type { CST, Document, LineCounter, Node, ParsedNode } from "yaml";
import { own } from "../collections.js";
import { BidoraError, UsageError } from "../errors.js";
import { refuseSpecialFile } from "../fileSystem.js";
import { didYouMean } from "../messages.js";
import { yaml } from "../require.js";
import { checkValue } from "./kinds.js";
import type { Given, Option, OptionTable } from "./option.js";

/**
 * Reads settings from a YAML file, in which they have the names of the flags in camelCase.
 * @throws BidoraError if the file can't be read; UsageError with the line for broken YAML, unknown keys and wrong values
 */
export function readSettingsFile<Table extends OptionTable>(path: string, table: Table): Given<Table> {
  const { isMap, isScalar, LineCounter } = yaml();
  const lines = new LineCounter();
  const lineOf = (offset: number | undefined) =>
    `${path}, line ${offset === undefined ? 1 : lines.linePos(offset).line}`;
  const document = parse(path, lines);
  const [broken] = document.errors;
  if (broken) throw notYaml(lineOf(broken.pos[0]), broken);
  const root = document.contents;
  if (root === null) return {};
  if (!isMap(root)) throw new UsageError(`${path} should hold lines of the form "key: value"; got something else.`);
  const settings: Record<string, unknown> = {};
  for (const { key, value } of root.items as { key: Node; value: Node | null }[]) {
    const name = String(isScalar(key) ? key.value : key);
    const line = lineOf(key.range?.[0]);
    const option = own<Option>(table, name);
    if (!option || option.positional)
      throw new UsageError(`${line}: unknown key "${name}".${didYouMean(name, Object.keys(table))}`);
    const given = toPlain(value, document, line);
    if (given !== null) settings[name] = checkValue(option, given, `${line}: ${name}`);
  }
  return settings as Given<Table>;
}

function parse(path: string, lineCounter: LineCounter): Document.Parsed<ParsedNode> {
  const text = readText(path);
  if (isDeep(text))
    throw new UsageError(`${path} should hold lines of the form "key: value"; it is nested too deeply.`);
  return yaml().parseDocument(text, { lineCounter });
}

/** More levels than settings need, and few enough for the parser's recursion. */
const MOST_LEVELS = 32;

function isDeep(text: string): boolean {
  const { CST, Parser } = yaml();
  let level: (CST.Token | null | undefined)[] = [...new Parser().parse(text)];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST_LEVELS) return true;
    level = level.flatMap((token) => {
      if (token?.type === "document") return [token.value];
      return token && CST.isCollection(token) ? token.items.flatMap(({ key, value }) => [key, value]) : [];
    });
  }
  return false;
}

function notYaml(line: string, { message }: Error): UsageError {
  return new UsageError(
    `${line}: not valid YAML: ${message
      .split("\n")[0]
      ?.replace(/ at line.*/, "")
      .replace(/\.$/, "")}.`,
  );
}

/** A YAML node as plain data. Aliases are replaced by their values; the parser limits how often. */
function toPlain(node: Node | null, document: Document, line: string): unknown {
  try {
    const plain: unknown = yaml().isNode(node) ? node.toJS(document) : null;
    // A value that contains itself through an alias is not plain data.
    JSON.stringify(plain);
    return plain;
  } catch (error) {
    if (error instanceof Error) throw notYaml(line, error);
    throw error;
  }
}

const UNREADABLE: Readonly<Partial<Record<string, string>>> = {
  ENOENT: "does not exist; give the path of a YAML file.",
  EISDIR: "is a folder; give the path of a YAML file, and a model's folder by --model.",
};

function readText(path: string): string {
  refuseSpecialFile(path);
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    throw new BidoraError("RUN_FILE", `The run file ${path} ${UNREADABLE[code] ?? `can't be read: ${message}.`}`, {
      cause,
    });
  }
}
