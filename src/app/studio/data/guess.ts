/** What the rows of a file say about the run, as `init` finds it, and the settings that follow from it. */
import { relative } from "node:path";
import { BidoraError, given } from "../../../base/index.js";
import { omit } from "../../../base/settings/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import { isTaskKind } from "../../../tasks/index.js";
import type { Guessed } from "../../init/guess.js";
import { guessRun } from "../../init/guessRun.js";
import { modelFor } from "../../init/models.js";
import { proposeRun } from "../../init/proposal.js";
import { readSample } from "../../init/sample.js";
import type { StudioFolder } from "../folder.js";
import { fileState, Kept } from "../kept.js";
import type { Changes, RunFile } from "../runFile.js";
import type { Reading } from "./rowReader.js";

/** The settings of a run with a file, with reasons; or why no run can have it yet. */
export interface FileGuess {
  readonly settings: RunSettings;
  readonly reasons: readonly string[];
  /** With it, settings are those of a run without the rows that are refused, or none. */
  readonly problem?: string | undefined;
}

/** The settings that follow from a file of rows. */
const OF_ROWS = [
  "task",
  "textColumns",
  "labelColumn",
  "dropUnlabeled",
  "loss",
  "train",
  "validation",
  "test",
  "holdoutFraction",
] as const;

/** What is asked of a guess: other columns or tasks, or files of other splits. */
type Asked = Guessed & Pick<RunSettings, "validation" | "test" | "holdoutFraction">;

/** @throws BidoraError with one sentence, for rows that the task or the columns don't fit */
export async function proposal(folder: StudioFolder, name: string, asked: Asked = {}): Promise<FileGuess> {
  const said: RunSettings = given(asked);
  try {
    const { settings, reasons } = await proposeRun(said, folder.at("rows", name));
    const paths = Object.fromEntries(
      (["train", "validation", "test"] as const).flatMap((key) =>
        settings[key] === undefined ? [] : [[key, within(folder, settings[key], key in said)]],
      ),
    );
    return { settings: { ...settings, ...paths }, reasons: reasons.map((reason) => shortened(folder, reason)) };
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    throw new BidoraError(error.code, inFolder(folder, error.message));
  }
}

/** Paths are as commands take them that are started in the folder. */
const within = (folder: StudioFolder, path: string, isGiven: boolean): string =>
  isGiven ? path : relative(folder.path, path);

/** A reason without the flags that could be given instead: the page has choices. */
const shortened = (folder: StudioFolder, reason: string): string =>
  inFolder(folder, reason)
    .replace(/[;:] --[\w-]+ names [^.;:]*/g, "")
    .replace(/; --task ([\w-]+ if )/, "; $1");

/** A sentence about a file as commands in the folder say it. */
export const inFolder = (folder: StudioFolder, sentence: string): string => sentence.replaceAll(`${folder.path}/`, "");

/** Guesses by file, made again when it changes. */
export class Guesses {
  readonly #all = new Kept<Promise<FileGuess>>();
  /** What `init` makes of a file with flags. */
  readonly #made = new Kept<Promise<RunSettings | undefined>>();

  constructor(private readonly folder: StudioFolder) {}

  of(name: string): Promise<FileGuess> {
    return this.#all.of(name, this.#stateOf(name), () =>
      proposal(this.folder, name).catch(async ({ message }: Error) => {
        const settings = await settingsWithout(this.folder.at("rows", name));
        return { settings, reasons: [], problem: message };
      }),
    );
  }

  /** The settings that `init` makes of a file with flags for these; undefined if it refuses them. */
  made(name: string, asked: RunSettings): Promise<RunSettings | undefined> {
    return this.#made.of(name, [...this.#stateOf(name), asked], () =>
      proposal(this.folder, name, asked as Asked).then(
        (found) => found.settings,
        () => undefined,
      ),
    );
  }

  #stateOf(name: string): readonly unknown[] {
    return [fileState(this.folder.at("rows", name)), this.folder.names("rows")];
  }
}

/** The most rows that a guess does without. */
const MOST_REFUSED = 20;

/** The settings for the rows but those that are refused; none if no task fits. */
async function settingsWithout(path: string): Promise<RunSettings> {
  try {
    const sample = await readSample(path);
    for (let i = 0; i < MOST_REFUSED && sample.kind === "table"; i++) {
      const line = await refusedLine(guessRun(sample, {}));
      if (typeof line === "object") return line;
      const { table } = sample;
      Object.assign(sample, { table: { ...table, rows: table.rows.filter((row) => row.line !== line) } });
    }
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
  }
  return {};
}

/** The line that a guess fails on, or its settings. @throws BidoraError for another fault */
async function refusedLine(guess: ReturnType<typeof guessRun>): Promise<number | RunSettings> {
  try {
    return (await guess).settings;
  } catch (error) {
    const [, line] =
      (error instanceof BidoraError && error.code === "BAD_ROW" && / line (\d+): /.exec(error.message)) || [];
    if (line === undefined) throw error;
    return Number(line);
  }
}

/** A folder with the settings of its next run. */
export interface RunPlace {
  readonly folder: StudioFolder;
  readonly runFile: RunFile;
}

/** Makes a file the training rows of the next run. Its model, its method and all else stay. @throws BidoraError, UsageError; nothing is written then */
export async function trainOn({ folder, runFile }: RunPlace, name: string, asked: Asked = {}): Promise<void> {
  const before = runFile.read();
  const { settings } = await proposal(folder, name, asked);
  const ofRows = Object.fromEntries(OF_ROWS.map((key) => [key, settings[key]])) as Changes;
  const loss = settings.loss ?? (settings.task === before.task ? before.loss : undefined);
  const keepsModel = before.adapter !== undefined || (before.model !== undefined && !isOfOtherTask(before, settings));
  const start = {
    ...(!keepsModel && { model: settings.model }),
    ...(before.method === undefined && { method: settings.method }),
  };
  runFile.change({ positiveLabel: undefined, ...ofRows, loss, ...start });
}

/** Whether a model is the suggestion for the task of before. */
const isOfOtherTask = ({ task, model }: RunSettings, next: RunSettings): boolean =>
  task !== next.task &&
  task !== undefined &&
  isTaskKind(task) &&
  [false, true].some((isChat) => modelFor(task, isChat, []).model === model);

/** How the rows of a file are read: as the run has it that uses the file, else as guessed. */
export function readingOf(run: RunSettings, isOfRun: boolean, guess: FileGuess): Reading {
  const { task, textColumns, labelColumn } = isOfRun && run.task !== undefined ? run : guess.settings;
  return task === undefined || !isTaskKind(task) ? {} : { task, textColumns, labelColumn };
}

/**
 * The command line that makes the run file from its rows: `init`, with what it would not find by itself. Where it finds what the run
 * file lacks, one that shows the rows of the run file.
 * @param name of the file with the training rows
 */
export async function commandOfRows(
  guesses: Guesses,
  name: string,
  run: RunSettings,
  flagsOf: (settings: RunSettings) => readonly string[],
): Promise<readonly string[]> {
  const guess = await guesses.of(name);
  const all = omit(run, "train");
  const isEqual = (found: RunSettings, key: keyof RunSettings) =>
    JSON.stringify(found[key]) === JSON.stringify(run[key]);
  const isFound = (key: string) => isEqual(guess.settings, key as keyof RunSettings);
  // Another task or column changes what is found besides.
  const isAsFound = (["task", "textColumns", "labelColumn"] as const).every(isFound);
  const more = isAsFound ? Object.fromEntries(Object.entries(all).filter(([key]) => !isFound(key))) : all;
  const made = await guesses.made(name, more);
  const isSame = made && OF_ROWS.every((key) => key === "train" || isEqual(made, key));
  if (!isSame) return ["preview", "run.yaml"];
  return ["init", run.train ?? "", "--no-estimate", "--yes", "--overwrite", ...flagsOf(more)];
}
