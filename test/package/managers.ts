// The package managers, and how a user types the same thing with each. No install script is run.

export interface Manager {
  readonly name: string;
  /** Files of the project's that configure it, by name; the registry's address is the argument. */
  readonly files?: (registry: string) => Readonly<Record<string, string>>;
  readonly install: string;
  /** In front of `bidora`. */
  readonly run: string;
  readonly node: string;
}

export const NPM_FLAGS = "--ignore-scripts --no-audit --no-fund";

export const npm: Manager = {
  name: "npm",
  install: `npm install ${NPM_FLAGS} bidora`,
  run: "npx --no --",
  node: "node",
};

/** npm without optional dependencies. */
export const INSTALL_WITHOUT_OPTIONAL = `npm install ${NPM_FLAGS} --omit=optional bidora`;
export const INSTALL_OPTIONAL = `npm install ${NPM_FLAGS} --include=optional`;

export const OTHERS: readonly Manager[] = [
  {
    name: "pnpm",
    install: "pnpm add --ignore-scripts bidora",
    run: "pnpm exec",
    node: "node",
  },
  {
    name: "yarn",
    install: "yarn add --ignore-scripts --silent bidora",
    run: "yarn --silent",
    node: "node",
  },
  {
    name: "yarn4",
    files: (registry) => ({
      ".yarnrc.yml": `npmRegistryServer: "${registry}"
unsafeHttpWhitelist: ["127.0.0.1"]
enableScripts: false
enableTelemetry: false
npmMinimalAgeGate: 0 # the packages were published just now
`,
    }),
    install: "yarn4 add bidora",
    run: "yarn4",
    node: "yarn4 node",
  },
];
