// One result, large, with what is known of it.

import { address } from "./api.js";
import { $, el, iconButton, svg, icon } from "./dom.js";
import { isSound } from "./hit.js";
import { focusCard, neighbor } from "./results.js";
import { clock, nameOf, silence } from "./sound.js";

let current = null;
let act = () => {};

export function setUp(action) {
  act = action;
  const viewer = $("viewer");
  viewer.addEventListener("close", () => {
    $("shown").replaceChildren();
    if (current?.isConnected) focusCard(current);
    current = null;
  });
  viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
  viewer.addEventListener("keydown", (event) => {
    if (event.target.closest("audio") || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const next = neighbor(current, event.key);
    if (next) fillWith(next);
    event.preventDefault();
  });
}

export function open(card) {
  silence();
  fillWith(card);
  if (!$("viewer").open) $("viewer").showModal();
}

function fillWith(card) {
  current = card;
  const { hit } = card;
  $("viewer").ariaLabel = nameOf(hit);
  $("shown").replaceChildren(shown(hit));
  const done = (what) => () => {
    const chosen = current;
    $("viewer").close();
    act(what, chosen.hit, chosen);
  };
  $("about").replaceChildren(
    el("h2", { textContent: nameOf(hit), dir: "auto" }),
    facts(hit),
    el("div", { className: "row" },
      button("like", "More like this", done("like")),
      button("plus", "Add", done("add")),
      button("minus", "Take away", done("subtract")),
      el("a", { className: "pill", href: address(hit.url), target: "_blank", rel: "noopener", textContent: "Open the file" })),
    iconButton("close", "Close", () => $("viewer").close(), "quiet closer"),
  );
}

function button(name, text, onclick) {
  return el("button", { type: "button", className: "pill", onclick }, icon(name), el("span", { textContent: text }));
}

function shown(hit) {
  if (isSound(hit)) {
    const audio = el("audio", { controls: true, src: address(hit.url), ariaLabel: nameOf(hit) });
    audio.addEventListener("loadedmetadata", () => (audio.currentTime = hit.second ?? 0), { once: true });
    return audio;
  }
  if (hit.modality !== "image") return svg("svg", { class: "nothing" });
  const image = el("img", { src: address(hit.url), alt: nameOf(hit), width: hit.width ?? 0, height: hit.height ?? 0 });
  // A kind of file the browser does not draw, or one that is gone: its thumbnail is there.
  image.addEventListener("error", () => (image.src = address(hit.thumbnail)), { once: true });
  if (Math.max(hit.width ?? 0, hit.height ?? 0) <= 96) image.classList.add("pixels");
  return image;
}

function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  const [size, unit] = count < 1e6 ? [count / 1e3, "kB"] : [count / 1e6, "MB"];
  return `${size.toFixed(size < 10 ? 1 : 0)} ${unit}`;
}

function facts(hit) {
  const date = hit.date ? new Date(hit.date) : null;
  const known = [
    ["Folder", hit.path.slice(0, -nameOf(hit).length).replace(/[\\/]$/, "")],
    ["Date", date && !Number.isNaN(date.valueOf()) ? date.toLocaleDateString(undefined, { dateStyle: "long" }) : ""],
    ["Size", [hit.width && hit.height ? `${hit.width} × ${hit.height}` : "", hit.bytes ? bytes(hit.bytes) : ""].filter(Boolean).join(", ")],
    ["Length", hit.seconds ? clock(hit.seconds) : ""],
    ["Found at", hit.second ? clock(hit.second) : ""],
    ["Score", hit.score.toFixed(3)],
    ["Index", hit.index],
  ];
  const list = el("dl");
  for (const [name, value] of known) {
    if (value) list.append(el("dt", { textContent: name }), el("dd", { textContent: value, dir: "auto" }));
  }
  return list;
}
