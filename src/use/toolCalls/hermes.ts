/** `<tool_call>\n{"name": …, "arguments": …}\n</tool_call>`: Hermes, Qwen, Granite 4 and others. */
import type { CallFormat } from "./format.js";
import { closedBy, JsonCalls } from "./jsonCalls.js";
import { MarkedReader } from "./reading.js";

const [OPEN, CLOSE] = ["<tool_call>", "</tool_call>"];

export const hermes: CallFormat = {
  // Qwen3-Coder and GLM write XML between the same marks.
  isOf: (template) => template.includes(OPEN) && !template.includes("<function=") && !template.includes("<arg_key>"),
  marks: [OPEN, CLOSE],
  writing: () => ({
    open: `${OPEN}\n`,
    head: (name) => `{"name": ${JSON.stringify(name)}, "arguments":`,
    tail: "}",
    separator: `\n${CLOSE}\n${OPEN}\n`,
    close: `\n${CLOSE}`,
  }),
  reader: (names) => new MarkedReader(names, [OPEN], () => new JsonCalls(closedBy(CLOSE))),
};
