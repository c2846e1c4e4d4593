// The server's answers, and its refusals in plain words.

export class Refusal extends Error {
  constructor(message, status = 0, wait = 0) {
    super(message);
    Object.assign(this, { status, wait });
  }
}

/** Relative, so that the page also works below a path of another server. */
export const address = (path) => String(path).replace(/^\/+/, "");

export async function ask(path, body, signal) {
  const key = storedKey();
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const options = { headers, signal, credentials: "same-origin" };
  if (body !== undefined) {
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(address(path), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server does not answer. Is m2m serve still running?");
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok && content !== null) return content;
  throw refusal(answer, content);
}

function refusal(answer, content) {
  const { status } = answer;
  if (status === 429 || status === 503) {
    const wait = Number(answer.headers.get("Retry-After")) || 1;
    return new Refusal("The server is busy; the search is tried again.", status, Math.min(wait, 30));
  }
  if (status === 413) return new Refusal("That is too large for this server.", status);
  if (status === 401 || status === 403) return new Refusal("This server asks for a key.", status);
  const said = content?.error?.message ?? content?.error ?? content?.detail ?? content?.message;
  const words = typeof said === "string" ? said : `The server refused the search (${status}).`;
  return new Refusal(words.charAt(0).toUpperCase() + words.slice(1), status);
}

function storedKey() {
  try {
    return sessionStorage.getItem("m2m-key");
  } catch {
    return null;
  }
}

export function keepKey(key) {
  try {
    sessionStorage.setItem("m2m-key", key);
  } catch {
    // Without storage the key has to be given again after a reload.
  }
}
