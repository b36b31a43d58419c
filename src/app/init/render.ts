/** The text of a new `run.yaml`: settings with the help texts of their options as comments. */
import { Document, Scalar, visit } from "yaml";
import { oneLine } from "../../base/index.js";
import { type Option, withoutEffect } from "../../base/settings/index.js";
import { type RunConfig, type RunKey, type RunSettings, runOptions } from "../../tasks/config/index.js";

/** What the file says besides its settings. */
interface Head {
  /** The JSON Schema, as editors find it from the file. */
  readonly schema: string;
  readonly lines: readonly string[];
}

/**
 * @param settings written as they are; other common settings are commented out, with the values that the run has by default
 * @param config the same settings as resolved
 */
export function renderRunFile(settings: RunSettings, config: RunConfig, { schema, lines }: Head): string {
  const unused = new Set(withoutEffect(runOptions, runOptions, config));
  const groups = new Map<string, string[]>();
  for (const [key, option] of Object.entries<Option>(runOptions)) {
    const isSet = settings[key as RunKey] !== undefined;
    if (!isSet && (option.session || option.advanced || unused.has(key))) continue;
    const line = isSet ? settingLine(key, settings[key as RunKey], option) : `# ${defaultLine(key, config, option)}`;
    groups.set(option.group, [...(groups.get(option.group) ?? []), line]);
  }
  const head = [`# yaml-language-server: $schema=${schema}`, ...lines.map((line) => `# ${oneLine(line)}`)];
  return [head, ...[...groups].map(([group, own]) => [`# ${group}`, ...own])]
    .map((part) => `${part.join("\n")}\n`)
    .join("\n");
}

function defaultLine(key: string, config: RunConfig, option: Option): string {
  const value = config[key as RunKey];
  if (value !== undefined) return settingLine(key, value, option);
  const words = option.defaultText === undefined ? "" : ` (${option.defaultText})`;
  return `${key}:  # ${option.help}${words}`;
}

/** Control characters that are written as they are, though a terminal would follow them. */
const LEFT = /[\x7f-\x9f]/g;
const escaped = (character: string): string => `\\x${character.charCodeAt(0).toString(16)}`;

/** One line, whatever the value holds: texts with line breaks and other control characters are quoted. */
function settingLine(key: string, value: unknown, { help }: Option): string {
  const document = new Document({ [key]: value });
  visit(document, {
    Collection(at, node) {
      if (at === "value") node.flow = true;
    },
    Scalar(_, node) {
      if (typeof node.value === "string" && /\p{C}/u.test(node.value)) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  const text = document.toString({
    lineWidth: 0,
    flowCollectionPadding: false,
    doubleQuotedMinMultiLineLength: Number.POSITIVE_INFINITY,
  });
  return `${text.trimEnd().replace(LEFT, escaped)}  # ${help}`;
}
