// The agent's side of the page.
import { $, atEnd, make, post, say } from "./dom.js";
import { bubble, onEnter } from "./assistant.js";

const words = { waiting: "waits for an agent", joined: "with you", left: "you left", closed: "closed" };
let conversations = [];
let chosen = null; // SID
let names = {};

export function start() {
  $("auto").onchange = $("pause").onchange = () => post("habit", { auto: $("auto").checked, pause: Number($("pause").value) });
  $("reply").onsubmit = async (event) => {
    event.preventDefault();
    const text = $("text").value.trim();
    if (!text || !chosen) return;
    $("text").value = "";
    if (await act({ say: text })) $("text").value = text;
  };
  onEnter($("text"), $("reply"));
  for (const button of document.querySelectorAll("[data-act]")) {
    button.onclick = () => { if (button.ariaDisabled !== "true") act({ [button.dataset.act]: true }); };
  }
}

async function act(order) {
  const problem = await post("agent", { conversation: chosen, ...order });
  if (problem) say(problem);
  return problem;
}

export function update(state, tabNames) {
  names = tabNames;
  if (document.activeElement !== $("pause")) $("pause").value = String(state.pause);
  $("auto").checked = state.auto;
  const before = conversations.length;
  conversations = state.conversations;
  const open = conversations.filter((c) => c.state !== "closed");
  const gone = !open.some((c) => c.sid === chosen);
  if (open.length && (gone || conversations.length > before && !$("text").value)) chosen = open.at(-1).sid;
  $("idle").hidden = conversations.length > 0;
  $("desk").hidden = conversations.length === 0;
  queue();
  show();
}

// queue lists the newest first. Its buttons stay the same elements, as one may have the focus.
function queue() {
  const items = new Map(Array.from($("queue").children, (item) => [item.dataset.sid, item]));
  const order = conversations.slice(-8).reverse().map((c) => {
    const item = items.get(c.sid) || entry(c.sid);
    const button = item.firstChild;
    button.className = c.state;
    button.setAttribute("aria-pressed", c.sid === chosen);
    button.replaceChildren(make("span", {}, names[c.customer] || "Customer"), make("small", {}, words[c.state]));
    return item;
  });
  if (order.length !== $("queue").children.length || order.some((item, i) => $("queue").children[i] !== item)) $("queue").replaceChildren(...order);
}

function entry(sid) {
  const button = make("button", { type: "button" });
  button.onclick = () => { chosen = sid; queue(); show(); };
  const item = make("li", {}, button);
  item.dataset.sid = sid;
  return item;
}

function show() {
  const c = conversations.find((one) => one.sid === chosen);
  if (!c) return;
  const state = c.sid + c.messages.map((m) => m.id).join();
  if (show.state !== state) {
    show.state = state;
    atEnd($("desk-chat"), () => $("desk-chat").replaceChildren(...c.messages.map((m) => bubble({
      who: m.agent ? "agent" : "customer", author: m.agent ? "You" : names[c.customer], at: m.at, text: [m.text, ...m.files].filter(Boolean).join(" "),
    }))));
  }
  const can = { accept: c.state === "waiting" || c.state === "left", picture: c.state !== "closed", leave: c.state === "joined", close: c.state !== "closed" };
  for (const button of document.querySelectorAll("[data-act]")) button.ariaDisabled = String(!can[button.dataset.act]);
  $("reply-button").ariaDisabled = String(c.state === "closed");
  $("text").placeholder = c.state === "closed" ? "This conversation is closed." : "";
}
