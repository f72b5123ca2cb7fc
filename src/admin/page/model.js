// What is known of the pipeline, and who wants to know when it changes.

const listeners = new Set();
let isTold = false;

export const model = {
  application: undefined,
  attempt: undefined,
  statistics: undefined,
  /** Batches by time. */
  batches: new Map(),
  receivers: [],
  checkpoint: undefined,
  wal: undefined,
  graph: undefined,
  state: undefined,
  reasons: [],
  warnings: [],
  /** `live`, `polling` or `lost`, and since when; before the first answer nothing. */
  connection: undefined,
  /** When the ages below were right, by this browser's clock. */
  asOf: { attempt: 0, checkpoint: 0 },
};

/** Calls `listener` after changes: at most twice a second, and not while nobody looks. */
export const onChange = (listener) => listeners.add(listener);

export function changed() {
  if (isTold) return;
  isTold = true;
  setTimeout(tell, 0);
}

let last = 0;
function tell() {
  const wait = last + 500 - performance.now();
  if (document.hidden || wait > 0) {
    setTimeout(tell, Math.max(wait, 100));
    return;
  }
  last = performance.now();
  isTold = false;
  for (const listener of listeners) listener(model);
}

export const isCompleted = (batch) => batch.status === "COMPLETED";

/** Completed batches, oldest first. */
export const completed = () => sorted().filter(isCompleted);

/** Batches that aren't complete, oldest first. */
export const active = () => sorted().filter((batch) => !isCompleted(batch));

const sorted = () => [...model.batches.values()].sort((one, other) => one.batchTime - other.batchTime);

/** Takes in what an event says of one batch. */
export function putBatch(batch) {
  const known = model.batches.get(batch.batchTime);
  // Events of a batch may come after an answer that knew more.
  if (known && isCompleted(known)) return;
  model.batches.set(batch.batchTime, batch);
  // Totals don't wait until they are asked for again.
  if (isCompleted(batch) && model.statistics) {
    model.statistics.numTotalCompletedBatches += 1;
    model.statistics.numProcessedRecords += batch.inputSize;
  }
  // The server tells how many it keeps; the next answer tells which.
  if (model.batches.size > 12_000) model.batches.delete(Math.min(...model.batches.keys()));
  changed();
}

/** How the length of a batch compares: the interval, in milliseconds. */
export const interval = () => model.statistics?.batchDuration ?? 1000;

/** The age of the newest checkpoint now. */
export const checkpointAge = () =>
  model.checkpoint?.age + (performance.now() - model.asOf.checkpoint);

/** How long the pipeline runs. */
export const uptime = () => model.attempt?.duration + (performance.now() - model.asOf.attempt);
