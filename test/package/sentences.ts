// What bidora says where it can't run: one sentence.
import type { Ended } from "./processes.js";

/** @throws Error unless a command ended with status 1 after one sentence that matches @returns the sentence */
export function oneSentence({ status, stdout, stderr }: Ended, expected: RegExp): string {
  const sentence = stderr.trim();
  const isOne = /^bidora: [^\n]+[.]$/.test(sentence) && !/[.!?] [A-Z]/.test(sentence);
  if (status === 1 && isOne && expected.test(sentence)) return sentence;
  throw new Error(`expected one sentence that matches ${expected} and status 1; status ${status}\n${stdout}${stderr}`);
}
