/** What the calls about rows take. */
import { type Check, having, isObject, listOf, takes } from "../common/arguments.js";
import { UsageError } from "../common/errors.js";
import { shown } from "../common/messages.js";
import { ROLES } from "../text/index.js";

export const aLabelForm = having("a form of labels, such as { read: readName }", "read");
export const aTable = having("a table", "file");
export const aTableRow = having("a row of a table", "values", "line");

const isMessage = (value: unknown): boolean =>
  isObject(value) && (ROLES as readonly unknown[]).includes(value.role) && value.content !== undefined;

const isWriting = (value: unknown): boolean =>
  typeof value === "string" || (Array.isArray(value) && value.length > 0 && value.every(isMessage));

/** A text or a conversation. */
export const aWriting = takes(`a text, or a list of messages such as [{ role: "user", content: "…" }]`, isWriting);

const LIST = listOf("a list of prompts, each a text or a list of messages", aWriting);

/** Several of them: one alone would be taken for a list of its letters, or of its messages. */
export const writings: Check = (value, subject) => {
  if (isWriting(value))
    throw new UsageError(`${subject} takes a list of prompts; got one, ${shown(value)}: put it into a list.`);
  LIST(value, subject);
};
