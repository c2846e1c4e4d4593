// What is searched for: the words in the box and the parts kept as chips.

const OPERATOR = /\s+([+\-−])(?=\s)\s*/;
const WEIGHT = /^(\d+(?:\.\d+)?|\.\d+):(?!\d)\s*(?=\S)/; // 16:9 is a text
const QUOTES = { '"': '"', "“": "”", "„": "“", "«": "»" };

/** A line without the sign at its end: someone is about to type the next part. */
export const settled = (line) => line.trim().replace(/\s[+\-−]$/, "").trim();

/**
 * The parts of a line in the language of `m2m search`: [{text, weight}], or null where it cannot
 * be read (the server says why).
 */
export function parts(line) {
  const found = [];
  let rest = settled(line);
  let sign = 1;
  while (rest) {
    const weight = rest.match(WEIGHT);
    if (weight) rest = rest.slice(weight[0].length);
    let text;
    const close = QUOTES[rest[0]];
    if (close) {
      const end = rest.indexOf(close, 1);
      if (end < 0) return null;
      text = rest.slice(1, end);
      rest = rest.slice(end + 1);
    } else {
      const end = rest.search(OPERATOR);
      text = (end < 0 ? rest : rest.slice(0, end)).trim();
      rest = end < 0 ? "" : rest.slice(end);
    }
    if (!text.trim()) return null;
    found.push({ text, weight: sign * (weight ? Number(weight[1]) : 1) });
    if (!rest.trim()) break;
    const operator = rest.match(OPERATOR);
    if (!operator || operator.index !== 0) return null;
    sign = operator[1] === "+" ? 1 : -1;
    rest = rest.slice(operator[0].length);
  }
  return found;
}

/** The query as the server takes it; null when there is nothing to look for. */
export function request(state) {
  const line = settled(state.text);
  if (state.terms.length === 0) return line || null;
  const typed = line ? (parts(line) ?? [{ text: line, weight: 1 }]) : [];
  const sent = [...state.terms.map(term), ...typed];
  return sent.some((one) => one.weight > 0) ? sent : null;
}

/** A chip without what only the page needs. */
function term({ kind, value, index, weight }) {
  if (kind === "item") return { item: value, index, weight };
  return { [kind]: value, weight };
}

const quoted = (text) => (text.includes('"') ? `'${text}'` : `"${text}"`);

/** The filters as one condition of `m2m search --where`; null without any. */
export function where({ modality, folder, from, until, size }) {
  const conditions = [];
  if (modality) conditions.push(`modality = ${quoted(modality)}`);
  if (folder) conditions.push(`folder = ${quoted(folder)}`);
  if (from) conditions.push(`date >= ${from}`);
  if (until) conditions.push(`date <= ${until}`);
  if (size) conditions.push(`size ${size}`);
  return conditions.join(" and ") || null;
}
