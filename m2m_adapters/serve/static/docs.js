// The API as openapi.json describes it.

import { ask } from "./api.js";
import { $, el } from "./dom.js";

const EXAMPLES = {
  "/search": { query: "ein Hund am Strand", k: 5 },
  "/v1/embeddings": { model: "MODEL", input: ["ein Hund am Strand"] },
};

function operation(path, method, about) {
  const rows = Object.entries(about.responses).map(([code, { description }]) =>
    el("tr", {}, el("th", { scope: "row", textContent: code }), el("td", { textContent: description })));
  return el("section", {},
    el("h3", {}, el("code", {}, el("span", { className: "method", textContent: method.toUpperCase() }), ` ${path}`)),
    el("p", { textContent: `${about.summary}.` }),
    EXAMPLES[path] ? el("pre", { tabIndex: 0, textContent: example(path) }) : null,
    el("details", {}, el("summary", { textContent: "Answers" }), el("table", {}, el("tbody", {}, ...rows))));
}

function example(path) {
  const address = new URL(path.slice(1), document.baseURI);
  return `curl ${address} \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(EXAMPLES[path])}'`;
}

function schema(name, about) {
  return el("section", {}, el("h3", {}, el("code", { textContent: name })),
    about.description ? el("p", { textContent: about.description }) : null,
    el("pre", { tabIndex: 0, textContent: JSON.stringify(about.properties, null, 1) }));
}

try {
  const { paths, components } = await ask("openapi.json");
  $("operations").append(...Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, about]) => operation(path, method, about))));
  $("schemas").append(...Object.entries(components.schemas).map(([name, about]) => schema(name, about)));
} catch (refusal) {
  $("operations").append(el("p", { textContent: refusal.message }));
}
