import type { System } from "../../../src/app/setup/system.js";

/** A system where nothing is installed, that records what is run on it. */
export function fakeSystem(traits: Partial<System> & { readonly answer?: string } = {}) {
  const ran: string[] = [];
  const asked: string[] = [];
  const system: System = {
    isRoot: false,
    isTerminal: false,
    has: (program) => ["sudo", "apt-get"].includes(program),
    hasPackage: () => false,
    run: async (program, words) => {
      ran.push([program, ...words].join(" "));
      return 0;
    },
    output: () => undefined,
    ask: async (question) => {
      asked.push(question);
      return traits.answer ?? "";
    },
    ...traits,
  };
  return { system, ran, asked };
}
