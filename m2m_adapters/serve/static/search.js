// Ask the server while someone types: one request at a time, and only the latest answer counts.

import { ask } from "./api.js";
import { request, where } from "./query.js";
import { state } from "./state.js";

const PAUSE = 140; // milliseconds after the last key
const SLOW = 250; // after which the page shows that it waits

let turn = 0;
let timer = 0;
let under = null; // the AbortController of the request that is under way
let handlers = {};

/** handlers: answered(answers, query), nothing(), refused(refusal), busy(on). */
export const setUp = (given) => (handlers = given);

export function soon() {
  clearTimeout(timer);
  timer = setTimeout(now, PAUSE);
}

export async function now() {
  clearTimeout(timer);
  const mine = ++turn;
  under?.abort();
  const query = request(state);
  if (query === null) {
    handlers.busy(false);
    handlers.nothing();
    return;
  }
  under = new AbortController();
  const { signal } = under;
  const waiting = setTimeout(() => mine === turn && handlers.busy(true), SLOW);
  const sides = [state.adapter, ...(state.versus ? [state.versus] : [])];
  const outcomes = await Promise.allSettled(sides.map((side) => ask("search", body(query, side), signal)));
  clearTimeout(waiting);
  if (mine !== turn) return; // something newer is under way
  handlers.busy(false);
  const failed = outcomes.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
  const again = failed.find(({ wait }) => wait);
  if (again) timer = setTimeout(() => mine === turn && now(), 1000 * again.wait);
  if (failed.length === outcomes.length || again) return handlers.refused(failed[0]);
  handlers.answered(outcomes.map(({ value, reason }) => value ?? { hits: [], refused: reason.message }));
}

function body(query, side) {
  return {
    query,
    index: state.index,
    adapter: side === "own" ? null : side,
    k: state.k,
    where: where(state.filters) ?? "",
    language: state.language,
  };
}
