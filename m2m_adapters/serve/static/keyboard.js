// Everything by keys: / box, arrows results, Enter open, + - m on a result, Escape back.

import { $ } from "./dom.js";
import { firstCard, focusCard, neighbor } from "./results.js";

const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
const ACTS = { "+": "add", "-": "subtract", m: "like" };

/** act(what, hit, card); enter() searches at once; clear() empties the query. */
export function setUp({ act, enter, clear }) {
  addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const card = event.target.closest?.(".hit");
    const writing = event.target.matches?.("input, select, textarea");
    const used = card ? onCard(event, card, act) : event.target === $("query") ? inBox(event, enter, clear) : false;
    if (used || (!writing && anywhere(event))) event.preventDefault();
  });
}

function anywhere({ key }) {
  if (key === "/") $("query").select();
  else if (key === "?") $("help").showModal();
  else return false;
  if (key === "/") $("query").focus();
  return true;
}

function inBox({ key }, enter, clear) {
  if (key === "ArrowDown" && firstCard()) focusCard(firstCard());
  else if (key === "Enter") enter();
  else if (key === "Escape") clear();
  else return false;
  return true;
}

function onCard(event, card, act) {
  const { key } = event;
  if (ARROWS.includes(key)) {
    const next = neighbor(card, key);
    if (next) focusCard(next);
    else if (key === "ArrowUp") $("query").focus();
    return true;
  }
  if (key === "Escape") {
    $("query").focus();
    return true;
  }
  if (!(key in ACTS)) return false;
  act(ACTS[key], card.hit, card);
  return true;
}
