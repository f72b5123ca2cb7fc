// Keeps the model up to date: by the stream of events, and by asking again and again where that breaks.

import { Refused, get, getIfActive, open } from "./api.js";
import { changed, model, putBatch } from "./model.js";

/** How often is asked for what no event tells, and for everything while there is no stream. */
const ASK_EVERY = { live: 5000, polling: 2000, lost: 2000 };

/** Without a byte for so long the stream is dead: the server sends at least a comment every 10 s. */
const SILENCE = 25_000;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function connection(mode) {
  if (model.connection?.mode === mode) return;
  model.connection = { mode, since: Date.now() };
  changed();
}

function took(name, value) {
  model[name] = value;
  if (name in model.asOf) model.asOf[name] = performance.now();
}

const streaming = () => `api/v1/applications/${encodeURIComponent(model.application.id)}/streaming`;

/** The path of something about a batch. */
export const pathOf = (time, what = "") => `${streaming()}/batches/${time}${what}`;

async function askForBatches() {
  const batches = await get(`${streaming()}/batches`);
  model.batches = new Map(batches.map((batch) => [batch.batchTime, batch]));
  changed();
}

async function askForReadiness() {
  try {
    const { state, warnings = [] } = await get("readyz");
    Object.assign(model, { state, reasons: [], warnings });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    model.reasons = error.reasons.length ? error.reasons : [error.message];
    model.warnings = error.warnings;
    model.state = (await get("healthz")).state;
  }
}

async function ask() {
  const [application] = await get("api/v1/applications");
  model.application = application;
  took("attempt", application.attempts[0]);
  const [statistics, receivers, checkpoint, wal, graph] = await Promise.all([
    get(`${streaming()}/statistics`), get(`${streaming()}/receivers`),
    getIfActive("api/v1/checkpoint"), getIfActive("api/v1/wal"), get("api/v1/graph"),
    askForReadiness(), askForBatches(),
  ]);
  // Inputs without a receiver are listed, too, as Spark does.
  const receiving = receivers.filter((receiver) => receiver.state !== undefined);
  Object.assign(model, { statistics, receivers: receiving, wal, graph });
  took("checkpoint", checkpoint);
  changed();
}

const take = {
  batch: putBatch,
  receiver(receiver) {
    const others = model.receivers.filter((known) => known.streamId !== receiver.streamId);
    model.receivers = [...others, receiver].sort((one, other) => one.streamId - other.streamId);
  },
  checkpoint: (checkpoint) => took("checkpoint", checkpoint),
  state({ state, reasons, warnings }) {
    Object.assign(model, { state, reasons, warnings });
  },
  lagged: () => void askForBatches().catch(() => {}),
};

/** Takes in what stands between two empty lines. */
function takeIn(block) {
  let [name, data] = ["", ""];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5);
  }
  if (!data) return;
  take[name]?.(JSON.parse(data));
  changed();
}

/** Reads the stream to its end. */
async function follow() {
  const abort = new AbortController();
  let silence = setTimeout(() => abort.abort(), SILENCE);
  try {
    const answer = await open("api/v1/events", { signal: abort.signal });
    if (!answer.ok) throw new Refused(answer.status, answer.statusText);
    // What happened before the stream began, it doesn't tell.
    await ask();
    connection("live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(takeIn);
    }
  } finally {
    clearTimeout(silence);
    abort.abort();
  }
}

/** Asks now and then, for ever. */
async function keepAsking() {
  for (;;) {
    try {
      await ask();
      if (model.connection?.mode !== "live") connection("polling");
    } catch (error) {
      connection("lost");
    }
    await sleep(ASK_EVERY[model.connection?.mode ?? "lost"]);
  }
}

/** Follows the stream, for ever. */
async function keepFollowing() {
  for (;;) {
    await follow().catch(() => {});
    // Whether the address still answers at all, asking tells.
    if (model.connection?.mode === "live") await ask().then(() => connection("polling"), () => connection("lost"));
    await sleep(3000);
  }
}

export function start() {
  void keepFollowing();
  setTimeout(keepAsking, 1000);
}
