/** `bidora init`: writes the settings of a new run. */
import { existsSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { makeFolder, packageRoot } from "../../base/index.js";
import { freeFile, writeFileAtomic } from "../../base/records/index.js";
import { asRare, filled, type Given, group, omit, type Settings, text, toggle } from "../../base/settings/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import {
  overwrite,
  type RunConfig,
  type RunSettings,
  refuseUnused,
  runOptions,
  session,
  settle,
} from "../../tasks/config/index.js";
import type { Estimate } from "../../training/estimates/index.js";
import { inputsOf } from "../../training/run/index.js";
import { defineRunCommand } from "../commands/command.js";
import { commandFor, measure } from "./measure.js";
import { type Proposal, proposeRun } from "./proposal.js";
import { renderRunFile } from "./render.js";

const data = group("Data");
const file = group("Run file");

/** Options at the top of the help text. */
const MAIN = ["model", "task", "train", "validation", "textColumns", "labelColumn", "method", "output"] as const;
/** Settings of a call of `finetune`, not of its file. */
const NOT_WRITTEN = ["resume", "overwrite", "dashboard", "profile", "json", "quiet", "debug"] as const;

const options = {
  rows: data(text("DATA"), "file with the training rows, or a folder with one called train", {
    positional: true,
    session: true,
  }),
  ...omit(runOptions, ...NOT_WRITTEN),
  ...asRare(omit(runOptions, ...MAIN, ...NOT_WRITTEN)),
  runFile: file(text("FILE"), "where to write the settings", { default: "run.yaml", session: true }),
  estimate: file.advanced(
    toggle,
    "try the run's first steps, if the model is on this machine, and write beside the settings what it will take",
    { default: true, session: true },
  ),
  yes: file(toggle, "ask nothing", { default: false, session: true }),
  overwrite: { ...overwrite.overwrite, group: "Run file", help: "replace the file" },
  ...session,
};

/** What `init` takes. */
export type InitSettings = Given<typeof options>;

/** A file that was written. */
export interface InitResult {
  readonly file: string;
  readonly settings: RunSettings;
  readonly reasons: readonly string[];
  readonly estimate: Estimate | undefined;
}

export const initCommand = defineRunCommand({
  usage: "init [DATA] [flags]",
  about:
    "Writes a run.yaml with comments from a file of rows: finds task and columns, asks about what is not clear, and estimates the run. Takes the options of finetune.",
  options,
  hooks: ["signal", "onNote", "hub"],
  leavesFiles: true,
  run: init,
  show: ({ file, settings, reasons, estimate }) => ({
    value: { file, settings, reasons, estimate },
    text: `Wrote ${file}. Next:\n  ${commandFor("preview", file)}\n  ${commandFor("finetune", file)}`,
  }),
});

/** The settings of the run among those of the command. */
export const runSettingsOf = (given: InitSettings): RunSettings =>
  omit(given, "rows", "runFile", "estimate", "yes", "overwrite", "json", "quiet", "debug");

/** @throws BidoraError `OUTPUT_IN_USE` before anything is asked or read */
export const checkFile = ({ runFile, overwrite, given }: Settings<typeof options>): string =>
  freeFile(runFile, overwrite, [given.rows, given.train], "--run-file");

async function init(given: InitSettings, context: HubContext): Promise<InitResult> {
  const settings = filled(options, given);
  checkFile(settings);
  const { runFile: file, overwrite } = settings;
  const proposal = await proposeRun(runSettingsOf(given), settings.rows);
  const asked = { flags: proposal.settings };
  const config = settle(asked);
  refuseUnused(config.given, config);
  for (const reason of proposal.reasons) context.onNote?.(reason);
  const measured = settings.estimate ? await measure(asked, config, { ...context, file }) : undefined;
  if (measured) context.onNote?.(measured.text);
  context.signal?.throwIfAborted();
  const path = freeFile(file, overwrite, inputsOf(config), "--run-file");
  makeFolder(dirname(path));
  writeFileAtomic(path, fileText(path, file, proposal, config, measured?.text));
  return { file, settings: proposal.settings, reasons: proposal.reasons, estimate: measured?.estimate };
}

function fileText(
  path: string,
  name: string,
  proposal: Proposal,
  config: RunConfig,
  measured: string | undefined,
): string {
  const { settings, reasons } = proposal;
  const lines = [
    `\`${commandFor("preview", name)}\` shows the rows as the model sees them, \`${commandFor("finetune", name)}\` trains.`,
    "Paths are relative to the folder that bidora is started in.",
    ...(measured === undefined ? [] : [measured]),
    ...reasons,
  ];
  return renderRunFile(settings, config, { schema: schemaFrom(dirname(path)), lines });
}

const SCHEMA = join("schema", "run.schema.json");

/** The path of the JSON Schema from a folder: in the nearest `node_modules`, else in this installation. */
function schemaFrom(folder: string): string {
  const installed = parents(folder)
    .map((parent) => join(parent, "node_modules", "bidora", SCHEMA))
    .find((path) => existsSync(path));
  const path = relative(folder, installed ?? join(packageRoot, SCHEMA))
    .split(sep)
    .join("/");
  return encodeURI(path.startsWith(".") ? path : `./${path}`);
}

function parents(folder: string): string[] {
  const above = resolve(folder, "..");
  return above === folder ? [folder] : [folder, ...parents(above)];
}
