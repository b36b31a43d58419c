// Attention over flat tokens: its weights and masks are made again. Shapes: q [N, H·D], k and v [M, G·D].
import * as torch from "../../torch/index.js";
import { type BackwardState, type CallFacts, type ForwardState, placeAt, places, type Rule } from "../rule.js";

const [Q, K, V, QUERY_STARTS, KEY_STARTS, HEADS, KV_HEADS, SCALE, BEFORE, AFTER, P, SEED, STREAM] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];

export const attention: Rule = {
  isCheap: false,
  keptGradients: () => [],
  readsForward: ({ call }) => ({ values: call.inputs }),
  readsBackward: (facts) => ({ values: facts.call.inputs, tangents: operands(facts).filter(facts.moves) }),
  tangents(state) {
    const { values, tangents, others, options } = read(state);
    return [torch.attentionTangent(...values, ...tangents, ...others, options)];
  },
  backward(state) {
    const gradient = state.gradient(0);
    if (!gradient) return;
    const { values, tangents, others, options } = read(state);
    const given = [gradient, state.change(0) ?? null] as const;
    const found = torch.attentionTangentBackward(...values, ...tangents, ...given, ...others, options);
    for (const [i, place] of operands(state).entries()) put(state, place, found[i], found[3 + i]);
  },
};

function operands({ call }: Pick<CallFacts, "call">): torch.Place[] {
  return places(...[Q, K, V].map((index) => placeAt(call, index as number)));
}

function read(state: ForwardState) {
  const [q, k, v] = operands(state) as [torch.Place, torch.Place, torch.Place];
  const number = (index: number | undefined) => state.argument(index as number) as number;
  const limit = (index: number | undefined) => state.argument(index as number) as number | null;
  const starts = (index: number | undefined) => state.value(state.place(index as number) as torch.Place);
  const tangent = (place: torch.Place) => state.tangent(place) ?? null;
  return {
    values: [state.value(q), state.value(k), state.value(v)] as const,
    tangents: [tangent(q), tangent(k), tangent(v)] as const,
    others: [starts(QUERY_STARTS), starts(KEY_STARTS), number(HEADS), number(KV_HEADS), number(SCALE)] as const,
    options: {
      before: limit(BEFORE),
      after: limit(AFTER),
      p: number(P),
      seed: number(SEED),
      stream: number(STREAM),
    },
  };
}

function put(
  state: BackwardState,
  place: torch.Place,
  change: torch.Tensor | undefined,
  gradient: torch.Tensor | undefined,
): void {
  if (change && state.wantsChange(place)) state.addChange(place, change);
  if (gradient && state.wantsGradient(place)) state.addGradient(place, gradient);
}
