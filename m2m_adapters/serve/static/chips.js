// The parts of a query: words, results, dropped pictures and sounds, each with a sign and a weight.

import { address } from "./api.js";
import { $, el, iconButton } from "./dom.js";
import { state } from "./state.js";

const WEIGHTS = [1, 1.5, 2, 3, 0.5];

/** Draw the chips; changed() is called when one is changed or removed. */
export function draw(changed) {
  const list = $("chips");
  list.hidden = state.terms.length === 0;
  list.replaceChildren(...state.terms.map((term) => chip(term, changed)));
}

function chip(term, changed) {
  const plus = term.weight > 0;
  const sign = iconButton(plus ? "plus" : "minus", `${plus ? "Added" : "Taken away"}: ${term.label}. Change the sign`,
    () => again(() => (term.weight = -term.weight), ".sign"), "sign");
  const size = Math.abs(term.weight);
  const weight = el("button", { type: "button", className: "weight", textContent: `×${size}`,
    ariaLabel: `Weight ${size} of ${term.label}. Change`, title: "Weight",
    onclick: () => again(() => (term.weight = Math.sign(term.weight) * nextWeight(size)), ".weight") });
  const remove = iconButton("close", `Remove ${term.label}`, () => {
    state.terms.splice(state.terms.indexOf(term), 1);
    changed();
    $("query").focus();
  }, "remove");
  const made = el("li", { className: `chip ${plus ? "added" : "taken"}` }, sign, face(term), weight, remove);
  const again = (change, selector) => {
    const at = state.terms.indexOf(term);
    change();
    changed();
    $("chips").children[at]?.querySelector(selector)?.focus();
  };
  return made;
}

const nextWeight = (size) => WEIGHTS[(WEIGHTS.indexOf(size) + 1) % WEIGHTS.length];

function face(term) {
  if (term.kind === "text") return el("span", { className: "words", dir: "auto", textContent: term.label });
  const source = term.kind === "image" ? term.value
    : term.kind === "item" && term.modality === "image" ? address(`items/${term.index}/${term.value}/thumbnail`) : null;
  if (!source) return el("span", { className: "words", textContent: term.label });
  return el("img", { src: source, alt: term.label, width: 32, height: 32 });
}

/** Add a part; the same one twice is one part with the new sign. */
export function add(term) {
  const same = (other) => other.kind === term.kind && other.value === term.value && other.index === term.index;
  const at = state.terms.findIndex(same);
  if (at >= 0) state.terms[at] = term;
  else state.terms.push(term);
}
