import { methodOf, readAdapter, type SavedAdapter } from "../adapters/index.js";
import { UsageError } from "../common/errors.js";
import {
  type Method,
  methodsOf,
  type RunConfig,
  type RunKey,
  type RunSettings,
  resolveChecked,
} from "../config/index.js";
import type { HubOptions } from "../io/hub/options.js";
import { resolveModel } from "../io/resolveModel.js";
import { flagOf } from "../settings/option.js";
import type { NamedTask } from "../tasks/index.js";

/** A run's settings as everything that does not depend on model and data decides them, and the adapter that it starts from. */
export interface RunStart {
  readonly config: RunConfig;
  readonly saved: SavedAdapter | undefined;
  readonly adapterFolder: string | undefined;
  /** In the place of one that the settings name. */
  readonly task?: NamedTask | undefined;
}

/** What the run reads from the disk, where it is a path. */
export function inputsOf({ model, adapter, data, train, validation, test }: RunConfig): string[] {
  return [model, adapter, data, train, validation, test].filter((path) => path !== undefined);
}

/** Reads the adapter to start from, where one is named: method and output folder may follow it. */
export async function startOf(asked: RunConfig, hub?: HubOptions): Promise<RunStart> {
  if (asked.adapter === undefined) return { config: asked, saved: undefined, adapterFolder: undefined };
  const adapterFolder = await resolveModel(asked.adapter, hub);
  const saved = await readAdapter(adapterFolder);
  return { config: followAdapter(asked, saved), saved, adapterFolder };
}

/**
 * The run's settings as the adapter decides them; what is not given by hand follows it.
 * @throws UsageError when a setting given by hand says something else, naming both values
 */
function followAdapter(config: RunConfig, { config: own, metadata }: SavedAdapter): RunConfig {
  const adapter = methodOf(own);
  const settings = adapter.toSettings(own) as RunSettings;
  for (const key of Object.keys(settings) as RunKey[]) {
    if (key in config.given && !adapter.retunable.includes(key) && !isSame(config.given[key], settings[key]))
      throw conflict(key, config.given[key], settings[key]);
  }
  const possible = methodsOf(own.method);
  const method = possible.find((name) => name === metadata?.method) ?? (own.method as Method);
  const { method: given } = config.given;
  if (given !== undefined && !possible.includes(given)) throw conflict("method", given, method);
  return resolveChecked({ flags: config.given, adapter: { ...settings, method } });
}

function conflict(key: RunKey, given: unknown, own: unknown): UsageError {
  return new UsageError(
    `${flagOf(key)} ${show(given)} contradicts the adapter to start from, which has ${show(own)}: leave the flag out.`,
  );
}

const show = (value: unknown): string =>
  typeof value === "string" ? value : Array.isArray(value) ? value.join(",") : JSON.stringify(value);

function isSame(a: unknown, b: unknown): boolean {
  const normal = (value: unknown) => JSON.stringify(Array.isArray(value) ? [...value].sort() : value);
  return normal(a) === normal(b);
}
