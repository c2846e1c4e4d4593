// The row below the box: language, filters, adapter, comparison.

import { $, el, fill } from "./dom.js";
import { KINDS } from "./hit.js";
import * as microphone from "./microphone.js";
import { FILTERS, state } from "./state.js";

const COMMON = ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ru", "uk", "ar", "fa", "he", "hi", "bn", "zh", "ja", "ko", "vi", "th", "id", "sw"];
const names = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });
let holding = { indexes: [], adapters: [], native: false };

export function languageName(tag) {
  try {
    return names.of(tag);
  } catch {
    return tag; // not a tag that the browser knows
  }
}

/** Fill the selects from what the server holds. */
export function receive(held) {
  holding = held;
  const { indexes, adapters } = held;
  const sum = (name) => {
    const counts = new Map();
    for (const index of indexes) for (const [key, count] of listed(index[name])) counts.set(key, (counts.get(key) ?? 0) + count);
    return counts;
  };
  fill($("index"), [["", "all"], ...indexes.map(({ name, items }) => [name, `${name} (${items.toLocaleString()})`])]);
  $("index-label").hidden = indexes.length < 2;
  const kinds = [...sum("modality")];
  fill($("modality"), [["", "all"], ...kinds.map(([kind, count]) => [kind, `${KINDS[kind] ?? kind} (${count.toLocaleString()})`])]);
  $("modality-label").hidden = kinds.length < 2;
  const folders = [...sum("folders")].sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
  const start = shared(folders.map(([name]) => name));
  fill($("folder"), [["", "any"], ...folders.filter(([name]) => !(name.includes('"') && name.includes("'")))
    .map(([name, count]) => [name, `${name.slice(start) || name} (${count.toLocaleString()})`])]);
  $("folder-label").hidden = folders.length < 2;
  const dates = indexes.flatMap(({ dates }) => dates ?? []).filter(Boolean).map((date) => date.slice(0, 10)).sort();
  for (const name of ["from", "until"]) Object.assign($(name), { min: dates[0] ?? "", max: dates.at(-1) ?? "" });
  const tags = [...new Set(adapters.flatMap(({ languages }) => languages ?? []))];
  const languages = (tags.length ? tags : COMMON).map((tag) => [tag, languageName(tag)]);
  languages.sort(([, a], [, b]) => a.localeCompare(b));
  fill($("language"), [["", "Any language"], ...languages]);
  $("language-label").title = tags.length
    ? "The language the query is read as"
    : "The language of the query: sets the direction of reading; results are the same in every language";
  const sides = choices();
  fill($("adapter"), sides.map(([value, text]) => [value === "own" ? "" : value, text]));
  $("adapter-label").hidden = $("compare").hidden = sides.length < 2;
  fill($("versus"), sides);
}

/** [name, count] pairs of an object of counts, a list of {name, items}, or a single name. */
function listed(counts) {
  if (Array.isArray(counts)) return counts.map(({ name, items }) => [name, items]);
  return typeof counts === "object" && counts ? Object.entries(counts) : [];
}

/** How much of the folders' names is the same: the page shows the rest. */
function shared(paths) {
  if (paths.length < 2) return 0;
  let end = 0;
  while (paths.every((path) => path[end] !== undefined && path[end] === paths[0][end])) end++;
  return Math.max(paths[0].lastIndexOf("/", end - 1), paths[0].lastIndexOf("\\", end - 1)) + 1;
}

function choices() {
  const { adapters, native } = holding;
  const named = adapters.map(({ name }) => [name, name]);
  const own = ["own", adapters.length === 1 ? `Adapter ${adapters[0].name}` : "With adapters"];
  return [...(adapters.length ? [own] : []), ...(adapters.length > 1 ? named : []),
    ...(native ? [["native", "Native, no adapter"]] : [])];
}

/** Whether what reads the query takes spoken ones. */
function takesSpeech() {
  const { adapters, indexes } = holding;
  const asked = indexes.filter(({ name }) => !state.index || name === state.index);
  const sides = state.adapter && state.adapter !== "own" ? [state.adapter] : asked.map(({ adapter }) => adapter);
  return adapters.some(({ name, speech }) => speech && sides.includes(name));
}

export function titleOf(side) {
  return choices().find(([value]) => value === (side ?? "own"))?.[1] ?? side;
}

/** What a comparison starts with: the native tower, where there is one. */
function other() {
  const values = choices().map(([value]) => value).filter((value) => value !== (state.adapter ?? "own"));
  return values.includes("native") ? "native" : values[0] ?? null;
}

/** Show the state in the controls. */
export function draw() {
  $("index").value = state.index ?? "";
  $("adapter").value = state.adapter ?? "";
  $("compare").ariaPressed = String(Boolean(state.versus));
  $("versus-label").hidden = !state.versus;
  if (state.versus) $("versus").value = state.versus;
  for (const name of FILTERS) choose($(name), state.filters[name]);
  const count = FILTERS.filter((name) => state.filters[name]).length + (state.index ? 1 : 0);
  $("show-filters").lastElementChild.textContent = count ? `Filters: ${count}` : "Filters";
  $("show-filters").classList.toggle("on", count > 0);
  $("no-filters").hidden = count === 0;
  $("microphone").hidden = !(takesSpeech() && microphone.works());
  if ($("microphone").hidden) microphone.cancel();
  $("language").value = state.language ?? "";
  $("language-label").classList.toggle("on", Boolean(state.language));
}

/** Show a value, also one of a shared address that this server does not hold. */
function choose(field, value) {
  field.value = value;
  if (field.value !== value && field.options) field.append(el("option", { value, textContent: value, selected: true }));
}

/** Show the detected language as the first choice. */
export function showLanguage(language) {
  const first = $("language").options[0];
  if (state.language || !language) first.textContent = state.language ? "Detect the language" : "Any language";
  else first.textContent = `${language.name || languageName(language.tag)}${language.confidence < 0.5 ? "?" : ""}, detected`;
  $("query").lang = state.language ?? language?.tag ?? "";
}

export function clearFilters() {
  state.index = null;
  for (const name of FILTERS) state.filters[name] = "";
}

/** changed() is called when something was chosen. */
export function setUp(changed) {
  const chosen = (id, apply) => $(id).addEventListener("change", () => (apply($(id).value), changed()));
  chosen("index", (value) => (state.index = value || null));
  chosen("adapter", (value) => (state.adapter = value || null));
  chosen("versus", (value) => (state.versus = value || null));
  chosen("language", (value) => (state.language = value || null));
  for (const name of FILTERS) chosen(name, (value) => (state.filters[name] = value));
  $("compare").addEventListener("click", () => {
    state.versus = state.versus ? null : other();
    changed();
  });
  $("show-filters").addEventListener("click", () => open($("filters").hidden));
  $("no-filters").addEventListener("click", () => (clearFilters(), changed(), $("show-filters").focus()));
}

export function open(on) {
  $("filters").hidden = !on;
  $("show-filters").ariaExpanded = String(on);
}
