/** What a run writes and shows, and when. */
import * as z from "zod";
import {
  type AppliesWhen,
  both,
  choices,
  option,
  text,
  toggle,
  toggleOrNumber,
  whole,
} from "../../../base/settings/index.js";
import { METHODS } from "../methods.js";
import { type BidoraValues, withRetraining } from "./bidora.js";

/** Formats of a run's curves in addition to its report. */
const LOGGERS = ["tensorboard"] as const;

/** --search-patience stops a search by its own criterion. */
const withPhaseToStop: AppliesWhen = {
  only: "if there is a phase that --search-patience does not stop",
  holds: (run: BidoraValues & { readonly searchPatience?: number | undefined }) =>
    !METHODS[run.method].isBilevel || run.searchPatience === undefined || withRetraining.holds(run),
};

const withEarlyStopping: AppliesWhen = {
  only: "with --early-stopping",
  holds: ({ earlyStopping }: { readonly earlyStopping?: number | undefined }) => earlyStopping !== undefined,
};

const withSaving: AppliesWhen = {
  only: "with --save-every",
  holds: ({ saveEvery }: { readonly saveEvery?: number | undefined }) => saveEvery !== undefined,
};

export const outputOptions = {
  output: option(text("DIR"), { group: "Output", help: "folder for the results", defaultText: "runs/TASK-METHOD" }),
  overwrite: option(toggle, {
    group: "Output",
    help: "replace an earlier run in the output folder; other files stay",
    default: false,
    advanced: true,
    session: true,
  }),
  timeout: option(whole(1), {
    group: "Output",
    help: "with several ranks: seconds after which a rank that does not answer is lost",
    default: 1800,
    session: true,
    advanced: true,
    rare: true,
  }),
  resume: option(toggle, {
    group: "Output",
    help: "continue the run from its last checkpoint",
    default: false,
    session: true,
  }),
  evalEvery: option(whole(1), {
    group: "Output",
    help: "steps between evaluations",
    defaultText: "at the end",
    advanced: true,
  }),
  saveEvery: option(whole(1), {
    group: "Output",
    help: "steps between checkpoints",
    defaultText: "none",
    advanced: true,
  }),
  keepCheckpoints: option(whole(1), {
    group: "Output",
    help: "how many of the newest checkpoints to keep",
    defaultText: "all",
    advanced: true,
    appliesWhen: withSaving,
  }),
  earlyStopping: option(whole(1), {
    group: "Output",
    help: "stop after this many evaluations without a better result, counted once the warm-up and a first pass over the rows are over",
    defaultText: "off",
    advanced: true,
    appliesWhen: withPhaseToStop,
  }),
  earlyStoppingMetric: option(text("NAME"), {
    group: "Output",
    help: "the metric that early stopping goes by: any of the task's, or loss",
    defaultText: "the task's main metric",
    advanced: true,
    rare: true,
    appliesWhen: both(withEarlyStopping, withPhaseToStop),
  }),
  log: option(choices(LOGGERS), {
    group: "Output",
    help: "write the curves of the run for TensorBoard as well",
    defaultText: "none",
    advanced: true,
  }),
  profile: option(toggle, {
    group: "Output",
    help: "profile a few steps: time by operator and module, and a trace for Chrome",
    default: false,
    session: true,
    advanced: true,
  }),
  dashboard: option(toggleOrNumber(z.int().min(1).max(65535), "a port from 1 to 65535"), {
    group: "Output",
    help: "serve the report live to browsers on this machine, on any free port or =PORT",
    default: false,
    session: true,
    advanced: true,
  }),
  json: option(toggle, {
    group: "Output",
    help: "print results and events as JSON on stdout",
    default: false,
    session: true,
    advanced: true,
  }),
  quiet: option(toggle, {
    group: "Output",
    help: "don't print progress and notes",
    default: false,
    session: true,
    advanced: true,
  }),
  debug: option(toggle, {
    group: "Output",
    help: "print the stack trace of an error",
    default: false,
    session: true,
    advanced: true,
  }),
};
