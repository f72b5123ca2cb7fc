// How checkpoints are doing.

import { at, facts, h, pill, put } from "./dom.js";
import { bytes, clock, count, counted, interval, length, moment } from "./format.js";
import { checkpointAge, model } from "./model.js";

/** Why the checkpoint is a cause for alarm, if it is. */
export function alarm() {
  const { checkpoint } = model;
  if (!checkpoint?.isStale) return undefined;
  const why = checkpoint.lastError ? `; the last write failed: ${checkpoint.lastError}` : "";
  return `The newest checkpoint is ${length(checkpointAge())} old, and one is due every ${interval(checkpoint.interval)}${why}. ` +
    "A restart would have to process more again, and logs grow.";
}

const savepoint = (point) => h("li", {}, h("strong", {}, point.name), ` at ${clock(point.time)}, ${bytes(point.bytes)}`);

export function show() {
  const { checkpoint } = model;
  if (!checkpoint) {
    put(at("checkpoint"), h("p", { class: "none" }, "The pipeline isn't running."));
    return;
  }
  const { newest } = checkpoint;
  const age = newest ? length(Math.floor(checkpointAge() / 1000) * 1000) : undefined;
  put(at("checkpoint"), facts([
    ["Newest", newest ? h("span", {}, `no. ${newest.id}, of the batch at `, moment(newest.time)) : "none yet"],
    ["Age", age && h("span", {}, `${age} `, checkpoint.isStale ? pill("stale", "bad") : pill(`one every ${interval(checkpoint.interval)}`))],
    ["Size", newest && `${bytes(newest.bytes)}, of which ${bytes(newest.newBytes)} were written for it`],
    ["Time taken", newest?.duration ? length(newest.duration) : undefined],
    ["Being written", checkpoint.inFlight === null ? "none" : h("span", {}, "since ", moment(checkpoint.inFlight))],
    ["Written", `${counted(checkpoint.written, "checkpoint")} since the start, ${counted(checkpoint.failures, "failure")}`],
    ["Last failure", checkpoint.lastErrorTime === null ? "none" : h("span", { class: "error" },
      moment(checkpoint.lastErrorTime), checkpoint.lastError ? `: ${checkpoint.lastError}` : ": later ones were written")],
    ["Passed over", checkpoint.skippedAtRecovery.length ? h("span", { class: "error" }, checkpoint.skippedAtRecovery.join("; ")) : undefined],
    ["Notices", checkpoint.notices.length ? checkpoint.notices.join("; ") : undefined],
    ["Savepoints", checkpoint.savepoints.length ? h("ul", { class: "plain" }, checkpoint.savepoints.map(savepoint)) : "none"],
    ["Epoch", count(checkpoint.epoch)],
    ["Store", h("code", {}, checkpoint.location)],
  ]));
}
