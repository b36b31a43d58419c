import { readAdapter, type SavedAdapter } from "../adapters/index.js";
import { UsageError } from "../common/errors.js";
import { type RunConfig, type RunKey, type RunSettings, resolveRun } from "../config/index.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import { resolveModel } from "../io/resolveModel.js";

/** A run's settings as everything that does not depend on model and data decides them, and the adapter that it starts from. */
export interface RunStart {
  readonly config: RunConfig;
  readonly saved: SavedAdapter | undefined;
  readonly adapterFolder: string | undefined;
}

/** Reads the adapter to start from, where one is named: method and output folder may follow it. */
export async function startOf(asked: RunConfig, hub?: HubOptions): Promise<RunStart> {
  if (asked.adapter === undefined) return { config: asked, saved: undefined, adapterFolder: undefined };
  const adapterFolder = await resolveModel(asked.adapter, hub);
  const saved = await readAdapter(adapterFolder);
  return { config: followAdapter(asked, saved), saved, adapterFolder };
}

/** The settings that an adapter to start from decides, with the words for them in an adapter's terms. */
function adapterSettings({ config, side }: SavedAdapter): RunSettings {
  const shared = {
    rank: config.rank,
    alpha: config.alpha,
    rslora: config.rslora,
    dropout: config.dropout,
    targetModules: config.targetModules,
    rankPattern: config.rankPattern,
    alphaPattern: config.alphaPattern,
  };
  if (config.method === "lora") return { ...shared, method: "lora" } as RunSettings;
  return {
    ...shared,
    method: side?.method === "bidora" ? "bidora" : "dora",
    magnitudeAxis: config.axis,
  } as RunSettings;
}

/** Settings of which the adapter's value is the only one possible. Dropout may differ: it is not part of the adapter. */
const FIXED: readonly RunKey[] = [
  "rank",
  "alpha",
  "rslora",
  "targetModules",
  "rankPattern",
  "alphaPattern",
  "magnitudeAxis",
];

/**
 * The run's settings as the adapter decides them; what is not given by hand follows it.
 * @throws UsageError when a setting given by hand says something else, naming both values
 */
export function followAdapter(config: RunConfig, saved: SavedAdapter): RunConfig {
  const follows = adapterSettings(saved);
  for (const key of FIXED) {
    if (key in config.given && key in follows && !isSame(config.given[key], follows[key]))
      throw conflict(key, config.given[key], follows[key]);
  }
  const { method } = config.given;
  const possible = saved.config.method === "dora" ? ["dora", "bidora"] : ["lora"];
  if (method !== undefined && !possible.includes(method)) throw conflict("method", method, follows.method);
  return resolveRun(config.given, { adapter: follows });
}

function conflict(key: RunKey, given: unknown, own: unknown): UsageError {
  const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return new UsageError(
    `--${flag} ${show(given)} contradicts the adapter to start from, which has ${show(own)}: leave the flag out.`,
  );
}

const show = (value: unknown): string =>
  typeof value === "string" ? value : Array.isArray(value) ? value.join(",") : JSON.stringify(value);

function isSame(a: unknown, b: unknown): boolean {
  const normal = (value: unknown) => JSON.stringify(Array.isArray(value) ? [...value].sort() : value);
  return normal(a) === normal(b);
}
