/** The studio's screens, in the order of their steps. */

import type { Screen } from "./screen.js";
import { compare } from "./screens/compare.js";
import { data } from "./screens/data.js";
import { mask } from "./screens/mask.js";
import { model } from "./screens/model.js";
import { take } from "./screens/take.js";
import { train } from "./screens/train.js";
import { tryScreen } from "./screens/try.js";

export const SCREENS: readonly Screen[] = [data, model, mask, train, compare, tryScreen, take];
