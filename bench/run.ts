// `npm run bench -- [NAME] [options]`: one of the benchmarks of README.md; without a name, the comparison with PEFT.
const FILES: Readonly<Record<string, string>> = {
  peft: "main",
  "cache-dtype": "cacheDtype",
  drafts: "drafts",
  estimate: "estimate",
  growth: "growth",
  long: "long",
  memory: "memory",
  methods: "methods",
  profile: "profile",
  resources: "resources",
  scaling: "scaling",
  serving: "serving",
};

const given = process.argv[2];
const name = given === undefined || given.startsWith("-") ? "peft" : given;
if (Object.hasOwn(FILES, name)) {
  // The benchmarks read their options from the command line.
  if (name === given) process.argv.splice(2, 1);
  await import(`./${FILES[name]}.js`);
} else {
  process.stderr.write(`bench: there is no ${name}; give one of ${Object.keys(FILES).join(", ")}.\n`);
  process.exitCode = 1;
}
