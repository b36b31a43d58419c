// The list of documents in the README.

/** @typedef {{ readonly group: string, readonly title: string, readonly path: string, readonly about: string }} Document */

const GROUP = /^[\s|*#-]*(Start|Guides|Reference|Understand)\b/;
const LINK = /\[([^\]]+)\]\((docs\/[\w/-]+\.md)\)/g;

/**
 * The documents that a line of a table or a list under `## Documents` links to. Of a line with several, the parts of the description between
 * semicolons belong to them in order, or the whole description to each.
 * @param {string} readme @returns {Document[]}
 */
export function documentsIn(readme) {
  const [, list = ""] = /^## Document.*\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(readme) ?? [];
  let group = "Documents";
  const found = list.split("\n").flatMap((line) => {
    group = GROUP.exec(line)?.[1] ?? group;
    const links = [...line.matchAll(LINK)];
    const last = links.at(-1);
    if (last === undefined) return [];
    const about = line.slice(last.index + last[0].length).replace(/^[\s|:–—*-]+|[\s|]+$/g, "");
    const parts = about.split("; ");
    return links.map(([, title, path], i) => ({
      ...{ group, title: `${title[0].toUpperCase()}${title.slice(1)}`, path },
      about: parts.length === links.length ? parts[i] : about,
    }));
  });
  if (found.length === 0) throw new Error("README.md has no list of documents under ## Documents.");
  return found;
}
