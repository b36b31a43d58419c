// A Hub on 127.0.0.1 with the quickstart's model, which the machine fetches once from wherever it can reach it.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { QUICKSTART_MODEL, quickstartModel } from "../../src/app/quickstart/models.js";
import { FakeHub, type HubFile } from "../formats/fakeHub.js";
import { cacheFolder } from "./places.js";

/** Files beyond this size are in large file storage. */
const LARGE_BYTES = 10e6;

/** @returns its address, or undefined if the model can't be fetched */
export async function startHub(): Promise<{ hub: FakeHub; endpoint: string } | undefined> {
  const environment = { ...process.env, XDG_CACHE_HOME: cacheFolder("models") };
  const folder = await quickstartModel({ environment }).catch(() => undefined);
  if (folder === undefined) return undefined;
  const hub = new FakeHub();
  hub.repo = QUICKSTART_MODEL;
  hub.files = Object.fromEntries(filesOf(folder).map((name) => [name, hubFile(join(folder, name))]));
  hub.listing();
  return { hub, endpoint: await hub.start() };
}

/** Those at the top, among which are all that bidora reads. */
const filesOf = (folder: string): string[] =>
  readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile());

function hubFile(path: string): HubFile {
  const content = readFileSync(path);
  return { content, large: content.length > LARGE_BYTES };
}
