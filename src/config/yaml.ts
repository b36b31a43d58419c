import { readFileSync } from "node:fs";
import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { BidoraError, UsageError } from "../errors.js";
import { refuseSpecialFile } from "../inputFile.js";
import { didYouMean } from "./nearest.js";
import { checkValue } from "./option.js";
import { type RunKey, type RunSettings, runOptions } from "./options.js";

/**
 * The settings that a YAML file gives: the same words as the flags, in camelCase.
 * @throws BidoraError when the file can't be read; UsageError with the line for broken YAML, unknown keys, wrong values
 */
export function readRunFile(path: string): RunSettings {
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines });
  const [broken] = document.errors;
  if (broken) {
    const line = lines.linePos(broken.pos[0]).line;
    throw new UsageError(
      `${path}, line ${line}: not valid YAML: ${broken.message.split("\n")[0]?.replace(/ at line.*/, "")}.`,
    );
  }
  const root = document.contents;
  if (root === null) return {};
  if (!isMap(root)) throw new UsageError(`${path} should hold lines of the form "key: value"; got something else.`);
  const settings: Record<string, unknown> = {};
  for (const { key, value } of root.items) {
    const name = String(isScalar(key) ? key.value : key);
    const line = isScalar(key) && key.range ? lines.linePos(key.range[0]).line : 1;
    const plain: unknown = isScalar(value) || value === null ? (value?.value ?? null) : document.get(key, false);
    if (!(name in runOptions)) {
      throw new UsageError(`${path}, line ${line}: unknown key "${name}".${didYouMean(name, Object.keys(runOptions))}`);
    }
    const given = toPlain(plain);
    if (given !== null)
      settings[name] = checkValue<unknown>(runOptions[name as RunKey], given, `${path}, line ${line}: ${name}`);
  }
  return settings;
}

/** A YAML node as plain data. */
function toPlain(node: unknown): unknown {
  return typeof node === "object" && node !== null && "toJSON" in node && typeof node.toJSON === "function"
    ? node.toJSON()
    : node;
}

function readText(path: string): string {
  refuseSpecialFile(path);
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const message = missing
      ? `The run file ${path} does not exist; give the path of a YAML file.`
      : `The run file ${path} can't be read: ${(cause as Error).message}.`;
    throw new BidoraError("RUN_FILE", message, { cause });
  }
}
