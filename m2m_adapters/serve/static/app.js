// The page of `m2m serve`: puts its parts together. State lives in state.js and in the address.

import { ask, keepKey } from "./api.js";
import * as chips from "./chips.js";
import * as controls from "./controls.js";
import { $, el, plural } from "./dom.js";
import * as drop from "./drop.js";
import * as keyboard from "./keyboard.js";
import { askForKey, notice, quiet, summarize } from "./messages.js";
import * as microphone from "./microphone.js";
import { parts } from "./query.js";
import * as results from "./results.js";
import * as search from "./search.js";
import { nameOf, silence } from "./sound.js";
import { FIRST, load, save, state, unshared } from "./state.js";
import * as viewer from "./viewer.js";

const MOST = 210; // results of one query

/** Something was chosen: draw it, keep it in the address, search. */
function changed({ lasting = true } = {}) {
  state.k = FIRST;
  draw();
  save(lasting);
  search.now();
}

function draw() {
  if ($("query").value !== state.text) $("query").value = state.text;
  chips.draw(changed);
  controls.draw();
  const words = Boolean(state.text.trim());
  $("plus").disabled = $("minus").disabled = !words;
  $("clear").hidden = !words && state.terms.length === 0;
  $("query").placeholder = state.terms.length ? "and more words" : "Search in any language";
}

function clear() {
  Object.assign(state, { text: "", terms: [], language: null });
  changed();
  $("query").focus();
}

/** The words in the box become parts of the query. */
function keepWords(sign) {
  const words = parts(state.text) ?? [{ text: state.text.trim(), weight: 1 }];
  for (const { text, weight } of words) {
    chips.add({ kind: "text", value: text, label: text, weight: sign * weight });
  }
  state.text = "";
  changed();
  $("query").focus();
}

function ofHit(hit, weight) {
  return { kind: "item", value: hit.id, index: hit.index, modality: hit.modality, label: nameOf(hit), weight };
}

/** What can be done with a result. */
function act(what, hit, card) {
  if (what === "open") return viewer.open(card);
  if (what === "like") Object.assign(state, { text: "", terms: [ofHit(hit, 1)] });
  else chips.add(ofHit(hit, what === "add" ? 1 : -1));
  changed();
  if (what === "like") scrollTo({ top: 0 });
}

function answered(answers) {
  quiet();
  $("welcome").hidden = true;
  const [first] = answers;
  const compared = answers.length > 1;
  const columns = answers.map((answer, at) => ({
    hits: answer.hits,
    title: compared ? controls.titleOf(at === 0 ? state.adapter : state.versus) : "",
    note: answer.refused ?? (compared && !answer.hits.length ? "Nothing." : ""),
  }));
  const most = Math.max(...answers.map(({ hits }) => hits.length));
  results.show(columns, most === state.k && most < MOST ? more : null);
  controls.showLanguage(first.language);
  if (most === 0 && !answers.some(({ refused }) => refused)) return nothingFound();
  const spent = Math.round(Math.max(...answers.map(({ milliseconds }) => milliseconds ?? 0)));
  const counted = compared ? results.sharedNote(first.hits, answers[1].hits) : plural(first.hits.length, "result");
  const read = first.language && !compared ? `, read as ${first.language.name || controls.languageName(first.language.tag)}` : "";
  summarize(`${counted}${read}, ${plural(spent, "millisecond")}`);
}

function nothingFound() {
  summarize("");
  const filtered = !$("no-filters").hidden;
  const words = filtered ? "Nothing passes these filters." : "Nothing was found: the index holds no items of that kind.";
  notice(words, ...(filtered ? [["Clear the filters", () => (controls.clearFilters(), changed())]] : []));
}

function more() {
  state.k = Math.min(state.k + 60, MOST);
  search.now();
}

function nothing() {
  quiet();
  results.empty();
  summarize("");
  controls.showLanguage(null);
  const onlyAway = state.terms.length > 0;
  $("welcome").hidden = onlyAway;
  if (onlyAway) notice("The query has only terms that are subtracted. Add something to look for.");
}

function refused(refusal) {
  if (refusal.status === 401 || refusal.status === 403) {
    return askForKey(refusal.message, (key) => (keepKey(key), start()));
  }
  $("welcome").hidden = true;
  notice(refusal.message, ...(refusal.wait ? [] : [["Try again", () => (holding ? search.now() : start())]]));
}

function busy(on) {
  $("busy").classList.toggle("on", on);
  $("results").ariaBusy = String(on);
}

function welcome({ indexes, examples = [] }) {
  $("examples").replaceChildren(...examples.map((text) => el("li", {}, el("button", {
    type: "button", className: "pill", dir: "auto", textContent: text,
    onclick: () => (Object.assign(state, { text }), changed(), $("query").focus()),
  }))));
  const items = indexes.map(({ name, items }) => `${items.toLocaleString()} in ${name}`).join(", ");
  $("holding").textContent = items ? `Indexed: ${items}.` : "There is no index yet: m2m index makes one.";
}

function dark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function switchTheme() {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  $("theme").ariaPressed = String(theme === "dark");
  try {
    localStorage.setItem("m2m-theme", theme);
  } catch {
    // It lasts until the page is closed.
  }
}

async function share() {
  const left = unshared() ? " The picture, sound or speech you brought is not part of it." : "";
  try {
    await navigator.clipboard.writeText(location.href);
    summarize(`The address is copied.${left}`);
  } catch {
    notice(`Copy the address of this page from the browser's address bar.${left}`, ["Close", quiet]);
  }
}

function listen() {
  const box = $("query");
  let composing = false; // an input method is open: half a word is not a query
  const typed = () => {
    state.text = box.value;
    state.k = FIRST;
    draw();
    save(false);
    search.soon();
  };
  box.addEventListener("compositionstart", () => (composing = true));
  box.addEventListener("compositionend", () => ((composing = false), typed()));
  box.addEventListener("input", () => composing || typed());
  $("form").addEventListener("submit", (event) => event.preventDefault());
  $("plus").addEventListener("click", () => keepWords(1));
  $("minus").addEventListener("click", () => keepWords(-1));
  $("clear").addEventListener("click", clear);
  $("theme").addEventListener("click", switchTheme);
  $("share").addEventListener("click", share);
  $("show-help").addEventListener("click", () => $("help").showModal());
  $("theme").ariaPressed = String(dark());
  addEventListener("popstate", () => (load(), draw(), search.now()));
  addEventListener("pagehide", silence);
  controls.setUp(changed);
  results.onAct(act);
  viewer.setUp(act);
  keyboard.setUp({ act, clear, enter: () => changed() });
  const brought = (term) => (chips.add({ ...term, weight: 1 }), changed());
  const unusable = (words) => notice(words, ["Close", quiet]);
  drop.setUp(brought, unusable);
  microphone.setUp(brought, unusable);
  search.setUp({ answered, nothing, refused, busy });
}

let holding = null;

async function start() {
  try {
    holding = await ask("indexes");
  } catch (refusal) {
    return refused(refusal);
  }
  quiet();
  controls.receive(holding);
  welcome(holding);
  draw();
  search.now();
}

load();
listen();
start();
$("query").focus();
