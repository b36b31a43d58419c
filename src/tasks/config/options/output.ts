/** What a run writes and shows, and when. */
import * as z from "zod";
import {
  type AppliesWhen,
  both,
  choices,
  group,
  text,
  toggle,
  toggleOrNumber,
  whenGiven,
  whole,
} from "../../../base/settings/index.js";
import { upperOf } from "../upperGroups.js";
import { type BidoraValues, withRetraining } from "./bidora.js";

const output = group("Output");

/** Formats of a run's curves in addition to its report. */
const LOGGERS = ["tensorboard"] as const;

/** --search-patience stops a search by its own criterion. */
const withPhaseToStop: AppliesWhen = {
  only: "if there is a phase that --search-patience does not stop",
  holds: (run: BidoraValues & { readonly searchPatience?: number | undefined }) =>
    upperOf(run) === undefined || run.searchPatience === undefined || withRetraining.holds(run),
};

export const outputOptions = {
  output: output(text("DIR"), "folder for the results", { defaultText: "runs/TASK-METHOD" }),
  overwrite: output.advanced(toggle, "replace an earlier run in the output folder; other files stay", {
    default: false,
    session: true,
  }),
  timeout: output.rare(whole(1), "with several ranks: seconds after which a rank that does not answer is lost", {
    default: 1800,
    session: true,
  }),
  resume: output(toggle, "continue the run from its last checkpoint", { default: false, session: true }),
  evalEvery: output.advanced(whole(1), "steps between evaluations", { defaultText: "at the end" }),
  evalOnStart: output.rare(
    toggle,
    "evaluate before the first step, on the test rows or else the validation rows; generates no texts",
    { default: false },
  ),
  saveEvery: output.advanced(whole(1), "steps between checkpoints", { defaultText: "none" }),
  keepCheckpoints: output.advanced(whole(1), "how many of the newest checkpoints to keep", {
    defaultText: "all",
    appliesWhen: whenGiven("saveEvery"),
  }),
  earlyStopping: output.advanced(
    whole(1),
    "stop after this many evaluations without a better result, counted once the warm-up and a first pass over the rows are over",
    { defaultText: "off", appliesWhen: withPhaseToStop },
  ),
  earlyStoppingMetric: output.rare(text("NAME"), "the metric that early stopping goes by: any of the task's, or loss", {
    defaultText: "the task's main metric",
    appliesWhen: both(whenGiven("earlyStopping"), withPhaseToStop),
  }),
  log: output.advanced(choices(LOGGERS), "write the curves of the run for TensorBoard as well", {
    defaultText: "none",
  }),
  profile: output.advanced(toggle, "profile a few steps: time by operator and module, and a trace for Chrome", {
    default: false,
    session: true,
  }),
  dashboard: output.advanced(
    toggleOrNumber(z.int().min(1).max(65535), "a port from 1 to 65535"),
    "serve the report live to browsers on this machine, on any free port or =PORT",
    { default: false, session: true },
  ),
  json: output.advanced(toggle, "print results and events as JSON on stdout", { default: false, session: true }),
  quiet: output.advanced(toggle, "don't print progress and notes", { default: false, session: true }),
  debug: output.advanced(toggle, "print the stack trace of an error", { default: false, session: true }),
};
