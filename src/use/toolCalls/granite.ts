/** `<|tool_call|>[{"name": …, "arguments": …}]`: Granite 3. */
import type { CallFormat } from "./format.js";
import { inList, JsonCalls } from "./jsonCalls.js";
import { MarkedReader } from "./reading.js";

const MARK = "<|tool_call|>";

export const granite: CallFormat = {
  isOf: (template) => template.includes(MARK),
  marks: [MARK],
  writing: () => ({
    open: `${MARK}[`,
    head: (name) => `{"name": ${JSON.stringify(name)}, "arguments":`,
    tail: "}",
    separator: ", ",
    close: "]",
  }),
  reader: (names) => new MarkedReader(names, [MARK], () => new JsonCalls(inList)),
};
