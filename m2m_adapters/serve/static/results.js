// Results: a column for each adapter, in it a list for each kind; moving with the arrow keys.

import { $, el, plural } from "./dom.js";
import { element, keyOf, KINDS, reachable, update } from "./hit.js";

let act = () => {};
export const onAct = (action) => (act = action);

/** Show one list for each answer: [{title, hits, note}]; elements of items that stay are kept. */
export function show(answers, more) {
  const columns = $("columns");
  columns.classList.toggle("two", answers.length > 1);
  while (columns.children.length > answers.length) columns.lastChild.remove();
  answers.forEach((answer, at) => {
    const column = columns.children[at] ?? columns.appendChild(newColumn());
    fillColumn(column, answer);
  });
  markShared(answers);
  $("more")?.remove();
  if (more) {
    columns.after(el("button", { id: "more", type: "button", className: "plain", textContent: "Show more", onclick: more }));
  }
}

function newColumn() {
  return el("section", { className: "column" }, el("h2"), el("p", { className: "note" }), el("div"));
}

const cardsOf = (column) => [...column.querySelectorAll(".hit")];

/** Hits by kind, the kind of the best one first: scores of different models cannot be compared. */
function byKind(hits) {
  const kinds = new Map();
  for (const hit of hits) kinds.set(hit.modality, [...(kinds.get(hit.modality) ?? []), hit]);
  return [...kinds];
}

function fillColumn(column, { title, hits, note }) {
  const [heading, words, lists] = column.children;
  heading.textContent = title;
  heading.hidden = !title;
  words.textContent = note ?? "";
  words.hidden = !note;
  const held = new Map(cardsOf(column).map((card) => [card.dataset.key, card]));
  const focused = column.contains(document.activeElement) ? document.activeElement.closest(".hit") : null;
  const card = (hit) => {
    const old = held.get(keyOf(hit));
    if (!old || old.hit.second !== hit.second) return element(hit, act);
    update(old, hit);
    return old;
  };
  const kinds = byKind(hits);
  lists.replaceChildren(...kinds.map(([kind, some]) => el("div", { className: "group" },
    kinds.length > 1 ? el("h3", { textContent: KINDS[kind] ?? kind }) : null,
    el("ul", { className: "hits", ariaLabel: [title, KINDS[kind] ?? kind].filter(Boolean).join(": ") }, ...some.map(card)))));
  const cards = cardsOf(column);
  const first = cards.includes(focused) ? focused : cards[0];
  for (const card of cards) reachable(card, card === first);
  if (focused && cards.includes(focused)) focused.querySelector(".main").focus({ preventScroll: true });
}

/** In a comparison, what both found is marked. */
function markShared(answers) {
  const keys = answers.map(({ hits }) => new Set(hits.map(keyOf)));
  for (const card of document.querySelectorAll(".hit")) {
    card.classList.toggle("shared", answers.length > 1 && keys.every((some) => some.has(card.dataset.key)));
  }
}

export function sharedNote(one, other) {
  const keys = new Set(one.map(keyOf));
  const both = other.filter((hit) => keys.has(keyOf(hit))).length;
  return `${plural(both, "result")} of ${Math.max(one.length, other.length)} found by both`;
}

export const empty = () => show([], null);

export function focusCard(card) {
  if (!card) return;
  for (const other of cardsOf(card.closest(".column"))) reachable(other, other === card);
  const main = card.querySelector(".main");
  main.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

export const firstCard = () => document.querySelector(".hit");

/** The card an arrow key leads to; null at the edges. */
export function neighbor(card, key) {
  const cards = cardsOf(card.closest(".column"));
  const at = cards.indexOf(card);
  if (key === "ArrowRight") return cards[at + 1] ?? null;
  if (key === "ArrowLeft") return cards[at - 1] ?? null;
  if (key === "Home") return cards[0];
  if (key === "End") return cards.at(-1);
  return inNextRow(card, cards, key === "ArrowDown" ? 1 : -1);
}

function inNextRow(card, cards, direction) {
  const here = card.getBoundingClientRect();
  const middle = (box) => box.left + box.width / 2;
  const beyond = cards
    .map((other) => ({ other, box: other.getBoundingClientRect() }))
    .filter(({ box }) => direction * (box.top - here.top) > 4);
  const row = direction * Math.min(...beyond.map(({ box }) => direction * box.top));
  const inRow = beyond.filter(({ box }) => Math.abs(box.top - row) < 4);
  const distance = ({ box }) => Math.abs(middle(box) - middle(here));
  inRow.sort((a, b) => distance(a) - distance(b));
  return inRow[0]?.other ?? null;
}
