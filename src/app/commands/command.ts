/** Commands: their settings, what they do, and how their results are rendered. Nothing is printed here. */

import {
  aFunction,
  aSwitch,
  type CallContext,
  type Check,
  checkArguments,
  type DownloadProgress,
  having,
  listOf,
  oneLine,
  optional,
  options,
  own,
  signal,
  UsageError,
} from "../../base/index.js";
import { type Metrics, ofClass, type RunEvent, type RunId } from "../../base/records/index.js";
import {
  checkSettings,
  filled,
  type Given,
  type OptionTable,
  refuseWithoutEffect,
  type Settings,
} from "../../base/settings/index.js";
import { type HubContext, type HubOptions, hubOptions } from "../../formats/hub/index.js";
import type { ComparisonResult } from "../../studies/comparison/index.js";
import { aNamedTask, type NamedTask } from "../../tasks/index.js";
import type { ConfidenceInterval } from "../../tasks/metrics/index.js";
import { placeOf } from "../../torch/index.js";
import type { CheckpointRequest } from "../../training/index.js";

/** Hooks of a call: functions and values other than settings. */
export interface Hooks {
  /** Ends the call when it aborts: training saves a checkpoint first, anything else throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called with sentences that a user may want to read. */
  readonly onNote?: (note: string) => void;
  /** Called several times a second while files are downloaded. */
  readonly onDownload?: (progress: DownloadProgress) => void;
  /** Options for accessing the Hub. */
  readonly hub?: HubOptions;
  /** A task defined in code instead of one named by the settings. Files that a run writes contain its name. */
  readonly task?: NamedTask;
  /** Called with every event of a run. The run waits for a promise that an observer returns. */
  readonly observers?: readonly ((event: RunEvent) => void)[];
  /** Requests checkpoints in addition to those from the settings. */
  readonly checkpoints?: CheckpointRequest;
  /** Waits while another process on this machine writes to the run's folder, then continues that run, instead of throwing. */
  readonly waits?: boolean;
  /** Called with every event of every run of a comparison. */
  readonly onEvent?: (event: RunEvent, run: RunId) => void;
  /** Called with the results of the runs that finished, before a comparison throws because others failed. */
  readonly onPartial?: (outcome: ComparisonResult) => void;
}

const HOOKS = {
  signal,
  onNote: optional(aFunction),
  onDownload: optional(aFunction),
  hub: optional(hubOptions),
  task: optional(aNamedTask),
  observers: optional(listOf("a list of functions", aFunction)),
  checkpoints: optional(having("a CheckpointRequest", "ask")),
  waits: optional(aSwitch),
  onEvent: optional(aFunction),
  onPartial: optional(aFunction),
} satisfies Record<keyof Hooks, Check>;

/** The hooks of a call that may download a model. */
export const HUB_HOOKS = ["signal", "onNote", "onDownload", "hub"] as const satisfies readonly (keyof Hooks)[];
export type HubHooks<More extends keyof Hooks = never> = Pick<Hooks, (typeof HUB_HOOKS)[number] | More>;

/** A call of a command: what it gets besides its settings. */
export interface Context extends HubContext, Omit<Hooks, keyof HubContext | "onDownload"> {
  /** `onNote` for what happens again and again; that passes each sentence on once. */
  readonly everyNote?: CallContext["onNote"];
}

/** The name of a hook. */
export type HookName = keyof Hooks;

/** A rendered result: its text, or its value for `--json`. */
export interface Shown {
  readonly value?: unknown;
  readonly text?: string;
  /** Whether its value is among the events that `--json` has already printed. */
  readonly isEvent?: boolean;
  /** Whether only `--json` prints it. */
  readonly isForPrograms?: boolean;
  /** Whether its text has terminal escape sequences, to be printed unchanged. */
  readonly isFormatted?: boolean;
  /** Notes about it, one sentence each. */
  readonly notes?: readonly string[];
  /** What failed, one sentence, printed as errors are. */
  readonly failure?: string;
  /** The exit status of the command line, if it is not 0. */
  readonly status?: number;
}

/** A command of the command line and the library. @typeParam Said what `run` gets */
export interface Command<Table extends OptionTable = OptionTable, Result = unknown, Said = unknown> {
  /** The words after `bidora`: `finetune [run.yaml] [flags]`. */
  readonly usage: string;
  readonly about: string;
  readonly options: Table;
  /** The hooks that it supports. */
  readonly hooks: readonly HookName[];
  /** What `run` gets of settings that have been checked. @throws UsageError for settings without effect */
  readonly read: (given: Given<Table>) => Said;
  /** Whether its results are files, so that nothing is lost if its output can't be printed. */
  readonly leavesFiles?: boolean;
  /** Whether `--json` also prints how far a download is. */
  readonly printsDownload?: boolean;
  /** Checks the settings against each other, the files and the Hub, before `bidora launch` starts the command on several ranks. */
  check?(said: Said, context: Context): Promise<void>;
  run(said: Said, context: Context): Promise<Result>;
  /** @param isTerminal whether the text goes to a terminal, where colors can be shown */
  show(result: Result, isTerminal: boolean): Shown | readonly Shown[];
}

/** Declares a command, which runs with all settings of its options. */
export const defineCommand = <Table extends OptionTable, Result>(
  command: Omit<Command<Table, Result, Settings<Table>>, "read">,
): Command<Table, Result, Settings<Table>> => ({ ...command, read: readBy(command.options) });

/**
 * Declares a command about runs, which gets what was said and settles it itself: which settings a run has, and which of them have an
 * effect, also depends on the run file and the adapter to start from.
 */
export const defineRunCommand = <Table extends OptionTable, Result>(
  command: Omit<Command<Table, Result, Given<Table>>, "read">,
): Command<Table, Result, Given<Table>> => ({ ...command, read: (given) => given });

/** Fills in a table's defaults. */
export const readBy =
  <Table extends OptionTable>(table: Table) =>
  (given: Given<Table>): Settings<Table> => {
    const settings = filled(table, given);
    refuseWithoutEffect(table, settings);
    return settings;
  };

/**
 * Calls a command from the library.
 * @param name of the function, for messages
 * @throws UsageError for settings or hooks that it does not support
 */
export async function call<Table extends OptionTable, Result, Said>(
  name: string,
  command: Command<Table, Result, Said>,
  given: Given<Table>,
  hooks: Hooks,
): Promise<Result> {
  return command.run(...checkedCall(name, command, given, hooks));
}

/** What a command's `run` gets in a call from the library. @throws as `call` */
export function checkedCall<Table extends OptionTable, Said>(
  name: string,
  command: Pick<Command<Table, unknown, Said>, "options" | "read" | "hooks">,
  given: Given<Table>,
  hooks: Hooks,
): [said: Said, context: Context] {
  checkArguments(name, ["hooks", hooks, hooksOf(command.hooks)]);
  return [command.read(checkSettings(command.options, given)), contextOf(hooks)];
}

const hooksOf = (names: readonly HookName[]): Check =>
  options(Object.fromEntries(names.map((hook) => [hook, HOOKS[hook]])));

/** The context of a call with these hooks. */
export function contextOf({ onNote: everyNote, onDownload, ...hooks }: Hooks): Context {
  const { onNote = everyNote && onceEach(everyNote), onProgress = onDownload } = hooks.hub ?? {};
  return { ...hooks, onNote, onProgress, everyNote };
}

/** Passes each note on once: a call may read a file several times. */
function onceEach(onNote: (note: string) => void): (note: string) => void {
  const said = new Set<string>();
  return (note) => {
    if (said.has(note)) return;
    said.add(note);
    onNote(note);
  };
}

/**
 * Checks that a command that starts or measures runs of its own is not one of several ranks.
 * @param name of the command
 * @throws UsageError
 */
export function refuseAsRank(name: string): void {
  const place = placeOf(process.env);
  if (!place) return;
  throw new UsageError(
    `bidora ${name} can't be a rank, but the environment says that it is rank ${place.rank} of ${place.size}: start it as one process.`,
  );
}

/**
 * The value of a required option.
 * @throws UsageError if it is missing
 */
export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new UsageError(`${what} is missing.`);
  return value;
}

// Tables of plain text, for results that people read.

/** Rows in columns of equal width. Columns of numbers are aligned to the right, with four decimals unless all are whole. */
export function formatTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [header, ...rows].map((row) => row.map(formatCell));
  const widths = header.map((_, column) =>
    cells.reduce((widest, row) => Math.max(widest, (row[column] ?? "").length), 0),
  );
  const isNumber = header.map((_, column) => rows.every((row) => typeof row[column] === "number"));
  const line = (row: readonly string[]): string =>
    row.map((cell, c) => (isNumber[c] ? cell.padStart(widths[c] ?? 0) : cell.padEnd(widths[c] ?? 0))).join("  ");
  return cells.map((row) => line(row).trimEnd()).join("\n");
}

const formatCell = (value: string | number): string =>
  typeof value === "string" ? oneLine(value) : Number.isInteger(value) ? String(value) : value.toFixed(4);

/** What is said beside metrics. */
interface BesideMetrics {
  readonly intervals?: Readonly<Record<string, ConfidenceInterval | null>> | undefined;
  readonly baseline?: { readonly of: string; readonly metrics: Metrics } | undefined;
  readonly positiveLabel?: string | undefined;
}

/** Metrics as a table, with their confidence intervals and those of a baseline if there are any. */
export function formatMetrics(metrics: Metrics, { intervals, baseline, positiveLabel }: BesideMetrics = {}): string {
  const header = ["metric", "value", ...(intervals ? ["from", "to", "by"] : []), ...(baseline ? [baseline.of] : [])];
  const rows = Object.entries(metrics).map(([name, value]) => {
    const { low = "", high = "", method = "" } = intervals?.[name] ?? {};
    const between = intervals ? [low, high, method] : [];
    const beside = baseline ? [own(baseline.metrics, name) ?? ""] : [];
    return [`${name}${ofClass(name, positiveLabel)}`, value, ...between, ...beside];
  });
  return formatTable(header, rows);
}
