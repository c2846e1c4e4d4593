// What the page shows is what its address says: everything but dropped pictures and sounds.

export const FIRST = 30; // results at first
export const FILTERS = ["modality", "folder", "from", "until", "size"];

export const state = blank();

function blank() {
  return {
    text: "", // what stands in the box
    terms: [], // chips: {kind: text|item|image|sound|speech, value, weight, index?, modality?, label}
    index: null, // null: every index
    adapter: null, // null: the one each index was built with
    versus: null, // the adapter it is compared with; null: no comparison
    language: null, // null: detected
    k: FIRST,
    filters: Object.fromEntries(FILTERS.map((name) => [name, ""])),
  };
}

/** An item kept as +1:image:INDEX/ID, words as -2:text:WORDS. */
function written({ kind, value, weight, index, modality }) {
  const sign = weight < 0 ? "-" : "+";
  const what = kind === "item" ? `${modality}:${index}/${value}` : `text:${value}`;
  return `${sign}${Math.abs(weight)}:${what}`;
}

function read(line) {
  const match = line.match(/^([+-])(\d+(?:\.\d+)?):([a-z]+):(.+)$/s);
  if (!match) return null;
  const [, sign, size, what, rest] = match;
  const weight = (sign === "-" ? -1 : 1) * Math.min(Number(size) || 1, 9);
  if (what === "text") return { kind: "text", value: rest, weight, label: rest };
  const slash = rest.indexOf("/");
  if (slash < 1) return null;
  const [index, value] = [rest.slice(0, slash), rest.slice(slash + 1)];
  return { kind: "item", value, weight, index, modality: what, label: "a result" };
}

/** Read the address into the state. */
export function load(search = location.search) {
  const given = new URLSearchParams(search);
  Object.assign(state, blank());
  state.text = given.get("q") ?? "";
  state.terms = given.getAll("t").map(read).filter(Boolean);
  for (const name of ["index", "adapter", "versus", "language"]) state[name] = given.get(name) || null;
  for (const name of FILTERS) state.filters[name] = given.get(name) ?? "";
  if (!/^(<|>=) \d+[kM]B$/.test(state.filters.size)) state.filters.size = "";
  for (const name of ["from", "until"]) {
    if (!/^\d{4}-\d\d-\d\d$/.test(state.filters[name])) state.filters[name] = "";
  }
}

/** The address of the state. */
export function query() {
  const made = new URLSearchParams();
  if (state.text.trim()) made.set("q", state.text);
  for (const term of state.terms) {
    if (term.kind === "text" || term.kind === "item") made.append("t", written(term));
  }
  for (const name of ["index", "adapter", "versus", "language"]) {
    if (state[name]) made.set(name, state[name]);
  }
  for (const name of FILTERS) if (state.filters[name]) made.set(name, state.filters[name]);
  return made.toString();
}

/** Write the address. lasting: as a step that the browser's back button undoes. */
export function save(lasting) {
  const line = query();
  const next = line ? `?${line}` : location.pathname;
  if (next === (location.search || location.pathname)) return;
  history[lasting ? "pushState" : "replaceState"](null, "", next);
}

/** Whether the address leaves something out: pictures, sounds and speech from outside. */
export const unshared = () => state.terms.some(({ kind }) => kind === "image" || kind === "sound" || kind === "speech");
