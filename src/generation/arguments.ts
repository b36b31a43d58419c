/** What the calls take that go on from prompts. */
import {
  aFunction,
  aSwitch,
  type Check,
  checkArguments,
  having,
  listOf,
  optional,
  signal,
} from "../common/arguments.js";
import { GREEDY } from "./settings.js";

export const aTextModel = having("an open model, as openModel gives it", "model", "tokenizer");
const PROMPTS = listOf(
  "a list of prompts, { ids, maxNewTokens, uniform }",
  having("a prompt, { ids, maxNewTokens, uniform }", "ids", "maxNewTokens"),
);
const SETTINGS = having(
  "settings such as GREEDY",
  ...Object.entries(GREEDY).flatMap(([key, value]) => (value === undefined ? [] : [key])),
);

/** Of a call's options. */
export const GENERATE = { isStopped: optional(aFunction), signal, cache: optional(aSwitch) };

/** @throws UsageError for an argument of the wrong kind */
export function checkGeneration(
  call: string,
  [model, check]: readonly [value: unknown, check: Check],
  prompts: unknown,
  settings: unknown,
  options: readonly [value: unknown, check: Check],
): void {
  checkArguments(
    call,
    ["model", model, check],
    ["prompts", prompts, PROMPTS],
    ["settings", settings, SETTINGS],
    ["options", ...options],
  );
}
