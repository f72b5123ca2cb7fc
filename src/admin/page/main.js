// The streaming page: what is known is in the model, each module shows a part of it.

import * as batch from "./batch.js";
import * as batches from "./batches.js";
import * as checkpoint from "./checkpoint.js";
import { at } from "./dom.js";
import * as graph from "./graph.js";
import * as header from "./header.js";
import * as live from "./live.js";
import { changed, model, onChange } from "./model.js";
import * as sources from "./sources.js";
import * as steer from "./steer.js";
import * as theme from "./theme.js";
import * as timelines from "./timelines.js";
import * as wal from "./wal.js";

/** The batch that the address asks for; nothing for the overview. */
function batchTime() {
  const found = /^#\/batch\/(\d+)$/.exec(location.hash);
  return found ? Number(found[1]) : undefined;
}

function show() {
  header.show();
  steer.show();
  if (!model.application) return;
  const time = batchTime();
  at("overview").hidden = time !== undefined;
  at("batch").hidden = time === undefined;
  if (time !== undefined) batch.show(time);
  else for (const part of [timelines, sources, batches, checkpoint, wal, graph]) part.show();
}

onChange(show);
addEventListener("hashchange", () => {
  scrollTo(0, 0);
  at("main").focus({ preventScroll: true });
  show();
});
// Ages grow when nothing happens.
setInterval(changed, 1000);
theme.start();
steer.start();
live.start();
