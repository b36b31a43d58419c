import { NPM_FLAGS, npm } from "../managers.js";
import type { Place } from "../place.js";
import { oneSentence } from "../sentences.js";
import type { User } from "../session.js";

interface WrongState {
  readonly name: string;
  /** Shell commands that bring it about, in a copy of the project. */
  readonly make: string;
  /** What is run; `bidora doctor` by default. */
  readonly run?: string;
  readonly sentence: RegExp;
  /** What the sentence says to do, where that is a command. */
  readonly mend?: string;
}

const PLATFORM = "node_modules/@bidora/linux-x64-gnu";
const INSTALL = `npm install ${NPM_FLAGS}`;
const DOCTOR = `${npm.run} bidora doctor`;

/** Edits a JSON file: `it` is its value. */
const edit = (file: string, change: string): string =>
  `node -e 'const fs = require("fs"), file = "${file}", it = JSON.parse(fs.readFileSync(file)); ${change}; fs.rmSync(file); fs.writeFileSync(file, JSON.stringify(it))'`;

const STATES: readonly WrongState[] = [
  {
    name: "a lock file made on another system",
    // Some versions of npm install from such a file what it names, and no more.
    make: `${edit("package-lock.json", 'for (const path in it.packages) if (path.includes("@bidora/linux")) delete it.packages[path]')} && rm -r node_modules/@bidora`,
    sentence: /@bidora\/linux-x64-gnu, .*package-lock\.json was made on another system/,
    mend: `rm -r package-lock.json node_modules && ${INSTALL}`,
  },
  {
    name: "musl instead of glibc",
    make: `rm -rf node_modules package-lock.json && ${INSTALL} --libc=musl bidora`,
    run: `node --require ./musl.cjs node_modules/bidora/bin/bidora.js doctor`,
    sentence: /musl/,
  },
  {
    name: "a platform package of another version",
    make: `${edit(`${PLATFORM}/package.json`, 'it.version = "0.0.9"')} && ${edit(`${PLATFORM}/engine.json`, 'it.version = "0.0.9"')}`,
    sentence: /0\.0\.9/,
  },
  {
    name: "a truncated libtorch",
    make: `cd ${PLATFORM} && head -c 100000000 libtorch_cpu.so > short && mv short libtorch_cpu.so`,
    sentence: /libtorch_cpu\.so .* is incomplete \(expected \d+ bytes, got 100000000\)/,
    mend: `rm -r ${PLATFORM} && ${INSTALL}`,
  },
  {
    name: "a bundler",
    make: "esbuild shown.mjs --bundle --platform=node --format=esm --outfile=bundle/app.mjs --log-level=error",
    run: "node bundle/app.mjs",
    sentence: /bundler .*--external:bidora/,
  },
  {
    name: "Electron's asar archive",
    make: "mkdir app.asar && mv node_modules app.asar/",
    run: "node app.asar/node_modules/bidora/bin/bidora.js doctor",
    sentence: /asarUnpack/,
  },
];

/** Wrong installations: each is answered by one sentence. */
export async function checkWrongStates(place: Place): Promise<void> {
  for (const state of STATES)
    await place.checks("wrong states")(state.name, async () => refused(await place.installed(), state));
}

async function refused(user: User, { make, run = DOCTOR, sentence, mend }: WrongState): Promise<string> {
  const enter = `cd ${user.home} && rm -rf wrong && cp -al project wrong && cd wrong`;
  await user.succeed(`${enter} && (${make})`);
  const here = `cd ${user.home}/wrong`;
  const said = oneSentence(await user.run(`${here} && ${run}`), sentence);
  if (mend) {
    await user.succeed(`${here} && ${mend}`);
    await user.succeed(`${here} && ${DOCTOR}`);
  }
  return said;
}
