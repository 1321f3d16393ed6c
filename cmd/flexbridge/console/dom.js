// Small helpers around the document.

export const $ = (id) => document.getElementById(id);

// make returns an element with properties and children; text is never read as HTML.
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

// say tells a screen reader, and nobody else.
export function say(text) {
  $("status").textContent = text;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

// atEnd keeps a list that was scrolled to its end there while fill changes it.
export function atEnd(list, fill) {
  const follow = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  fill();
  if (follow) list.scrollTop = list.scrollHeight;
}

// post gives an order to the demo itself, and returns what is wrong with it.
export async function post(path, order) {
  const response = await fetch("/demo/" + path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(order),
  });
  if (response.ok) return "";
  const problem = await response.json().catch(() => ({}));
  return problem.detail || `HTTP ${response.status}`;
}
