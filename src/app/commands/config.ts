/** `bidora config`: the settings of a run, with their sources. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError, statOf, UsageError } from "../../base/index.js";
import {
  EVENTS,
  isJsonObject,
  type JsonValue,
  RUN_FILE,
  readRunLog,
  type SettingSource,
  type StartEvent,
} from "../../base/records/index.js";
import { asRare, flagOf, type Given, omit, option, readSettingsFile, text } from "../../base/settings/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import {
  askedRun,
  type RunKey,
  type RunSettings,
  runOptions,
  session,
  settingSources,
  unusedSettings,
} from "../../tasks/config/index.js";
import { startOf } from "../../training/run/index.js";
import { call, defineRunCommand, formatTable, HUB_HOOKS, type HubHooks } from "./command.js";

const options = {
  run: option(text("RUN"), {
    group: "Run",
    help: "a run's output folder, or a YAML file with settings",
    positional: true,
  }),
  ...asRare(omit(runOptions, "resume", "overwrite", "dashboard", "profile", "json", "quiet", "debug")),
  ...session,
};

/** What `config` takes: a run, or the flags of `bidora finetune`, in camelCase. */
export type ConfigSettings = Given<typeof options>;

/** A setting's value, and where it comes from. */
export interface ResolvedSetting {
  readonly value: JsonValue;
  /** `unknown` for a run of an earlier version, which did not record it. */
  readonly source: SettingSource | "unknown";
}

/** All settings with a value and an effect, by key. */
export type ResolvedSettings = Readonly<Record<string, ResolvedSetting>>;

const SOURCE_TEXTS: Readonly<Record<ResolvedSetting["source"], string>> = {
  flag: "flag",
  file: "run file",
  adapter: "adapter",
  data: "model and data",
  derived: "other settings",
  default: "default",
  unknown: "unknown (written by an earlier version)",
};

export const configCommand = defineRunCommand({
  usage: "config RUN | [run.yaml] [flags]",
  about:
    "Shows every setting of a run, finished or not, and where each comes from. For a YAML file or flags it shows the settings finetune would use, before model and data are read.",
  options,
  hooks: HUB_HOOKS,
  run: ({ run, ...flags }, context) =>
    run !== undefined && statOf(run)?.isDirectory() ? settingsOfRun(run, flags) : settingsToRun(run, flags, context),
  show(settings) {
    const rows = Object.entries(settings).map(([key, { value, source }]) => [
      key,
      shownValue(value),
      SOURCE_TEXTS[source],
    ]);
    return { value: { settings }, text: formatTable(["setting", "value", "from"], rows) };
  },
});

/**
 * The settings of a run, with their sources: of the run in the output folder `run`, or of the run that `finetune` would start with a YAML
 * file `run` and the other settings. Reads neither model nor data.
 * @throws UsageError for other settings together with a run's folder, and for invalid settings as in `finetune`; BidoraError `RUN_FILE`
 *   for a folder without a run
 */
export const config = (settings: ConfigSettings, hooks: HubHooks = {}): Promise<ResolvedSettings> =>
  call("config", configCommand, settings, hooks);

/** The run.yaml of a custom task has a task name that the flag does not accept. */
const writtenOptions = { ...runOptions, task: { ...runOptions.task, ...text("TASK") } };

/** The settings in a run's run.yaml, with the sources in its log. */
async function settingsOfRun(run: string, flags: RunSettings): Promise<ResolvedSettings> {
  const [extra] = Object.keys(omit(flags, "json", "quiet", "debug"));
  if (extra !== undefined)
    throw new UsageError(
      `No effect: ${flagOf(extra)} is for settings of a new run, and ${run} is a run's folder; leave it out.`,
    );
  const file = join(run, RUN_FILE);
  if (!existsSync(file))
    throw new BidoraError(
      "RUN_FILE",
      `${run} has no ${RUN_FILE}: name the output folder of a run that has taken a step, or a YAML file.`,
    );
  const starts = existsSync(join(run, EVENTS)) ? await startsOf(run) : [];
  const idle = starts.at(-1)?.idle ?? [];
  const settings = Object.entries(readSettingsFile(file, writtenOptions)).filter(([key]) => !idle.includes(key));
  return resolved(settings, (key) => recordedSource(starts, key));
}

async function startsOf(run: string): Promise<StartEvent[]> {
  const { events } = await readRunLog(run);
  return events.filter((event) => event.event === "start");
}

/**
 * A setting's source in the first session that had the current value, since resumed sessions read all settings from run.yaml. For a setting
 * that the log has no values of, such as the threads, the last session that did not get it from a file.
 */
function recordedSource(starts: readonly StartEvent[], key: string): ResolvedSetting["source"] {
  const sources = starts.map((start) => start.sources?.[key]);
  const values = starts.map(({ settings }) => JSON.stringify(settings[key]));
  const first = values.findLastIndex((value, i) => i === 0 || value !== values[i - 1]);
  const isLogged = values.some((value) => value !== undefined);
  const later = isLogged ? undefined : sources.findLast((source) => source !== undefined && source !== "file");
  return later ?? sources[first] ?? "unknown";
}

/** The settings that `finetune` would use. */
async function settingsToRun(
  runFile: string | undefined,
  flags: RunSettings,
  context: HubContext,
): Promise<ResolvedSettings> {
  const { config } = await startOf(askedRun({ ...flags, runFile }), context);
  const [sources, idle] = [settingSources(config), unusedSettings(config)];
  const settings = Object.keys(sources).filter((key) => !idle.includes(key));
  return resolved(
    settings.map((key) => [key, config[key as RunKey]] as const),
    (key) => sources[key] as SettingSource,
  );
}

function resolved(
  settings: readonly (readonly [key: string, value: unknown])[],
  sourceOf: (key: string) => ResolvedSetting["source"],
): ResolvedSettings {
  const known = settings.filter(([, value]) => value !== undefined);
  return Object.fromEntries(known.map(([key, value]) => [key, { value: value as JsonValue, source: sourceOf(key) }]));
}

/** A value in a flag's syntax. */
function shownValue(value: JsonValue): string {
  if (Array.isArray(value)) return value.join(",");
  if (!isJsonObject(value)) return String(value);
  return Object.entries(value)
    .map(([key, part]) => `${key}=${part}`)
    .join(",");
}
