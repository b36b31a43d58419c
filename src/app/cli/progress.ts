/** Progress of a run, as a bar on a terminal or as lines. */
import { formatCount, oneLine } from "../../base/index.js";
import type {
  CheckpointEvent,
  EvaluationEvent,
  Phase,
  RunEvent,
  StartEvent,
  StepEvent,
} from "../../base/records/index.js";

/** Where progress goes; stderr outside tests. */
interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Seconds between two lines if the stream is not a terminal. */
const LINE_INTERVAL = 5;
const BAR_WIDTH = 24;
/** Weight of the newest step in the running means of loss, rate and time left. */
const NEWEST = 0.1;

interface Means {
  readonly loss: number;
  readonly rows: number;
  readonly seconds: number;
}

/**
 * An observer that shows phase, steps, loss, rows per second and time left: as a bar on a terminal, elsewhere as plain lines, at most one
 * every few seconds.
 * @param now the time in seconds
 */
export function createProgress(
  stream: ProgressStream,
  now = () => performance.now() / 1000,
): (event: RunEvent) => void {
  const view = stream.isTTY ? barView(stream) : lineView(stream, now);
  let totals: Partial<Record<Phase, number>> = {};
  let phase: Phase | undefined;
  let means: Means | undefined;
  let done = 0;
  let before = 0;

  /** The event's step counted within its phase, without the steps of earlier phases. */
  const stepInPhase = (event: StepEvent | EvaluationEvent | CheckpointEvent): number => {
    if (event.phase !== phase) {
      before = phase === undefined && event.phase === "retrain" ? (totals.search ?? 0) : done;
      phase = event.phase;
      means = undefined;
    }
    done = event.step;
    return event.step - before;
  };

  const onStep = (event: StepEvent): void => {
    const step = stepInPhase(event);
    const total = totals[event.phase];
    means = averaged(means, event);
    if (event.note) view.note(event.note);
    if (event.skipped)
      view.note(
        `Step ${event.step}: ${event.skipped} times a loss or gradient was not finite; went on with other batches.`,
      );
    view.step(step, total, describeStep(event.phase, step, total, means));
  };

  return (event) => {
    if (event.event === "start") {
      totals = event.steps;
      phase = undefined;
      done = 0;
      view.note(describeStart(event));
    } else if (event.event === "step") onStep(event);
    else if (event.event === "evaluation" || event.event === "checkpoint")
      view.note(describe(event, stepInPhase(event)));
    else if (event.event === "done" || event.event === "error") view.stop();
  };
}

/** Running means, which start again with each phase. */
function averaged(before: Means | undefined, { loss, rows, seconds }: StepEvent): Means {
  if (!before) return { loss, rows, seconds };
  const mix = (old: number, current: number): number => old + NEWEST * (current - old);
  return { loss: mix(before.loss, loss), rows: mix(before.rows, rows), seconds: mix(before.seconds, seconds) };
}

interface View {
  step(step: number, total: number | undefined, text: string): void;
  note(line: string): void;
  stop(): void;
}

/** One line that is redrawn at each step, with notes above it. */
function barView(stream: ProgressStream): View {
  let drawn = "";
  const draw = (line: string): void => {
    drawn = oneLine(line).slice(0, (stream.columns ?? 80) - 1);
    stream.write(`\r\u001b[K${drawn}`);
  };
  return {
    step: (step, total, text) => {
      const filled = total ? Math.round((step / total) * BAR_WIDTH) : 0;
      draw(`${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)} ${text}`);
    },
    note: (line) => {
      stream.write(`\r\u001b[K${oneLine(line)}\n${drawn}`);
    },
    stop: () => {
      if (drawn !== "") stream.write("\n");
      drawn = "";
    },
  };
}

/** Plain lines: the first and the last step of a phase, and between them one every few seconds. */
function lineView(stream: ProgressStream, now: () => number): View {
  let last = Number.NEGATIVE_INFINITY;
  return {
    step: (step, total, text) => {
      if (step !== 1 && step !== total && now() - last < LINE_INTERVAL) return;
      last = now();
      stream.write(`${oneLine(text)}\n`);
    },
    note: (line) => {
      stream.write(`${oneLine(line)}\n`);
    },
    stop: () => {},
  };
}

function describeStep(phase: Phase, step: number, total: number | undefined, { loss, rows, seconds }: Means): string {
  const parts = [`${phase} ${step}${total === undefined ? "" : `/${total}`}`, `loss ${loss.toFixed(4)}`];
  if (seconds > 0) parts.push(`${Math.round(rows / seconds)} rows/s`);
  if (total !== undefined && step < total) parts.push(`${clock((total - step) * seconds)} left`);
  return parts.join("  ");
}

function describeStart({ parameters, machine }: StartEvent): string {
  const { trained, total } = parameters;
  const share = ((100 * trained) / total).toPrecision(3);
  return `Training ${formatCount(trained)} of ${formatCount(total)} parameters (${share} %) on ${machine.device}, ${machine.threads} threads`;
}

function describe(event: EvaluationEvent | CheckpointEvent, step: number): string {
  if (event.event === "checkpoint") return `${event.phase} ${step}  saved ${event.path}`;
  const metrics = Object.entries(event.metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
  return `${event.phase} ${step}  evaluation  ${metrics.join("  ")}`;
}

/** Seconds as `1:05` or `2:03:04`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(m).padStart(h ? 2 : 1, "0")}:${String(s).padStart(2, "0")}`;
  return h ? `${h}:${tail}` : tail;
}
