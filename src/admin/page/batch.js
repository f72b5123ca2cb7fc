// A batch's own page.

import { get } from "./api.js";
import { outputs, status } from "./batches.js";
import { at, facts, h, keyed, pill, put, table } from "./dom.js";
import { bytes, count, counted, interval as asInterval, length, moment } from "./format.js";
import { pathOf } from "./live.js";
import { changed, model } from "./model.js";

/** How often an open batch is asked for. */
const ASK_EVERY = 1000;

let asked = { time: undefined };

async function ask(time) {
  const ask = asked = { ...(asked.time === time ? asked : {}), time, at: performance.now() };
  try {
    const [batch, operations, inputs] = await Promise.all([
      get(pathOf(time)), get(pathOf(time, "/operations")), get(pathOf(time, "/inputs"))]);
    Object.assign(ask, { batch, operations, inputs, error: undefined });
  } catch (error) {
    ask.error = error.message;
  }
  changed();
}

/** The batches before and after, where they are known. */
function neighbours(time) {
  const times = [...model.batches.keys()].sort((one, other) => one - other);
  const place = times.indexOf(time);
  const link = (other, text) => (place < 0 || other === undefined
    ? h("span", { class: "muted" }, text) : h("a", { href: `#/batch/${other}` }, text));
  return h("nav", { class: "neighbours", "aria-label": "Batches" },
    h("a", { href: "#/" }, "All batches"), link(times[place - 1], "Earlier batch"), link(times[place + 1], "Later batch"));
}

function operationState(operation) {
  if (operation.endTime !== undefined) return pill("done", "good");
  if (operation.failureReason) return pill("failed", "bad");
  return operation.startTime === undefined ? pill("waiting") : pill("running", "busy");
}

function operationsTable(operations) {
  const { element, body } = table("Output operations",
    [["No.", "number"], "Output", "Kind", "Status", "Started", ["Duration", "number"], ["Failures", "number"], "Error"]);
  for (const operation of operations) {
    body.append(h("tr", { class: operation.endTime === undefined && operation.failureReason ? "failing" : undefined },
      h("td", { class: "number" }, count(operation.outputOpId)), h("th", { scope: "row" }, operation.description),
      h("td", {}, operation.name), h("td", {}, operationState(operation)), h("td", {}, moment(operation.startTime)),
      h("td", { class: "number" }, length(operation.duration)), h("td", { class: "number" }, count(operation.failures)),
      h("td", { class: "error" }, operation.failureReason ?? "")));
  }
  return operations.length ? element : h("p", { class: "none" }, "None have begun.");
}

function blocksTable(input) {
  const { element, body } = table(`Blocks of ${input.streamName}`,
    ["Block", "Cut", ["Records", "number"], ["Bytes", "number"], ["Log entry", "number"]]);
  for (const block of input.blocks) {
    body.append(h("tr", {}, h("th", { scope: "row" }, block.id), h("td", {}, moment(block.cut)),
      h("td", { class: "number" }, count(block.records)), h("td", { class: "number" }, bytes(block.bytes)),
      h("td", { class: "number" }, block.sequence === null ? "in memory" : count(block.sequence))));
  }
  return element;
}

function inputPart(input) {
  const records = input.records === null ? "records not known before they are read" : counted(input.records, "record");
  const plan = input.planBytes === null ? undefined : `a plan of ${bytes(input.planBytes)} in the driver's log`;
  const blocks = input.blocks?.length ? blocksTable(input) : undefined;
  const cleaned = input.blocks || plan ? undefined : "blocks not known any more: the batch has been cleaned up";
  return h("article", {}, h("h4", {}, input.streamName),
    h("p", { class: "about" }, [input.location, records, plan, cleaned].filter(Boolean).join(" · ")), blocks);
}

/** What it is made of, by name: each is brought up to date by itself, so that a reader keeps the place in the others. */
function page({ time, batch, operations, inputs, error }) {
  const head = { nav: neighbours(time), title: h("h2", {}, "Batch at ", moment(time), " ", batch ? status(batch) : "") };
  if (error) return { ...head, alarm: h("p", { class: "alarm bad" }, `Nothing to show: ${error}.`) };
  if (!batch) return { ...head, none: h("p", { class: "none" }, "Asking …") };
  const failing = batch.firstFailureReason && batch.status !== "COMPLETED";
  return {
    ...head,
    ...failing && { alarm: h("p", { class: "alarm bad" }, `It fails and is tried on: ${batch.firstFailureReason}`) },
    facts: h("div", { class: "card" }, facts([
      ["Batch id", String(time)], ["Batch interval", asInterval(batch.batchDuration)],
      ["Records", count(batch.inputSize)], ["Submitted", moment(batch.submissionTime)],
      ["Scheduling delay", length(batch.schedulingDelay)], ["Processing time", length(batch.processingTime)],
      ["Total delay", length(batch.totalDelay)], ["Outputs", outputs(batch)]])),
    outputs: [h("h3", {}, "Output operations"), h("div", { class: "card" }, operationsTable(operations))],
    inputs: [h("h3", {}, "Inputs"), h("div", { class: "card inputs" }, inputs.length ? inputs.map(inputPart)
      : h("p", { class: "none" }, "It held nothing."))],
  };
}

/** Shows the batch at `time`. */
export function show(time) {
  const isOpen = asked.batch?.status !== "COMPLETED" && performance.now() - asked.at > ASK_EVERY;
  if (model.application && (asked.time !== time || isOpen)) void ask(time);
  if (asked.time !== time) return;
  keyed(at("batch"), Object.entries(page(asked)), ([name]) => name, () => h("div"),
    (part, [, made]) => put(part, ...[made].flat()));
}
