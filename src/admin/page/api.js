// Asks the API, with the token where one is needed.

import { ask as askForToken, authorization } from "./token.js";

/** An answer that isn't what was asked for. */
export class Refused extends Error {
  constructor(status, detail, { reasons = [], warnings = [] } = {}) {
    super(detail);
    Object.assign(this, { status, reasons, warnings });
  }
}

const LIMIT = 10_000;
const POST_LIMIT = 70_000;

/** An answer to a request that may be made; asks the reader for the token when the address does. */
export async function open(path, options = {}) {
  for (;;) {
    const shown = authorization();
    const answer = await fetch(path, { ...options, cache: "no-store", headers: shown });
    if (answer.status !== 401) return answer;
    // Another request may have asked in the meantime.
    if (shown.Authorization === authorization().Authorization) await askForToken();
  }
}

/** What the API says at `path`. */
export const get = (path) => ask(path, { signal: AbortSignal.timeout(LIMIT) });

/** What it says when something is to be done, which may take a minute. */
export const post = (path) => ask(path, { method: "POST", signal: AbortSignal.timeout(POST_LIMIT) });

async function ask(path, options) {
  const answer = await open(path, options);
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  throw new Refused(answer.status, body.detail ?? answer.statusText, body);
}

/** As `get`; nothing while the pipeline isn't there to tell. */
export async function getIfActive(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof Refused && error.status >= 404) return undefined;
    throw error;
  }
}
