/** `bidora studio`: from a file of rows to a trained model, in a browser on this machine. */
import { once } from "node:events";
import { resolve } from "node:path";
import { makeFolder, requirePort } from "../../base/index.js";
import { type Given, option, pick, text, whole } from "../../base/settings/index.js";
import { session } from "../../tasks/config/index.js";
import { defineCommand } from "../commands/command.js";
import { listen } from "./server.js";

const options = {
  folder: option(text("FOLDER"), {
    group: "Studio",
    help: "where its rows, settings and runs are: files that the other commands read",
    default: ".",
    positional: true,
  }),
  port: option(whole(0), { group: "Studio", help: "port to listen on; 0 for any free one", default: 7860 }),
  ...pick(session, "quiet", "debug"),
};

/** What `studio` takes. */
export type StudioSettings = Given<typeof options>;

export const studioCommand = defineCommand({
  usage: "studio [FOLDER] [--port N]",
  about: "Opens the whole way from a file of rows to a trained model in a browser on this machine.",
  options,
  hooks: ["signal", "onNote"],
  leavesFiles: true,
  async run({ folder, port }, { signal, onNote }) {
    requirePort(port);
    makeFolder(folder);
    const server = await listen(resolve(folder), port);
    onNote?.(`Studio at ${server.url}`);
    if (signal && !signal.aborted) await once(signal, "abort");
    await server.close();
  },
  show: () => [],
});
