// Details of beam search that the golden cases do not reach.
import { expect, test } from "vitest";
import { BeamSearch } from "../../../src/models/generation/beams.js";
import { type BeamSettings, GREEDY } from "../../../src/models/generation/generationSettings.js";

/** The end token, and two others. */
const [END, A, B] = [0, 1, 2];

/** A search in which the probabilities of the next token depend on the last one. */
function search(beams: BeamSettings, next: Readonly<Record<number, readonly number[]>>) {
  const settings = { ...GREEDY, endTokens: [END], beams };
  const running = new BeamSearch({ ids: [9], maxNewTokens: 10 }, settings);
  const advance = () =>
    running.advance(
      running.sequences.map((ids) => Float32Array.from(next[ids.at(-1) as number] as readonly number[], Math.log)),
    );
  return { running, advance };
}

const continuing = (...parents: number[]) => ({ tokens: [], finish: undefined, parents });
const finished = (...tokens: number[]) => ({ tokens, finish: "eos", parents: [] });

const ONE = { 9: [0.5, 0.4, 0.1], [A]: [0.9, 0.05, 0.05], [B]: [0.4, 0.3, 0.3] };
const TWO = { 9: [0.4, 0.35, 0.25], [A]: [0.35, 0.6, 0.05], [B]: [0.3, 0.4, 0.3] };

test("early stopping compares beams at their current length; with never, at the greatest length", async () => {
  const heuristic = search({ count: 1, lengthPenalty: 1, earlyStopping: false }, ONE);
  expect(await heuristic.advance()).toEqual(finished(END));
  const patient = search({ count: 1, lengthPenalty: 1, earlyStopping: "never" }, ONE);
  expect(await patient.advance()).toEqual(continuing(0));
  let step = await patient.advance();
  while (step.finish === undefined) step = await patient.advance();
  // 0.4 · 0.9 over two tokens is more than 0.5 over one.
  expect(step).toEqual(finished(A, END));
});

test("with a negative length penalty, never compares beams at their current length", async () => {
  const { running, advance } = search({ count: 2, lengthPenalty: -1, earlyStopping: "never" }, TWO);
  expect(await advance()).toEqual(continuing(0, 0));
  expect(running.sequences).toEqual([
    [9, A],
    [9, B],
  ]);
  expect(await advance()).toEqual(continuing(0, 1));
  expect(running.sequences).toEqual([
    [9, A, A],
    [9, B, A],
  ]);
});

test("sampling keeps enough tokens for a beam to continue, whatever top-k says", async () => {
  const sampling = { temperature: 1, topK: 1, topP: 1, minP: undefined };
  const settings = { ...GREEDY, endTokens: [0], sampling, beams: { count: 2, lengthPenalty: 1, earlyStopping: false } };
  const beams = new BeamSearch({ ids: [7], maxNewTokens: 9, uniform: () => 0.5 }, settings);
  expect(await beams.advance([Float32Array.from([5, 4, 3, 2])])).toEqual(continuing(0, 0));
  expect(beams.sequences[0]).toEqual([7, 1]);
});
