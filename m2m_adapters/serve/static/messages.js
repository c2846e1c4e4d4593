// What the page says: a summary for the eye, a delayed line for screen readers, and troubles.

import { $, el } from "./dom.js";

let telling = 0;

export function summarize(words) {
  $("summary").textContent = words;
  $("summary").hidden = !words;
  clearTimeout(telling);
  telling = setTimeout(() => ($("live").textContent = words), 600); // once typing has paused
}

/** A trouble in plain words. actions: [text, what to do] pairs as buttons. */
export function notice(words, ...actions) {
  const buttons = actions.map(([text, onclick]) => el("button", { type: "button", className: "pill", textContent: text, onclick }));
  $("notice").replaceChildren(el("p", { textContent: words, dir: "auto" }), ...buttons);
  $("notice").hidden = false;
}

export function askForKey(words, given) {
  const field = el("input", { type: "password", ariaLabel: "Key of this server", autocomplete: "current-password" });
  const form = el("form", { className: "row" }, field, el("button", { className: "pill", textContent: "Use this key" }));
  form.addEventListener("submit", (event) => (event.preventDefault(), given(field.value)));
  $("notice").replaceChildren(el("p", { textContent: words }), form);
  $("notice").hidden = false;
}

export function quiet() {
  $("notice").hidden = true;
  $("notice").replaceChildren();
}
