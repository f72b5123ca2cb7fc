// What the pipeline reads: receivers with their status and last error, direct sources, the rate of each over time.

import { Chart } from "./charts.js";
import { at, h, keyed, pill, put, say } from "./dom.js";
import { clock, count, counted, rate, shortRate } from "./format.js";
import { completed, interval, model } from "./model.js";
import { openBatch, perSecond, row } from "./timelines.js";

const KINDS = { ACTIVE: "good", RESTARTING: "bad", STOPPED: "warn" };

/** Whether a receiver doesn't receive, though it should. */
export const isFailing = (receiver) => receiver.state === "RESTARTING";

const lastError = (receiver) => receiver.lastErrorMessage &&
  h("p", { class: "error" }, `Last error at ${clock(receiver.lastErrorTime)}: ${receiver.lastErrorMessage}`);

function make() {
  const chart = new Chart({ name: "Input rate", format: rate, onAxis: shortRate, onPick: openBatch });
  const [title, about, errors] = [h("h3"), h("p", { class: "about" }), h("div")];
  const rates = row(chart, h("h4", {}, "Input rate"));
  const element = h("article", { class: "card source" }, h("header", {}, title, about), errors, rates);
  return Object.assign(element, { parts: { chart, title, about, errors, rates } });
}

function update(element, { uid, kind, receiver }) {
  const { chart, title, about, errors, rates } = element.parts;
  chart.name = `Input rate of ${uid}`;
  const state = receiver ? pill(receiver.state.toLowerCase(), KINDS[receiver.state]) : pill("read by each batch");
  put(title, uid, " ", state);
  const told = receiver
    ? [receiver.location, counted(receiver.records, "record"),
      receiver.restarts ? counted(receiver.restarts, "restart") : undefined,
      receiver.rateLimit === undefined ? undefined : `held to ${rate(receiver.rateLimit)}`]
    : [kind];
  say(about, told.filter(Boolean).join(" · "));
  put(errors, (receiver && lastError(receiver)) ?? "");
  element.classList.toggle("failing", Boolean(receiver && isFailing(receiver)));
  // Of a receiver without a block nothing was received; of a direct source without a figure nothing is known.
  const of = (batch) => perSecond(batch.streamRecords[uid] ?? (receiver ? 0 : undefined));
  const points = completed().map((batch) => ({ time: batch.batchTime, value: of(batch) }));
  rates.hidden = points.every((point) => !point.value);
  if (!rates.hidden) chart.show(points, interval());
}

export function show() {
  const receivers = new Map(model.receivers.map((receiver) => [receiver.streamName, receiver]));
  const inputs = (model.graph?.operators ?? []).filter((operator) => operator.isInput);
  const sources = inputs.map(({ uid, kind }) => ({ uid, kind, receiver: receivers.get(uid) }));
  keyed(at("sources"), sources, (source) => source.uid, make, update);
  const active = model.receivers.filter((receiver) => receiver.isActive).length;
  say(at("sources-count"), model.receivers.length ? `${count(active)} of ${counted(model.receivers.length, "receiver")} active` : "");
}
