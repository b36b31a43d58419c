// Where a process stands among those that train together, as their launcher says it in environment variables.
import { UsageError } from "../../base/index.js";

/** A process among those that train together. */
export interface Place {
  readonly rank: number;
  readonly size: number;
  /** Its number among the processes of its machine, and how many these are. */
  readonly localRank: number;
  readonly localSize: number;
  /** The address of the store by which the processes find each other. */
  readonly host: string;
  readonly port: number;
  /** Whether rank 0 serves the store; otherwise the launcher does. */
  readonly servesStore: boolean;
  /** How many times the launcher has restarted the processes. */
  readonly restarts: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables in which launchers give rank, number of processes, and both within the machine. */
const LAUNCHERS: readonly (readonly [rank: string, size: string, localRank: string, localSize: string])[] = [
  ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"], // torchrun, Kubernetes' PyTorchJob, bidora launch
  ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"], // Open MPI
  ["PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"], // MPICH, Intel MPI
  // Slurm: only in steps that srun starts. A batch script has SLURM_PROCID too, but is one process.
  ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"],
];

/**
 * The place of this process, from the environment of torchrun, Slurm's srun, mpirun, Kubernetes' PyTorchJob or `bidora launch`.
 * @returns undefined for a process that trains alone
 * @throws UsageError for variables that are incomplete or contradict each other
 */
export function placeOf(environment: Environment): Place | undefined {
  const names = LAUNCHERS.find(([rank, size]) => environment[rank] !== undefined && environment[size] !== undefined);
  if (!names) return undefined;
  const whole = (name: string, otherwise?: number) => wholeOf(environment, name, otherwise);
  const [rank, size] = [whole(names[0]), whole(names[1])];
  if (size < 1 || rank >= size)
    throw new UsageError(`${names[0]}=${rank} must be below ${names[1]}=${size}: check how the ranks are started.`);
  if (size === 1) return undefined;
  return {
    rank,
    size,
    localRank: whole(names[2], 0),
    localSize: whole(names[3], 1),
    ...storeOf(environment, size),
    servesStore: rank === 0 && environment.TORCHELASTIC_USE_AGENT_STORE !== "True",
    restarts: restartsOf(environment),
  };
}

/** c10d logs each broken connection with a stack; our error says what is needed. Takes effect only before libtorch is loaded. */
export function silenceLog(environment: Record<string, string | undefined>): void {
  environment.TORCH_CPP_LOG_LEVEL ??= "FATAL";
}

/** How many times torchrun or `bidora launch` has restarted the processes after a failure. */
export const restartsOf = (environment: Environment): number => wholeOf(environment, "TORCHELASTIC_RESTART_COUNT", 0);

function storeOf(environment: Environment, size: number): Pick<Place, "host" | "port"> {
  const host = environment.MASTER_ADDR ?? slurmHost(environment) ?? mpiHost(environment);
  if (!host)
    throw new UsageError(
      `MASTER_ADDR is missing: ${size} ranks need the address of rank 0's machine in MASTER_ADDR, and a free port there in MASTER_PORT.`,
    );
  const port = wholeOf(environment, "MASTER_PORT", portOfJob(environment));
  if (port >= 1 && port <= 65_535) return { host, port };
  throw new UsageError(`MASTER_PORT must be from 1 to 65535, but is ${port}: check how the ranks are started.`);
}

function wholeOf(environment: Environment, name: string, otherwise?: number): number {
  const text = environment[name];
  if (text === undefined && otherwise !== undefined) return otherwise;
  if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(
    `${name} must be a whole number, but is ${text === undefined ? "missing" : JSON.stringify(text)}: check how the ranks are started.`,
  );
}

/** The first machine of a Slurm step: "node[03-07,09],gpu1" → "node03". */
function slurmHost({ SLURM_STEP_NODELIST: nodes }: Environment): string | undefined {
  const [, prefix, first = ""] = /^([^,[]+)(?:\[(\d+))?/.exec(nodes ?? "") ?? [];
  return prefix === undefined ? undefined : prefix + first;
}

/** mpirun on one machine needs no address. */
function mpiHost({ OMPI_COMM_WORLD_SIZE: size, OMPI_COMM_WORLD_LOCAL_SIZE: local }: Environment): string | undefined {
  return size !== undefined && size === local ? "127.0.0.1" : undefined;
}

/** torch's default port, and on Slurm one per job, since a machine can run several. */
function portOfJob({ SLURM_JOB_ID: job }: Environment): number {
  return job !== undefined && /^\d+$/.test(job) ? 20_000 + (Number(job) % 10_000) : 29_500;
}
