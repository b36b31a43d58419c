// NOTICE: whose works a package holds, and their licences in full.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { Refusal } from "./run.js";
import { readTexts } from "./zip.js";

/** @typedef {{ work: string, license: string, source?: string, platform?: string, files: string[], texts: string[] }} Work */

const here = (/** @type {string} */ path) => readFileSync(new URL(path, import.meta.url), "utf8");

/** @returns {Work[]} */
const readWorks = () => JSON.parse(here("licenses.json"));

/**
 * @param {string} wheel whose licences are owed too
 * @param {string} platform
 * @param {readonly string[]} files names of the libraries and addons in the package
 */
export async function noticeFor(wheel, platform, files) {
  const works = worksIn(platform, files);
  const own = new Set(works.flatMap(({ texts }) => texts));
  const texts = [...own].map((name) => /** @type {[string, string]} */ ([name, here(`licenses/${name}`)]));
  const shared = await readTexts(wheel, /^torch-[^/]+\.dist-info\/(licenses\/|LICENSE|NOTICE)/);
  if (shared.size === 0) throw new Refusal(`${basename(wheel)} has no licences`);
  return [...works.map(listed), ...byText([...texts, ...withoutFolder(shared)]).map(quoted)].join("\n");
}

/** @param {string} platform @param {readonly string[]} files @returns {Work[]} */
function worksIn(platform, files) {
  const works = readWorks().filter((work) => work.platform === undefined || work.platform === platform);
  const nobodys = files.find((file) => !works.some((work) => work.files.includes(file)));
  if (nobodys) throw new Refusal(`scripts/package/licenses.json does not say whose work ${nobodys} is`);
  return works.filter((work) => work.files.some((file) => files.includes(file)));
}

/** @param {Work} work */
const listed = ({ work, license, source, files }) =>
  [
    `${work}`,
    `  files: ${files.join(", ")}`,
    `  license: ${license}`,
    ...(source ? [`  source: ${source}`] : []),
    "",
  ].join("\n");

/** @param {Map<string, string>} texts */
const withoutFolder = (texts) =>
  [...texts].map(
    ([name, text]) =>
      /** @type {[string, string]} */ ([name.replace(/^[^/]+\.dist-info\/(licenses\/)?/, "torch/"), text]),
  );

/** Each text once, with all its names. @param {readonly [string, string][]} texts @returns {[string, string[]][]} */
function byText(texts) {
  /** @type {Map<string, string[]>} */
  const names = new Map();
  for (const [name, text] of texts) names.set(text.trim(), [...(names.get(text.trim()) ?? []), name]);
  return [...names];
}

/** @param {[string, string[]]} entry */
const quoted = ([text, names]) => `${"=".repeat(80)}\n${names.join("\n")}\n${"-".repeat(80)}\n${text}\n`;
