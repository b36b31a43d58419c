import { test } from "vitest";
import { engineFacts } from "../../src/torch/index.js";
import { addonPath } from "../../src/torch/installations/inUse.js";
import { expectNothingNewer } from "./requirements.js";

test("the addon asks for no newer libc or libstdc++ than its libtorch", () =>
  expectNothingNewer(addonPath(), [engineFacts().library]));
