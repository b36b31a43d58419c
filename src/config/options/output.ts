import * as z from "zod";
import { withPhaseToJudge, withSaving } from "../conditions.js";
import { choices, option, text, toggle, toggleOrNumber, whole } from "../option.js";

const folder = text("DIR");

/** What shows curves, beside this program's own report. */
const LOGGERS = ["tensorboard"] as const;

/** What is left, and when. */
export const outputOptions = {
  output: option(folder, { group: "Output", help: "where results go", defaultText: "runs/TASK-METHOD" }),
  overwrite: option(toggle, {
    group: "Output",
    help: "replace a run that is there; other files stay",
    default: false,
    advanced: true,
    session: true,
  }),
  resume: option(toggle, { group: "Output", help: "go on from the last checkpoint", default: false, session: true }),
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
    help: "newest checkpoints kept",
    defaultText: "all",
    advanced: true,
    acts: withSaving,
  }),
  earlyStopping: option(whole(1), {
    group: "Output",
    help: "stop after this many evaluations without a better result",
    defaultText: "off",
    advanced: true,
    acts: withPhaseToJudge,
  }),
  log: option(choices(LOGGERS), {
    group: "Output",
    help: "write the run's curves for these too: tensorboard",
    defaultText: "none",
    advanced: true,
  }),
  profile: option(toggle, {
    group: "Output",
    help: "record a few steps: time by operator and module, and a trace for Chrome",
    default: false,
    session: true,
    advanced: true,
  }),
  dashboard: option(toggleOrNumber(z.int().min(1).max(65535), "a port from 1 to 65535"), {
    group: "Output",
    help: "serve the report live to this machine's browsers, on any free port or =PORT",
    default: false,
    session: true,
    advanced: true,
  }),
  json: option(toggle, {
    group: "Output",
    help: "results and events as JSON on stdout",
    default: false,
    session: true,
    advanced: true,
  }),
  quiet: option(toggle, {
    group: "Output",
    help: "no progress, no notes",
    default: false,
    session: true,
    advanced: true,
  }),
  debug: option(toggle, {
    group: "Output",
    help: "show the stack trace of an error",
    default: false,
    session: true,
    advanced: true,
  }),
};
