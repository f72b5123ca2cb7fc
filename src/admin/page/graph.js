// The program's graph: operators from sources to sinks, with rates, states and what outputs guarantee.

import { Graph, layout } from "./vendor/dagre.esm.js";
import { at, h, svg } from "./dom.js";
import { bytes, count, counted, length, rate } from "./format.js";
import { completed, model } from "./model.js";
import { perSecond } from "./timelines.js";

const [WIDTH, LINE, PADDING] = [190, 17, 11];
const GUARANTEES = {
  transactional: "exactly once, by a transaction", idempotent: "exactly once, by its name", "at-least-once": "at least once",
};
let drawn;

const measure = document.createElement("canvas").getContext("2d");

/** Cuts what doesn't fit into a box: the end of a uid tells more than its beginning. */
function short(text, font) {
  measure.font = font;
  const room = WIDTH - 2 * PADDING;
  if (measure.measureText(text).width <= room) return text;
  let rest = text;
  while (rest && measure.measureText(`…${rest}`).width > room) rest = rest.slice(1);
  return `…${rest}`;
}

/** What an operator yielded, where that is known: a receiver without a block in a batch gave nothing. */
function rateOf({ uid, isInput, records, slide }) {
  if (!isInput) return records === undefined ? undefined : rate((records * 1000) / slide);
  const last = completed().at(-1);
  const isReceiver = model.receivers.some((receiver) => receiver.streamName === uid);
  const taken = last?.streamRecords[uid] ?? (last && isReceiver ? 0 : records);
  return taken === undefined ? undefined : rate(perSecond(taken));
}

/** What each box says, below its name. */
function boxes() {
  const operators = model.graph.operators.map((operator) => ({
    id: `o:${operator.uid}`, uid: operator.uid, kind: operator.isInput ? "input" : operator.state ? "state" : "operator",
    parents: operator.parents.map((parent) => `o:${parent}`),
    lines: [
      operator.kind,
      rateOf(operator),
      operator.state ? `${counted(operator.state.keys, "key")}, ${bytes(operator.state.bytes)}` : undefined,
      operator.looksBack ? `window of ${length(operator.looksBack)}` : undefined,
    ],
  }));
  const outputs = model.graph.outputs.map((output) => ({
    id: `s:${output.uid}`, uid: output.uid, kind: "output", parents: [`o:${output.parent}`],
    lines: [output.kind, GUARANTEES[output.guarantee] ?? output.guarantee],
  }));
  const all = [...operators, ...outputs];
  return all.map((box) => ({ ...box, lines: box.lines.filter(Boolean) }));
}

function laidOut(all, direction) {
  const graph = new Graph();
  graph.setGraph({ rankdir: direction, nodesep: 20, ranksep: 40, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const box of all) {
    graph.setNode(box.id, { width: WIDTH, height: 2 * PADDING + LINE * (1 + box.lines.length) - 3 });
  }
  for (const box of all) box.parents.forEach((parent) => graph.hasNode(parent) && graph.setEdge(parent, box.id));
  layout(graph);
  return graph;
}

function drawBox(box, { x, y, width, height }) {
  const left = x - width / 2;
  const text = (line, n) => svg("text", { x: left + PADDING, y: y - height / 2 + PADDING + 11 + n * LINE,
    class: n === 0 ? "name" : "line" }, short(line, n === 0 ? "600 13px system-ui, sans-serif" : "12px system-ui, sans-serif"));
  return svg("g", { class: `box ${box.kind}` }, svg("title", {}, box.uid),
    svg("rect", { x: left, y: y - height / 2, width, height, rx: 7 }), [box.uid, ...box.lines].map(text));
}

function draw(all, direction) {
  const graph = laidOut(all, direction);
  const { width, height } = graph.graph();
  const path = (edge) => graph.edge(edge).points.map(({ x, y }, n) => `${n ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
  const told = all.map((box) => `${box.uid}: ${box.lines.join(", ")}${box.parents.length ? `; from ${box.parents.map((p) => p.slice(2)).join(", ")}` : ""}`);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Graph" },
    svg("svg", { width: Math.ceil(width), class: direction.toLowerCase(), viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`, "aria-hidden": "true" },
      svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
        svg("path", { d: "M0,0L8,4L0,8z", class: "arrow" }))),
      graph.edges().map((edge) => svg("path", { d: path(edge), class: "edge", "marker-end": "url(#arrow)" })),
      all.map((box) => drawBox(box, graph.node(box.id)))),
    h("ul", { class: "unseen" }, told.map((text) => h("li", {}, text))));
}

/** Totals that the program counts. */
const accumulators = () => (model.graph.accumulators ?? []).map(({ name, value }) =>
  h("p", { class: "about" }, `${name}: ${typeof value === "number" ? count(value) : JSON.stringify(value)}`));

export function show() {
  if (!model.graph) return;
  const all = boxes();
  const direction = matchMedia("(max-width: 700px)").matches ? "TB" : "LR";
  const key = JSON.stringify([all, direction, model.graph.accumulators]);
  if (key === drawn) return;
  drawn = key;
  at("graph").replaceChildren(draw(all, direction), ...accumulators());
}
