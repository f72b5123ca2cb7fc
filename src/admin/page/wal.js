// How the logs are doing, and the room there is for them.

import { at, h, pill, put, table } from "./dom.js";
import { bytes, count, counted, moment } from "./format.js";
import { model } from "./model.js";

const log = (entry) => h("tr", { class: entry.poisoned ? "failing" : undefined },
  h("th", { scope: "row" }, entry.name), h("td", { class: "number" }, count(entry.segments)),
  h("td", { class: "number" }, bytes(entry.bytes)), h("td", { class: "number" }, count(entry.nextSequence - entry.oldestSequence)),
  h("td", {}, entry.poisoned ? pill("refuses", "bad") : moment(entry.lastSync)));

function space() {
  const status = model.wal.space;
  if (!status) return [];
  return status.disks.map((disk) => h("p", { class: disk.isLow ? "error" : "about" }, `${disk.name} in `, h("code", {}, disk.path),
    disk.free === null ? `: ${disk.error ?? "the disk can't tell what is free"}` : `: ${bytes(disk.free)} free, ${bytes(status.reserve)} to be kept`));
}

/** How many entries share a sync. */
function syncs() {
  const sum = (name) => model.wal.logs.reduce((total, entry) => total + entry[name], 0);
  const each = sum("syncs") ? `, of ${(sum("appends") / sum("syncs")).toFixed(1)} entries on average` : "";
  return `${counted(sum("syncs"), "sync")} since the start${each}`;
}

export function show() {
  if (!model.wal) {
    put(at("wal"), h("p", { class: "none" }, "The pipeline isn't running."));
    return;
  }
  const { element, body } = table("Write-ahead logs",
    ["Log", ["Segments", "number"], ["Size", "number"], ["Entries", "number"], "Last sync"]);
  body.append(...model.wal.logs.map(log));
  const poisoned = model.wal.logs.filter((entry) => entry.poisoned);
  put(at("wal"), element, poisoned.map((entry) => h("p", { class: "error" }, `${entry.name}: ${entry.poisoned}`)),
    h("p", { class: "about" }, syncs()), space());
}
