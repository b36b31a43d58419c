import { markdownTable as alignTable } from "markdown-table";
import stringWidth from "string-width";
import { oneLine } from "../common/messages.js";
import type { Column, Table } from "./table.js";

/** A table in GitHub's Markdown, the best of each column in bold. It has one line of titles: groups stand before them. */
export function markdownTable(table: Table): string {
  const header = [table.heading, ...table.columns.map(titleOf)].map(escapeMarkdown);
  const rows = table.names.map((name, row) => [
    escapeMarkdown(name),
    ...table.columns.map(({ cells }) => {
      const { text, best } = cells[row]!;
      return best ? `**${escapeMarkdown(text)}**` : escapeMarkdown(text);
    }),
  ]);
  const alignments = ["left", ...table.columns.map(({ align }) => align)];
  const lines = alignTable([header, ...rows], { align: alignments, stringLength: stringWidth });
  const notes = table.notes.map((note) => `\n\n${escapeMarkdown(note)}`);
  return `${lines}${notes.join("")}\n`;
}

const titleOf = ({ group, title }: Column): string => (group === "" ? title : `${group}: ${title}`);

/** Text as itself: what begins markup, code, HTML or another cell gets a backslash. */
const escapeMarkdown = (text: string): string => oneLine(text).replace(/[\\`*_{}[\]<>#|~$&]/g, "\\$&");
