/** The text of `--help` and `--help-all`. */
import { group } from "d3-array";
import { wrap } from "../../base/index.js";
import { flagOf, type Option, type OptionTable } from "../../base/settings/index.js";

const WIDTH = 80;
const FLAGS = 26;

/** The parts of a command that its help text shows. */
interface CommandHelp {
  /** The words after `bidora`: `finetune [run.yaml] [flags]`. */
  readonly usage: string;
  readonly about: string;
  readonly options: OptionTable;
}

/**
 * The help text: options by group. Advanced options are only listed by name, so that the text fits one screen, unless `all` is set.
 */
export function renderHelp({ usage, about, options }: CommandHelp, all = false): string {
  const sections = [...groupOptions(options)].map(([group, entries]) => renderGroup(group, entries, all));
  const hasAdvanced = Object.values(options).some((option) => option.advanced);
  const more =
    hasAdvanced && !all ? ["Options after “also”, and rarer ones, are in --help-all and docs/options.md."] : [];
  return [`Usage: bidora ${usage}`, ...wrap(about, WIDTH), ...sections.flat(), ...more].join("\n");
}

type Entries = readonly (readonly [string, Option])[];

const groupOptions = (options: OptionTable): Map<string, [string, Option][]> =>
  group(
    Object.entries(options).filter(([, { positional }]) => !positional),
    ([, option]) => option.group,
  );

function renderGroup(group: string, entries: Entries, all: boolean): string[] {
  const shown = entries.filter(([, option]) => all || !option.advanced);
  const rest = entries.filter(([, option]) => !all && option.advanced && !option.rare);
  if (shown.length + rest.length === 0) return [];
  const lines = shown.flatMap(([key, option]) => renderOption(key, option, all));
  const also = rest.map(([key, option]) => shownFlag(key, option)).join(", ");
  return [`${group}:`, ...lines, ...(also ? wrap(`also ${also}`, WIDTH, "    ", "  ") : [])];
}

/** A switch that is on by default is listed in the form that turns it off. */
const shownFlag = (key: string, option: Option): string =>
  option.default === true ? flagOf(key).replace("--", "--no-") : flagOf(key);

interface DefaultFacts {
  readonly default?: unknown;
  readonly defaultText?: string | undefined;
}

/** The default in parentheses; empty if there is none to show, or for a switch that is off. */
function shownDefault(option: DefaultFacts): string {
  if (option.default === false) return "";
  const value = defaultText(option);
  return value === "" ? "" : ` (${value})`;
}

/** A default in words; empty if the option has none. */
export function defaultText(option: DefaultFacts): string {
  if (option.defaultText !== undefined) return option.defaultText;
  if (typeof option.default === "boolean") return option.default ? "on" : "off";
  return option.default === undefined ? "" : [option.default].flat().join(",");
}

/** What an option does, and when it has an effect, or one of its values. */
export const helpText = ({ help, appliesWhen, valueAppliesWhen = {} }: Option): string =>
  [
    help,
    ...(appliesWhen ? [`only ${appliesWhen.only}`] : []),
    ...Array.from(
      group(Object.entries(valueAppliesWhen), ([, { only }]) => only),
      ([only, values]) => `${values.map(([word]) => word).join(", ")} only ${only}`,
    ),
  ].join("; ");

function renderOption(key: string, option: Option, all: boolean): string[] {
  const name = option.default === true ? flagOf(key).replace("--", "--[no-]") : flagOf(key);
  const flag = `  ${`${name} ${option.placeholder}`.trim()}`;
  const help = wrap(`${all ? helpText(option) : option.help}${shownDefault(option)}`, WIDTH, " ".repeat(FLAGS));
  if (flag.length + 1 > FLAGS) return [flag, ...help];
  return [flag.padEnd(FLAGS) + help[0]?.slice(FLAGS), ...help.slice(1)];
}
