/** `bidora launch`: a command that trains, on several processes of this machine. */
import { type CallContext, INTERRUPTED } from "../../base/index.js";
import { group, type Settings, whole, words } from "../../base/settings/index.js";
import { Launch } from "../launcher/launch.js";
import { defineCommand, required } from "./command.js";

const launching = group("Launch");

const options = {
  processes: launching(whole(1), "how many processes train together; each takes its part of the processor's cores"),
  maxRestarts: launching(
    whole(0),
    "how many times all processes are started again after a failure; they continue from the newest checkpoint",
    { default: 0 },
  ),
  command: launching(words("COMMAND"), "the command with its flags, or a program that calls the library", {
    positional: true,
    afterDashes: true,
  }),
};

/** The settings of a launch. */
export type LaunchSettings = Settings<typeof options>;

/** @throws UsageError if the command or the number of processes is missing */
export const launchOf = ({ command, processes, maxRestarts }: LaunchSettings, { onNote }: CallContext): Launch =>
  new Launch({
    command: required(command, "The command after --"),
    processes: required(processes, "--processes"),
    maxRestarts,
    onNote,
  });

export const launchCommand = defineCommand({
  usage: "launch --processes N [--max-restarts K] -- COMMAND …",
  about:
    "Starts a command that trains, such as finetune, or a program of your own, as several processes (ranks) of this machine that train together. --batch-size is that of one rank. Prints what rank 0 prints, and the errors of all.",
  options,
  hooks: ["signal", "onNote"],
  leavesFiles: true,
  async run(settings, context): Promise<number> {
    const { signal } = context;
    const launch = launchOf(settings, context);
    const stop = () => launch.pass("SIGTERM");
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await launch.run();
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  },
  show: (status) => ({ status: status === 0 ? 0 : INTERRUPTED }),
});
