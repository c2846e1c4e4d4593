// Small helpers: elements are built from text nodes and properties, never from HTML in strings.

export const $ = (id) => document.getElementById(id);

/** An element. A property named like one of the element's is set, anything else is an attribute. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "dataset") Object.assign(made.dataset, value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const icon = (name) =>
  svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));

/** A button that shows an icon; its label is read out and shown when the pointer rests on it. */
export function iconButton(name, label, action, className = "quiet") {
  const button = el("button", { type: "button", className, title: label, ariaLabel: label });
  button.append(icon(name));
  button.addEventListener("click", action);
  return button;
}

/** Put options into a select: [value, text] pairs; keeps what was chosen where it is still there. */
export function fill(select, options, chosen = select.value) {
  select.replaceChildren(...options.map(([value, text]) => el("option", { value, textContent: text })));
  select.value = options.some(([value]) => value === chosen) ? chosen : options[0]?.[0] ?? "";
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}
