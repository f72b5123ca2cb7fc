// The head of the page: what it is, how it is, and what is wrong.

import { alarm as checkpointAlarm } from "./checkpoint.js";
import { at, h, keyed, say } from "./dom.js";
import { clock, count, counted, interval as asInterval, length, rate, utc } from "./format.js";
import { active, interval, model, uptime } from "./model.js";
import { isFailing } from "./sources.js";

const KINDS = { ACTIVE: "good", STARTING: "busy", STOPPING: "warn", STOPPED: "warn" };
const WORDS = {
  live: () => "● live",
  polling: () => "○ asking every 2 s: the stream of events is broken",
  lost: (since) => `disconnected since ${clock(since)}`,
};

function alarms() {
  const found = [];
  const add = (kind, key, text) => found.push({ kind, key, text });
  const { connection, reasons, state } = model;
  if (connection?.mode === "lost") {
    add("bad", "lost", `Disconnected since ${clock(connection.since)}: the pipeline doesn't answer, and what is shown is old.`);
    if (!model.application) return found;
  }
  const waiting = active().length;
  if (state === "STARTING") add("busy", "starting", "Starting: what the newest checkpoint and the logs hold is being read.");
  if (state === "STOPPING") add("warn", "stopping", `Stopping: ${counted(waiting, "batch is", "batches are")} left to process.`);
  if (state === "STOPPED") add("warn", "stopped", "Stopped: it takes nothing in and runs no batch.");
  if (state === "ACTIVE") {
    reasons.forEach((reason) => add("bad", `reason ${reason}`, `Not ready: ${reason}`));
    for (const receiver of model.receivers.filter(isFailing)) {
      add("bad", `receiver ${receiver.streamName}`,
        `The receiver of ${receiver.streamName} fails and is started again: ${receiver.lastErrorMessage ?? "no reason given"}`);
    }
    model.warnings.forEach((warning) => add("warn", `warning ${warning}`, `To look at: ${warning}`));
    if (waiting > 3) add("warn", "behind", `Behind: ${count(waiting)} batches of ${asInterval(interval())} wait to be processed.`);
    const stale = checkpointAlarm();
    if (stale) add("bad", "stale", stale);
  }
  return found;
}

function summary() {
  const { attempt, statistics } = model;
  if (!attempt || !statistics) return "";
  return [
    `batches of ${asInterval(statistics.batchDuration)}`,
    `running for ${length(Math.floor(uptime() / 1000) * 1000)}, since ${clock(Math.floor(attempt.startTime / 1000) * 1000)}`,
    `${counted(statistics.numTotalCompletedBatches, "batch", "batches")} completed`,
    counted(statistics.numProcessedRecords, "record"),
    statistics.avgInputRate === undefined ? undefined : `${rate(statistics.avgInputRate)} on average`,
  ].filter(Boolean).join(" · ");
}

export function show() {
  const name = model.application?.name ?? "tidemill";
  const found = alarms();
  document.title = `${found.some((alarm) => alarm.kind === "bad") ? "⚠ " : ""}${name} · tidemill`;
  say(at("name"), name);
  const state = at("state");
  state.hidden = !model.state;
  state.className = `pill ${model.reasons.length && model.state === "ACTIVE" ? "bad" : KINDS[model.state] ?? ""}`;
  const isNotReady = model.state === "ACTIVE" && model.reasons.length > 0;
  say(state, isNotReady ? "active, not ready" : (model.state ?? "").toLowerCase());
  say(at("summary"), summary());
  if (model.attempt) at("summary").title = `started ${utc(model.attempt.startTime)}`;
  const { connection } = model;
  say(at("connection"), connection ? WORDS[connection.mode](connection.since) : "connecting …");
  at("connection").className = `connection ${connection?.mode ?? ""}`;
  document.body.classList.toggle("old", connection?.mode === "lost");
  say(at("version"), model.attempt ? `tidemill ${model.attempt.version}` : "");
  keyed(at("alarms"), found, (alarm) => alarm.key, ({ kind }) => h("p", { class: `alarm ${kind}` }),
    (element, { text }) => say(element, text));
}
