// The engine that is used: of the folder LIBTORCH, else of the platform package, else what the set-up built.
import { isBundled, isClone } from "../../common/installation.js";
import { addonIn, libtorchEngine, setupEngine } from "./builds.js";
import type { Engine } from "./engine.js";
import { platformEngine } from "./platform.js";

export type { Engine };

/** All places in their order. A LIBTORCH that is set is the only one: what it asks for is never replaced by something else. */
export function engines(): Engine[] {
  const libtorch = process.env.LIBTORCH;
  if (isBundled) return [platformEngine()];
  return libtorch ? [libtorchEngine(libtorch)] : [platformEngine(), setupEngine()];
}

/** The first without a problem. If there is none, the one whose problem says what to do here. */
export function engineInUse(): Engine {
  if (isBundled) return platformEngine();
  const { LIBTORCH: libtorch, BIDORA_SANITIZER: sanitizer } = process.env;
  if (libtorch || sanitizer) return libtorchEngine(libtorch);
  const platform = platformEngine();
  if (platform.problem === undefined) return platform;
  const built = setupEngine();
  return built.problem?.code === "ENGINE_MISSING" && !isClone ? platform : built;
}

/** The path of the addon in use. */
export const addonPath = (): string => addonIn(engineInUse().folder);
