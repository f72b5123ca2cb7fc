// A figure over time with its histogram beside it, by uPlot.

import uPlot from "./vendor/uPlot.esm.js";
import { h, say } from "./dom.js";
import { clock } from "./format.js";
import { colour, version } from "./theme.js";

const BINS = 12;
const HEIGHT = 132;
const FONT = "11px system-ui, sans-serif";
/** The width of a digit in it, in pixels, at the most. */
const DIGIT = 8;

/** A round number at or above `n`, for the end of a scale. */
function roundUp(n) {
  if (!(n > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(n));
  return unit * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * unit >= n);
}

/** Points for uPlot: nothing is drawn where batches are missing. */
function withGaps(points, step) {
  const [times, values] = [[], []];
  let before;
  for (const { time, value } of points) {
    if (before !== undefined && time - before > 2.5 * step) {
      times.push((before + step) / 1000);
      values.push(null);
    }
    times.push(time / 1000);
    values.push(value ?? null);
    before = time;
  }
  return [times, values];
}

/** The width of the label of a count, and of smaller ones. */
const widest = (count) => String(count ?? 0).length * DIGIT;

function binned(values, top) {
  const bins = new Array(BINS).fill(0);
  for (const value of values) bins[Math.min(BINS - 1, Math.floor((value / top) * BINS))] += 1;
  return [bins.map((_, n) => ((n + 0.5) * top) / BINS), bins];
}

/** Draws a dashed line at `value`, where one is asked for. */
const marked = (mark) => (plot) => {
  const value = mark();
  if (value === undefined || value > plot.scales.y.max) return;
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(value, "y", true));
  ctx.save();
  ctx.strokeStyle = colour("mark");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
};

/**
 * A chart. `name` is what it shows, `format` makes a value readable, `onAxis` a shorter form of it, `mark` is a value to be marked, with its
 * name; `onPick` is told the time that was clicked.
 */
export class Chart {
  constructor({ name, format, onAxis = format, mark, onPick }) {
    Object.assign(this, { name, format, onAxis, mark, onPick, top: 1, points: [], painted: -1 });
    this.value = h("strong", { class: "figure" }, "–");
    this.note = h("span", { class: "note" });
    this.timeline = h("div", { class: "timeline" });
    this.histogram = h("div", { class: "histogram" });
    this.plots = h("div", { class: "plots", role: "img", "aria-label": name }, this.timeline, this.histogram);
    new ResizeObserver(() => this.resize()).observe(this.plots);
  }

  /** Shows points, oldest first, which are `step` milliseconds apart. */
  show(points, step) {
    this.points = points.filter((point) => point.value !== undefined && point.value !== null);
    this.step = step;
    const values = this.points.map((point) => point.value);
    const highest = Math.max(0, ...values);
    this.top = roundUp(Math.max(highest, this.mark?.value() * 1.1 || 0));
    this.describe(values, highest);
    if (this.painted !== version) this.paint();
    this.line.batch(() => {
      this.line.setData(withGaps(points, step), false);
      const [first, last] = [points[0]?.time ?? 0, points.at(-1)?.time ?? step];
      this.line.setScale("x", { min: Math.min(first, last - 20 * step) / 1000, max: last / 1000 });
      this.line.setScale("y", { min: 0, max: this.top });
    });
    this.bars.batch(() => {
      this.bars.setData(binned(values, this.top), false);
      this.bars.setScale("x", { min: 0, max: this.top });
      this.bars.setScale("y", { min: 0, max: Math.max(1, ...this.bars.data[1]) });
    });
  }

  describe(values, highest) {
    const last = values.at(-1);
    if (!this.isPointedAt) this.tell(last);
    const average = values.reduce((sum, value) => sum + value, 0) / values.length;
    this.average = values.length ? `average ${this.format(average)}` : "no batch yet";
    const words = values.length
      ? `last ${this.format(last)}, lowest ${this.format(Math.min(...values))}, highest ` +
        `${this.format(highest)}, ${this.average}, over ${values.length} batches`
      : "no batch yet";
    const mark = this.mark ? `; ${this.mark.name} ${this.format(this.mark.value())}` : "";
    this.plots.setAttribute("aria-label", `${this.name}: ${words}${mark}`);
    if (!this.isPointedAt) say(this.note, this.average);
  }

  tell(value) {
    say(this.value, value === undefined ? "–" : this.format(value));
  }

  /** Shows the value below the pointer instead of the last. */
  point(plot) {
    const index = plot.cursor.idx;
    const value = index === null || index === undefined ? undefined : plot.data[1][index];
    this.isPointedAt = value !== undefined && value !== null;
    if (this.isPointedAt) {
      this.pointed = Math.round(plot.data[0][index] * 1000);
      this.tell(value);
      say(this.note, `at ${clock(this.pointed)}`);
    } else {
      this.tell(this.points.at(-1)?.value);
      say(this.note, this.average ?? "");
    }
  }

  /** Makes the plots, in the colours of the theme. */
  paint() {
    this.painted = version;
    this.line?.destroy();
    this.bars?.destroy();
    const [text, grid, line, fill] = ["muted", "grid", "line", "fill"].map(colour);
    const axis = { stroke: text, font: FONT, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    const values = (_, splits) => splits.map((split) => this.onAxis(split));
    this.line = new uPlot({
      ...this.sizes().line,
      legend: { show: false },
      // A time below the very end stands half beside it.
      padding: [8, 28, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "time" }, points: { size: 6, fill: line } },
      scales: { x: { time: true, auto: false }, y: { auto: false } },
      axes: [
        { ...axis, grid: { show: false }, space: 90, size: 26,
          values: (_, splits) => splits.map((split) => clock(Math.floor(split) * 1000).slice(-8)) },
        { ...axis, values, size: 64, space: 34 },
      ],
      series: [{}, { stroke: line, fill, width: 1.5, points: { show: this.points.length < 3, size: 4, fill: line } }],
      hooks: {
        draw: this.mark ? [marked(() => this.mark.value())] : [],
        setCursor: [(plot) => this.point(plot)],
        ready: [(plot) => plot.over.addEventListener("click", () => this.isPointedAt && this.onPick?.(this.pointed))],
      },
    }, [[], []], this.timeline);
    this.bars = new uPlot({
      ...this.sizes().bars,
      legend: { show: false },
      // The last label of the scale, in the middle below its end, needs room beside it.
      padding: [8, (plot) => 4 + Math.ceil(widest(plot.scales.y.max) / 2), 0, 0],
      cursor: { show: false },
      scales: { x: { time: false, auto: false, ori: 1, dir: 1 }, y: { auto: false, ori: 0, dir: 1 } },
      axes: [
        { ...axis, side: 3, values: (_, splits) => splits.map(() => ""), size: 6, space: 34 },
        { ...axis, side: 2, grid: { show: false }, size: 26,
          space: (_plot, _axis, _min, max) => 12 + widest(max),
          values: (_, splits) => splits.map((split) => (Number.isInteger(split) ? String(split) : "")) },
      ],
      series: [{}, { stroke: line, fill: line, width: 0, points: { show: false },
        paths: uPlot.paths.bars({ size: [0.8, 40] }) }],
    }, [[], []], this.histogram);
  }

  sizes() {
    const width = (element) => Math.max(60, Math.floor(element.clientWidth));
    return { line: { width: width(this.timeline), height: HEIGHT }, bars: { width: width(this.histogram), height: HEIGHT } };
  }

  resize() {
    if (!this.line || !this.plots.isConnected) return;
    const sizes = this.sizes();
    if (this.line.width !== sizes.line.width) this.line.setSize(sizes.line);
    if (this.bars.width !== sizes.bars.width) this.bars.setSize(sizes.bars);
  }
}
