// The engine that is used: of the folder LIBTORCH, else of the platform package, else what the set-up built.
import { isBundled, isClone } from "../../base/index.js";
import { addonIn, type EnginePlace, libtorchPlace, setupPlace } from "./builds.js";
import { platformPlace } from "./platform.js";

/** All places in their order. A LIBTORCH that is set is the only one: what it asks for is never replaced by something else. */
export function enginePlaces(): EnginePlace[] {
  const libtorch = process.env.LIBTORCH;
  if (isBundled) return [platformPlace()];
  return libtorch ? [libtorchPlace(libtorch)] : [platformPlace(), setupPlace()];
}

/** The first without a problem. If there is none, the one whose problem says what to do here. */
export function engineInUse(): EnginePlace {
  if (isBundled) return platformPlace();
  const { LIBTORCH: libtorch, BIDORA_SANITIZER: sanitizer } = process.env;
  if (libtorch || sanitizer) return libtorchPlace(libtorch);
  const platform = platformPlace();
  if (platform.problem === undefined) return platform;
  const built = setupPlace();
  return built.problem?.code === "ENGINE_MISSING" && !isClone ? platform : built;
}

/** The path of the addon in use. */
export const addonPath = (): string => addonIn(engineInUse().folder);
