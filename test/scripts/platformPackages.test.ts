// npm run package: what it refuses to put into a package.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { zip } from "../formats/zip.js";

const script = fileURLToPath(new URL("../../scripts/package.js", import.meta.url));
const packages = fileURLToPath(new URL("../../packages/", import.meta.url));
const module = (name: string) => import(new URL(`../../scripts/package/${name}.js`, import.meta.url).href);

const { checkCpuBuild, readPins } = await module("wheel");
const { checkVersions, npmFields, PLATFORMS } = await module("platforms");
const { noticeFor } = await module("notice");
const { checkPacked } = await module("pack");

const folder = () => mkdtempSync(join(tmpdir(), "bidora-package-"));
const PLATFORM = "linux-x64-gnu";
const [WHEEL] = Object.keys(readPins()[PLATFORM].wheels) as [string];

/** Makes packages with programs played by shell scripts; nothing else is found but Node. */
function make(
  programs: Readonly<Record<string, string>>,
  words: readonly string[] = ["--platform", PLATFORM],
  home = folder(),
) {
  const [tools, output] = [folder(), join(folder(), "packed")];
  symlinkSync(process.execPath, join(tools, "node"));
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(tools, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(tools, name), 0o755);
  }
  const env = { PATH: tools, BIDORA_HOME: home };
  const { status, stderr } = spawnSync(process.execPath, [script, "--output", output, ...words], {
    env,
    encoding: "utf8",
  });
  expect(existsSync(output), "tarballs were begun").toBe(false);
  return { status, message: stderr.trim().split("\n").slice(1).join("\n"), kept: join(home, "wheels") };
}

/** The state of a process in /proc, Z for one that has ended; nothing if there is no such process. */
function stateOf(pid: string): string {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) ? (readFileSync(path, "utf8").split(") ").at(-1) as string) : "";
}

/** pip that downloads the file `wheel` under a name. */
const pip = (wheel: string, name: string) => `
while [ "$1" != --dest ]; do shift; done
/bin/cp ${wheel} "$2/${name}"`;

const torch = (facts: string, others: Readonly<Record<string, string>> = {}) => {
  const path = join(folder(), "torch.whl");
  writeFileSync(path, zip({ "torch/version.py": facts, ...others }));
  return path;
};

const CPU = `__version__ = '2.13.0+cpu'\ndebug = False\ncuda: Optional[str] = None\nhip: Optional[str] = None\nxpu: Optional[str] = None\n`;

describe("npm run package", () => {
  test("refuses a wheel whose hash is not pinned, and keeps nothing of it", () => {
    const { status, message, kept } = make({ python3: pip(torch(CPU), WHEEL) });
    expect([status, message]).toEqual([
      1,
      expect.stringMatching(
        /^package: torch-2\.13\.0\S+ has SHA-256 [0-9a-f]{64}, which scripts\/package\/wheels\.json does not list for it\.$/,
      ),
    ]);
    expect(readdirSync(kept)).toEqual([]);
  });

  test("refuses a wheel of another name", () => {
    expect(make({ python3: pip(torch(CPU), "torch-2.13.0-cp311-cp311-linux_x86_64.whl") }).message).toMatch(
      /^package: torch-2\.13\.0-cp311-cp311-linux_x86_64\.whl has SHA-256/,
    );
  });

  test("does not use a kept wheel that was damaged", () => {
    const home = folder();
    mkdirSync(join(home, "wheels"));
    writeFileSync(join(home, "wheels", WHEEL), "half a whe");
    const { message, kept } = make({ python3: "echo 'no matching distribution' >&2; exit 1" }, undefined, home);
    expect(message).toBe(
      "package: pip found no CPU wheel of torch 2.13.0+cpu for manylinux_2_28_x86_64 or linux_x86_64:\nno matching distribution.",
    );
    expect(readdirSync(kept)).toEqual([]);
  });

  test("leaves nothing when it is interrupted, and no process", async () => {
    const [tools, home] = [folder(), folder()];
    writeFileSync(join(tools, "python3"), "#!/bin/sh\n/bin/sleep 60 &\necho $! > $BEGUN\nwait\n");
    chmodSync(join(tools, "python3"), 0o755);
    const begun = join(tools, "begun");
    const child = spawn(process.execPath, [script, "--output", join(home, "packed"), "--platform", PLATFORM], {
      env: { PATH: tools, BIDORA_HOME: home, BEGUN: begun },
    });
    const [message, status] = [text(child.stderr), once(child, "close")];
    await vi.waitUntil(() => existsSync(begun) && readFileSync(begun, "utf8").endsWith("\n"), { timeout: 60_000 });
    child.kill("SIGINT");
    expect(await status).toEqual([1, null]);
    expect(await message).toMatch(/\npackage: interrupted by SIGINT\.\n$/);
    expect(readdirSync(home, { recursive: true })).toEqual(["wheels"]);
    await vi.waitFor(() => expect(stateOf(readFileSync(begun, "utf8").trim())).toMatch(/^$|^Z/));
  });

  test.each([
    ["neither Python nor pip", {}],
    ["Python without pip", { python3: 'echo "python3: No module named pip" >&2; exit 1' }],
  ])("asks for pip if there is %s", (_, programs) => {
    expect(make(programs)).toMatchObject({
      status: 1,
      message: "package: torch's wheel is downloaded with pip, which is not installed: install Python 3 with pip.",
    });
  });

  test("names the platforms that it knows", () => {
    const { status, stderr } = spawnSync(process.execPath, [script, "--output", "x", "--platform", "linux-x64-musl"], {
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([
      1,
      "package: there is no package for linux-x64-musl; expected linux-arm64-gnu or linux-x64-gnu.\n",
    ]);
  });

  test("asks for the folder of the tarballs", () => {
    const { status, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8" });
    expect([status, stderr]).toEqual([
      1,
      "package: give the folder for the tarballs: npm run package -- --output FOLDER.\n",
    ]);
  });
});

describe("a wheel", () => {
  test("of the pinned version and for the CPU is taken", async () => {
    await expect(checkCpuBuild(torch(CPU), "2.13.0+cpu")).resolves.toBeUndefined();
    await expect(checkCpuBuild(torch("__version__ = '2.10.0+cpu'\ncuda = None\n"), "2.10.0")).resolves.toBeUndefined();
  });

  test.each([
    ["for CUDA", CPU.replace("cuda: Optional[str] = None", "cuda: Optional[str] = '12.8'"), {}, "it has cuda 12.8"],
    ["for ROCm", CPU.replace("hip: Optional[str] = None", "hip: Optional[str] = '6.4'"), {}, "it has hip 6.4"],
    ["with a CUDA library", CPU, { "torch/lib/libtorch_cuda.so": "" }, "it has torch/lib/libtorch_cuda.so"],
  ])("%s is refused", async (_, facts, others, reason) => {
    await expect(checkCpuBuild(torch(facts, others), "2.13.0+cpu")).rejects.toThrow(
      `is no CPU build of torch: ${reason}`,
    );
  });

  test("of another version, or of none, is refused", async () => {
    await expect(checkCpuBuild(torch(CPU), "2.12.0+cpu")).rejects.toThrow(
      "holds torch 2.13.0+cpu, expected 2.12.0+cpu",
    );
    await expect(checkCpuBuild(torch("debug = False\n"), "2.13.0")).rejects.toThrow(
      "has no torch/version.py with a version",
    );
  });
});

describe("a platform's package", () => {
  test("has pinned wheels, and says which machines it is for", () => {
    expect(Object.keys(readPins()).sort()).toEqual([...PLATFORMS].sort());
    expect(npmFields("linux-arm64-gnu")).toEqual({ os: ["linux"], cpu: ["arm64"], libc: ["glibc"] });
  });

  test.each(PLATFORMS as string[])(
    "%s has no such fields in the clone, where npm would refuse the workspace",
    (platform) => {
      const manifest = JSON.parse(readFileSync(join(packages, platform, "package.json"), "utf8"));
      expect(Object.keys(npmFields(platform)).filter((field) => field in manifest)).toEqual([]);
    },
  );

  test("has bidora's version, and bidora asks for it", () => {
    const bidora = (asked: string | undefined) => ({ version: "0.2.0", optionalDependencies: { "@bidora/p": asked } });
    const platform = (version: string) => ({ name: "@bidora/p", version });
    expect(() => checkVersions(bidora("0.2.0"), platform("0.2.0"))).not.toThrow();
    expect(() => checkVersions(bidora("0.2.0"), platform("0.1.0"))).toThrow(
      "bidora is 0.2.0 and asks for @bidora/p 0.2.0, which is 0.1.0: make them the same version",
    );
    expect(() => checkVersions(bidora("0.1.0"), platform("0.2.0"))).toThrow("asks for @bidora/p 0.1.0");
    expect(() => checkVersions(bidora(undefined), platform("0.2.0"))).toThrow("asks for @bidora/p not at all");
  });

  test("is not packed with half a library, without one, or too large", () => {
    const files = [{ path: "libc10.so", size: 10 }];
    const packed = { filename: "p.tgz", size: 100, unpackedSize: 300, files };
    expect(() => checkPacked(packed, { "libc10.so": 10 })).not.toThrow();
    expect(() => checkPacked(packed, { "libc10.so": 20 })).toThrow("p.tgz lacks libc10.so or a part of it");
    expect(() => checkPacked(packed, { "libc10.so": 10, "libopenblas.so.0": 5 })).toThrow(
      "p.tgz lacks libopenblas.so.0",
    );
    expect(() => checkPacked({ ...packed, size: 121e6 }, {})).toThrow("p.tgz has 121000000 bytes");
    expect(() => checkPacked({ ...packed, unpackedSize: 401e6 }, {})).toThrow("401000000 unpacked");
  });
});

describe("NOTICE", () => {
  const texts = {
    "torch-2.13.0.dist-info/licenses/LICENSE": "PyTorch's licence",
    "torch-2.13.0.dist-info/licenses/third_party/a/LICENSE": "a's",
  };
  const wheel = torch(CPU, { ...texts, "torch-2.13.0.dist-info/licenses/third_party/b/LICENSE": "a's" });

  test("has the wheel's licences, each once, and those of the other libraries", async () => {
    const notice: string = await noticeFor(wheel, PLATFORM, ["libtorch_cpu.so", "libgomp.so.1", "tokenizers.node"]);
    expect(notice.match(/^a's$/gm)).toHaveLength(1);
    for (const part of [
      "torch/LICENSE",
      "torch/third_party/a/LICENSE\ntorch/third_party/b/LICENSE",
      "Math Kernel",
      "GCC RUNTIME LIBRARY EXCEPTION",
      "tokenizers",
    ])
      expect(notice).toContain(part);
    expect(notice).not.toContain("OpenBLAS");
  });

  test("names Intel's library only where it is", async () => {
    expect(await noticeFor(wheel, "linux-arm64-gnu", ["libtorch_cpu.so"])).not.toContain("Math Kernel");
  });

  test("is refused if a library is nobody's or the wheel has no licences", async () => {
    await expect(noticeFor(wheel, PLATFORM, ["libnew.so"])).rejects.toThrow("does not say whose work libnew.so is");
    await expect(noticeFor(torch(CPU), PLATFORM, [])).rejects.toThrow("has no licences");
  });
});
