// One result as an element of the list.

import { address } from "./api.js";
import { el, iconButton } from "./dom.js";
import { clock, nameOf, Wave } from "./sound.js";

const SMALL = 96; // pictures up to so many pixels are drawn with their pixels

export const KINDS = { image: "Pictures", audio: "Sounds", video: "Videos", text: "Texts" };
export const keyOf = (hit) => `${hit.index}/${hit.id}`;
export const isSound = (hit) => hit.modality === "audio";
const isPicture = (hit) => hit.modality === "image";

/** act(what, hit, element): open, add, subtract, like. */
export function element(hit, act) {
  const card = el("li", { className: `hit ${isPicture(hit) ? "picture" : isSound(hit) ? "sound" : "other"}` });
  card.hit = hit;
  card.dataset.key = keyOf(hit);
  const open = () => act("open", card.hit, card);
  if (isPicture(hit)) card.append(picture(hit, open));
  else if (isSound(hit)) card.append(...sound(hit, card, open));
  else card.append(el("button", { type: "button", className: "main open name", dir: "auto",
    textContent: nameOf(hit), onclick: open }));
  card.append(
    el("span", { className: "acts" },
      iconButton("plus", `Add ${nameOf(hit)} to the query`, () => act("add", card.hit, card), "act"),
      iconButton("minus", `Take ${nameOf(hit)} away from the query`, () => act("subtract", card.hit, card), "act"),
      iconButton("like", `More like ${nameOf(hit)}`, () => act("like", card.hit, card), "act")),
  );
  update(card, hit);
  reachable(card, false);
  return card;
}

function picture(hit, open) {
  const [width, height] = [hit.width || 4, hit.height || 3];
  const ratio = Math.min(3, Math.max(0.5, width / height));
  const image = el("img", { src: address(hit.thumbnail), alt: "", loading: "lazy", decoding: "async",
    width, height, draggable: false });
  if (Math.max(width, height) <= SMALL) image.classList.add("pixels");
  const button = el("button", { type: "button", className: "main open", onclick: open }, image);
  button.style.setProperty("--ratio", ratio.toFixed(3));
  return button;
}

function sound(hit, card, open) {
  card.wave = new Wave(hit);
  const from = hit.second ? `at ${clock(hit.second)} of ` : "";
  const length = hit.seconds ? clock(Math.max(1, hit.seconds)) : "";
  return [
    card.wave.button,
    card.wave.picture,
    el("button", { type: "button", className: "open name", dir: "auto", textContent: nameOf(hit), onclick: open }),
    el("span", { className: "length", textContent: from + length }),
  ];
}

/** What changes when the same item is found again. */
export function update(card, hit) {
  card.hit = hit;
  if (isPicture(hit)) {
    card.querySelector(".main").ariaLabel = `${nameOf(hit)}, score ${hit.score.toFixed(2)}`;
    card.querySelector(".main").title = nameOf(hit);
  }
}

/** Only one result of a list can be reached by Tab; arrows go to the others. */
export function reachable(card, on) {
  for (const button of card.querySelectorAll("button")) button.tabIndex = on ? 0 : -1;
}
