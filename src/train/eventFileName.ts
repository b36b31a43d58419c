/** The name of a file that this program writes for TensorBoard; others put a computer's name where its own stands. */
const NAME = /^events\.out\.tfevents\.(\d{10,})\.bidora\.\d+$/;

/** Whether a file has such a name. */
export const isEventFile = (name: string): boolean => NAME.test(name);

/** The seconds since 1970 that such a name says; 0 for another. */
export const eventFileSeconds = (name: string): number => Number(NAME.exec(name)?.[1] ?? 0);

export const eventFileName = (seconds: number): string =>
  `events.out.tfevents.${String(seconds).padStart(10, "0")}.bidora.${process.pid}`;
