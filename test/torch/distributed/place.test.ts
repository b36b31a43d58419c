import { describe, expect, test } from "vitest";
import { placeOf } from "../../../src/torch/distributed/place.js";

const store = { MASTER_ADDR: "node1", MASTER_PORT: "4000" };
const torchrun = { RANK: "3", WORLD_SIZE: "8", LOCAL_RANK: "1", LOCAL_WORLD_SIZE: "2", ...store };

describe("a rank's place, as its launcher says it", () => {
  test("torchrun, and PyTorchJob without local ranks", () => {
    const place = { rank: 3, size: 8, host: "node1", port: 4000, servesStore: false, restarts: 0 };
    expect(placeOf(torchrun)).toEqual({ ...place, localRank: 1, localSize: 2 });
    expect(placeOf({ RANK: "3", WORLD_SIZE: "8", ...store })).toEqual({ ...place, localRank: 0, localSize: 1 });
  });

  test("rank 0 serves the store unless torchrun's agent does, and restarts are counted", () => {
    const first = { ...torchrun, RANK: "0" };
    expect(placeOf(first)).toMatchObject({ servesStore: true });
    expect(placeOf({ ...first, TORCHELASTIC_USE_AGENT_STORE: "True" })).toMatchObject({ servesStore: false });
    expect(placeOf({ ...first, TORCHELASTIC_USE_AGENT_STORE: "False" })).toMatchObject({ servesStore: true });
    expect(placeOf({ ...first, TORCHELASTIC_RESTART_COUNT: "2" })).toMatchObject({ restarts: 2 });
  });

  test("mpirun of Open MPI, which needs no address on one machine", () => {
    const ranks = {
      ...{ OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "4" },
      ...{ OMPI_COMM_WORLD_LOCAL_RANK: "1", OMPI_COMM_WORLD_LOCAL_SIZE: "4" },
    };
    const place = { rank: 1, size: 4, localRank: 1, localSize: 4 };
    expect(placeOf(ranks)).toMatchObject({ ...place, host: "127.0.0.1", port: 29500 });
    expect(placeOf({ ...ranks, ...store })).toMatchObject({ ...place, host: "node1", port: 4000 });
    expect(() => placeOf({ ...ranks, OMPI_COMM_WORLD_LOCAL_SIZE: "2" })).toThrow(/^MASTER_ADDR is missing: 4 ranks/);
  });

  test("MPICH and Intel MPI", () => {
    const ranks = { PMI_RANK: "2", PMI_SIZE: "4", MPI_LOCALRANKID: "0", MPI_LOCALNRANKS: "2" };
    expect(placeOf({ ...ranks, ...store })).toMatchObject({ rank: 2, size: 4, localRank: 0, localSize: 2, port: 4000 });
  });

  test.each([
    ["node[03-07,09],gpu1", "node03"],
    ["node[3,5]", "node3"],
    ["gpu1,gpu2", "gpu1"],
    ["alone", "alone"],
  ])("srun on %s finds rank 0 on %s, at a port of the job's own", (SLURM_STEP_NODELIST, host) => {
    const step = { SLURM_PROCID: "1", SLURM_STEP_NUM_TASKS: "3", SLURM_LOCALID: "0", SLURM_STEP_NODELIST };
    expect(placeOf({ ...step, SLURM_JOB_ID: "1234567" })).toMatchObject({ rank: 1, size: 3, host, port: 24567 });
  });

  test("a batch script of Slurm is one process, as are one rank and a process without a launcher", () => {
    expect(placeOf({ SLURM_PROCID: "0", SLURM_JOB_ID: "7", SLURM_NTASKS: "4" })).toBeUndefined();
    expect(placeOf({ RANK: "0", WORLD_SIZE: "1" })).toBeUndefined();
    expect(placeOf({ RANK: "0" })).toBeUndefined();
    expect(placeOf({})).toBeUndefined();
  });

  test("torchrun within a job of Slurm has the last word", () => {
    const step = { SLURM_PROCID: "0", SLURM_STEP_NUM_TASKS: "2", SLURM_STEP_NODELIST: "a" };
    expect(placeOf({ ...step, ...torchrun })).toMatchObject({ rank: 3, size: 8 });
  });
});

describe("refuses", () => {
  test.each([
    ["a rank that is not below the number", { RANK: "8" }, /^RANK=8 must be below WORLD_SIZE=8: check how/],
    ["no process", { RANK: "0", WORLD_SIZE: "0" }, /^RANK=0 must be below WORLD_SIZE=0: /],
    ["words", { RANK: "first" }, /^RANK must be a whole number, but is "first": check how/],
    ["negative numbers", { RANK: "-1" }, /^RANK must be a whole number, but is "-1": /],
    ["fractions", { WORLD_SIZE: "2.5" }, /^WORLD_SIZE must be a whole number, but is "2.5": /],
    ["nothing", { WORLD_SIZE: "" }, /^WORLD_SIZE must be a whole number, but is "": /],
    ["a local rank in words", { LOCAL_RANK: "x" }, /^LOCAL_RANK must be a whole number, but is "x": /],
    ["a port in words", { MASTER_PORT: "http" }, /^MASTER_PORT must be a whole number, but is "http": /],
    ["no port", { MASTER_PORT: "0" }, /^MASTER_PORT must be from 1 to 65535, but is 0: check how/],
    ["a port that there can't be", { MASTER_PORT: "65536" }, /^MASTER_PORT must be from 1 to 65535, but is 65536: /],
    ["no address", { MASTER_ADDR: undefined }, /^MASTER_ADDR is missing: 8 ranks need [^\n]+\.$/],
  ])("%s", (_name, change, message) => {
    expect(() => placeOf({ ...torchrun, ...change })).toThrow(message);
  });
});
