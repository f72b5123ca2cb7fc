// What changes something: a checkpoint is cut, the pipeline is stopped. The reader is asked before either.

import { post } from "./api.js";
import { at, say } from "./dom.js";
import { model } from "./model.js";

const ACTIONS = {
  cut: {
    title: () => "Cut a checkpoint?",
    why: "It is cut at the next boundary between batches, and a restart goes on from it.",
    yes: "Cut it",
    path: "api/v1/checkpoint",
    under: "A checkpoint is being cut …",
    done: ({ id }) => `Checkpoint no. ${id} is durable.`,
  },
  stop: {
    title: () => `Stop ${model.application?.name ?? "the pipeline"}?`,
    why: "It takes nothing more in, processes what it has, writes a checkpoint and ends. Nothing is lost. " +
      "It can't be started from this page.",
    yes: "Stop it",
    path: "api/v1/stop?graceful=true",
    under: "It is asked to stop …",
    done: () => "It stops.",
  },
};

/** Answers the question that is open with no. */
let decline = () => {};

/** Whether the reader wants it. */
function wanted(action) {
  decline();
  const dialog = at("ask");
  say(at("ask-title"), action.title());
  say(at("ask-why"), action.why);
  say(at("ask-yes"), action.yes);
  dialog.returnValue = "";
  dialog.showModal();
  at("ask-no").focus();
  return new Promise((answered) => {
    decline = () => answered(false);
    const closed = () => {
      // It is told a little later, when the next question may be open already.
      if (dialog.open) return;
      dialog.removeEventListener("close", closed);
      answered(dialog.returnValue === "yes");
    };
    dialog.addEventListener("close", closed);
  });
}

function tell(text, isError = false) {
  const line = at("steered");
  line.hidden = false;
  line.classList.toggle("error", isError);
  say(line, text);
}

async function act(action) {
  if (!await wanted(action)) return;
  tell(action.under);
  try {
    tell(action.done(await post(action.path)));
  } catch (error) {
    tell(`It wasn't done: ${error.message}`, true);
  }
}

export function start() {
  for (const [id, action] of Object.entries(ACTIONS)) at(id).addEventListener("click", () => act(action));
}

/** There is nothing to steer while it isn't running. */
export function show() {
  for (const id of Object.keys(ACTIONS)) at(id).disabled = model.state !== "ACTIVE" || model.connection?.mode === "lost";
}
