import { expect, it } from "vitest";
import * as torch from "../../src/torch/index.js";

const facts = torch.engineFacts();

it("describes the engine", () => {
  expect(facts.torchVersion).toMatch(/^\d+\.\d+/);
  expect(facts.library).toMatch(/^\/.*libtorch_cpu/);
  expect(facts.mkl || facts.blasLibrary.startsWith("/")).toBe(true);
  expect(facts.onednn).toBe(true);
});

it("warns about the reference BLAS and about one with its own threads", () => {
  const base = { ...facts, mkl: false, blasLibrary: "/usr/lib/libblas.so.3" };
  expect(torch.blasWarning({ ...base, openblas: "" })).toMatch(/is not optimized.*install libopenblas0-openmp/);
  expect(torch.blasWarning({ ...base, openblas: "OpenBLAS 0.3.29 DYNAMIC_ARCH Haswell" })).toMatch(
    /OpenMP.*libopenblas0-openmp/,
  );
  expect(torch.blasWarning({ ...base, openblas: "OpenBLAS 0.3.29 USE_OPENMP Haswell" })).toBeUndefined();
  expect(torch.blasWarning({ ...base, openblas: "", mkl: true })).toBeUndefined();
});

it("measures matrix products", () => {
  const start = performance.now();
  const { gigaflops, problems, threads } = torch.diagnose();
  expect(performance.now() - start).toBeLessThan(5000);
  expect(gigaflops?.float32).toBeGreaterThan(0);
  expect(gigaflops?.bfloat16).toBeGreaterThan(0);
  expect(problems).toEqual(torch.blasWarning() ? [torch.blasWarning()] : []);
  expect(threads).toBe(facts.threads);
});

it("sets the number of threads", () => {
  try {
    torch.setThreads(1);
    expect(torch.engineFacts().threads).toBe(1);
    expect(() => torch.setThreads(0)).toThrow(torch.TorchError);
  } finally {
    torch.setThreads(facts.threads);
  }
});
