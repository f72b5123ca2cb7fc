// Input rate, scheduling delay, processing time and total delay of the batches of late.

import { Chart } from "./charts.js";
import { at, h } from "./dom.js";
import { length, rate, shortRate } from "./format.js";
import { completed, interval } from "./model.js";

/** Opens a batch's page. */
export const openBatch = (time) => {
  location.hash = `#/batch/${time}`;
};

/** Records a second, from the records of one batch. */
export const perSecond = (records) => (records === undefined ? undefined : (records * 1000) / interval());

const limit = { name: "batch interval", value: interval };

const FIGURES = [
  { name: "Input rate", format: rate, onAxis: shortRate, of: (batch) => perSecond(batch.inputSize) },
  { name: "Scheduling delay", format: length, of: (batch) => batch.schedulingDelay },
  { name: "Processing time", format: length, of: (batch) => batch.processingTime, mark: limit },
  { name: "Total delay", format: length, of: (batch) => batch.totalDelay, mark: limit },
];

let charts;

/** A chart's name and figure, with its plots beside them. */
export const row = (chart, title, ...more) => h("div", { class: "row" },
  h("div", { class: "label" }, title, chart.value, chart.note, more), chart.plots);

function make() {
  const heads = h("div", { class: "row heads", "aria-hidden": "true" },
    h("div", { class: "label" }),
    h("div", { class: "plots" }, h("div", { class: "timeline" }, "over time"), h("div", { class: "histogram" }, "batches")));
  const rows = FIGURES.map((figure) => {
    const chart = new Chart({ ...figure, onPick: openBatch });
    charts.push({ chart, figure });
    const key = figure.mark && h("span", { class: "key" }, "- - batch interval");
    return row(chart, h("h3", {}, figure.name), key);
  });
  at("timelines").append(heads, ...rows);
}

export function show() {
  if (!charts) {
    charts = [];
    make();
  }
  const batches = completed();
  for (const { chart, figure } of charts) {
    chart.show(batches.map((batch) => ({ time: batch.batchTime, value: figure.of(batch) })), interval());
  }
}
