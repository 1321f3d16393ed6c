// The assistant's side of the page.
import { $, atEnd, clock, make, say } from "./dom.js";
import * as all from "./customers.js";
import { curl } from "./doors.js";

let current = null;
let onSelect = () => {};
export const selected = () => current;

export function start(select, state) {
  onSelect = select;
  all.begin(show, {
    wait: () => Number($("wait").value), follow: () => $("follow").checked, get mcpWait() { return state().mcpWait; },
  });
  $("add").onclick = () => { choose(all.add()); $("question").focus(); };
  $("customers").onkeydown = move;
  for (const door of document.getElementsByName("door")) {
    door.onchange = () => { current.door = door.value; show(current); };
  }
  $("ask").onsubmit = (event) => {
    event.preventDefault();
    const text = $("question").value.trim();
    if (!text || current.parked) return;
    $("question").value = "";
    all.ask(current, text);
  };
  onEnter($("question"), $("ask"));
  $("hangup").onclick = () => all.hangUp(current);
  $("more").onclick = () => { if (!current.parked) all.waitMore(current); };
  $("end").onclick = () => { if (!current.parked) all.end(current); };
  setInterval(tick, 200);
  choose(all.customers[0]);
}

// onEnter sends a form as chats do; Shift and Enter is a new line.
export function onEnter(field, form) {
  field.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  };
}

function choose(c) {
  current = c;
  wire.shown = null;
  tabs();
  show(c);
  onSelect();
}

function tabs() {
  $("customers").replaceChildren(...all.customers.map((c) => {
    const tab = make("button", {
      type: "button", role: "tab", id: "tab-" + c.id, className: c.parked ? "busy" : "", tabIndex: c === current ? 0 : -1,
      "aria-selected": c === current, "aria-controls": "panel",
    }, c.name);
    tab.onclick = () => { choose(c); $("tab-" + c.id).focus(); };
    return tab;
  }));
  $("panel").setAttribute("aria-labelledby", "tab-" + current.id);
  $("add").hidden = all.full();
}

function move(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const i = all.customers.indexOf(current) + step + all.customers.length;
  choose(all.customers[i % all.customers.length]);
  $("tab-" + current.id).focus();
}

function show(c) {
  $("tab-" + c.id)?.classList.toggle("busy", Boolean(c.parked));
  if (c !== current) return;
  for (const door of document.getElementsByName("door")) {
    door.checked = door.value === c.door;
    door.disabled = Boolean(c.cursor || c.parked); // a customer keeps its door
  }
  $("wait").disabled = c.door === "mcp";
  atEnd($("chat"), () => $("chat").replaceChildren(...(c.lines.length ? c.lines.map((line) => bubble(line.who === "customer" ? { ...line, author: c.name } : line))
    : [make("p", { className: "empty" }, "Press “Ask a person” and watch the question travel.")])));
  for (const id of ["ask-button", "more", "end"]) $(id).setAttribute("aria-disabled", Boolean(c.parked));
  for (const id of ["more", "end"]) $(id).hidden = !c.cursor;
  tick();
  wire(c);
}

// bubble is one message, or a note between them.
export function bubble({ who, author, text, media, at }) {
  const line = make("div", { className: "line " + who });
  if (who === "note") line.append(make("p", {}, text));
  else line.append(make("p", { className: "by" }, `${author || "Customer"}, ${clock(at)}`), make("div", { className: "bubble" }, text, ...(media || []).map(file)));
  return line;
}

function file({ name, type, url }) {
  const label = name || type || "file";
  if (!url) return make("span", {}, label);
  const link = make("a", { href: new URL(url).pathname, target: "_blank" });
  if (type?.startsWith("image/")) {
    const picture = make("img", { src: link.href, alt: label, width: 200 });
    // It is taller now, and what came after it is to be seen.
    picture.onload = () => { const chat = picture.closest(".chat"); if (chat) chat.scrollTop = chat.scrollHeight; };
    link.append(picture);
  } else link.append(label);
  return link;
}

// tick moves the deadline of what is parked.
function tick() {
  const { parked } = current;
  const waits = Boolean(parked?.until);
  if ($("parked").hidden === waits) {
    if (!waits && $("parked").contains(document.activeElement)) $("question").focus();
    $("parked").hidden = !waits;
    say(waits ? "The request is parked." : "Answered: " + (current.lines.at(-1)?.text || ""));
  }
  if (!waits) return;
  const left = Math.max(0, parked.until - Date.now());
  $("parked-bar").value = 1 - left / (parked.until - parked.since);
  $("parked-text").textContent = `Answered by ${clock(parked.until)} at the latest, in ${Math.ceil(left / 1000)} s.`;
}

// wire shows the exchanges as they stood on the wire, the newest first.
function wire(c) {
  const state = c.id + c.wire.map((e) => e.at + (e.status || e.error || "")).join();
  if (wire.shown === state || !c.wire.length && wire.shown) return;
  wire.shown = state;
  $("wire-list").replaceChildren(...(c.wire.length ? c.wire.map(exchange)
    : [make("p", { className: "empty" }, "Each request with its curl, and each answer, stands here.")]));
}

function exchange(e, i) {
  const { request } = e;
  const copy = make("button", { type: "button", className: "quiet" }, "Copy curl");
  copy.onclick = async () => {
    await navigator.clipboard.writeText(curl(request)).then(() => say("Copied."), () => say("Not copied."));
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy curl"), 1500);
  };
  const outcome = e.error || (e.status ? `${e.status}, ${e.answer.status || e.answer.code}, ${(e.took / 1000).toFixed(1)} s` : "waits…");
  const title = `${request.method} ${request.url.split("?")[0]}`;
  return make("article", {}, make("h3", {}, title), make("p", { className: "outcome" }, outcome), copy,
    box(curl(request), `Request ${i + 1} as curl`), request.body ? box(pretty(request.body), `Request ${i + 1}, body`) : null,
    e.text ? box(pretty(e.text), `Answer ${i + 1}`) : null);
}

const box = (text, label) => make("pre", { tabIndex: 0, role: "region", "aria-label": label }, text);

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text.replace(/^data: (\{.*)$/gm, (_, json) => "data: " + pretty(json)); // a stream
  }
}
