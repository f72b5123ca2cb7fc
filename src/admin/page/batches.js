// The tables of batches.

import { at, h, keyed, pill, put, say, table } from "./dom.js";
import { count, counted, length, moment } from "./format.js";
import { active, completed, model } from "./model.js";

const COLUMNS = ["Batch time", ["Records", "number"], ["Scheduling delay", "number"], ["Processing time", "number"],
  ["Total delay", "number"], "Outputs", "Status"];
const KINDS = { PROCESSING: "busy", FAILED: "bad" };
const STEP = 20;
let shown = STEP;
let tables;

/** The outputs of a batch: how many are done, as a bar, and how many fail. */
export function outputs(batch) {
  const { numCompletedOutputOps: done, numTotalOutputOps: total, numFailedOutputOps: failed } = batch;
  return h("span", { class: "outputs" },
    h("progress", { max: Math.max(1, total), value: done, "aria-label": "outputs done" }),
    ` ${done}/${total}`, failed ? h("span", { class: "bad" }, ` ${failed} failed`) : undefined);
}

/** What has become of a batch. */
export const status = (batch) => pill(batch.status.toLowerCase(), KINDS[batch.status]);

const make = (batch) => h("tr", {},
  h("th", { scope: "row" }, h("a", { href: `#/batch/${batch.batchTime}` }, moment(batch.batchTime))),
  COLUMNS.slice(1).map((column) => h("td", { class: [].concat(column)[1] })));

function update(tr, batch) {
  const [, records, scheduling, processing, total, done, state] = tr.cells;
  say(records, count(batch.inputSize));
  say(scheduling, length(batch.schedulingDelay));
  say(processing, length(batch.processingTime));
  say(total, length(batch.totalDelay));
  put(done, outputs(batch));
  const reason = batch.firstFailureReason;
  put(state, status(batch), reason && batch.status !== "COMPLETED" ? h("p", { class: "error" }, reason) : undefined);
  tr.classList.toggle("failing", batch.status === "FAILED");
}

function fill(place, batches, none) {
  keyed(tables[place].body, batches, (batch) => batch.batchTime, make, update);
  tables[place].element.hidden = batches.length === 0;
  say(tables[place].none, batches.length ? "" : none);
}

function makeTables() {
  const one = (place, caption) => {
    const made = { ...table(caption, COLUMNS, "batches"), none: h("p", { class: "none" }) };
    at(place).append(made.element, made.none);
    return made;
  };
  tables = { active: one("active", "Active batches"), completed: one("completed", "Completed batches") };
  at("more").addEventListener("click", () => {
    shown += 5 * STEP;
    show();
  });
}

export function show() {
  if (!tables) makeTables();
  const [waiting, done] = [active(), completed().reverse()];
  fill("active", waiting.slice(0, shown), "None: all that was cut is processed.");
  fill("completed", done.slice(0, shown), "None yet.");
  say(at("active-count"), waiting.length ? counted(waiting.length, "batch", "batches") : "");
  const total = model.statistics?.numTotalCompletedBatches;
  say(at("completed-count"), `last ${count(Math.min(shown, done.length))} of ${count(done.length)} kept, ${count(total)} since the start`);
  at("more").hidden = shown >= done.length;
}
