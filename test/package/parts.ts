// The parts of the test, each with a user of its own.
import type { Manager } from "./managers.js";
import * as managers from "./managers.js";
import { checkImage } from "./parts/image.js";
import { checkManager } from "./parts/manager.js";
import { checkNodes } from "./parts/nodes.js";
import { checkNpm } from "./parts/npm.js";
import { checkOmitted } from "./parts/omitted.js";
import { checkWrongStates } from "./parts/wrongStates.js";
import type { Place } from "./place.js";

export interface Part {
  readonly name: string;
  run(place: Place): Promise<void>;
}

const other = (manager: Manager): Part => ({
  name: manager.name,
  run: (place) => checkManager(place, manager),
});

/** In this order: the first fetches what the others install, so that their times are those of a warm registry. */
export const PARTS: readonly Part[] = [
  { name: "omitted", run: checkOmitted },
  { name: "npm", run: checkNpm },
  { name: "nodes", run: checkNodes },
  ...managers.OTHERS.map(other),
  { name: "wrong-states", run: checkWrongStates },
  { name: "image", run: checkImage },
];
