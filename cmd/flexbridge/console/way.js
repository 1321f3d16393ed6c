// The way in the middle: the steps that the service and its surroundings tell of.
import { $, atEnd, clock, make } from "./dom.js";

const steps = [];
const most = 400; // shown
const badges = { assistant: "assistant", service: "flexbridge", twilio: "Twilio", agent: "agent", fault: "fault" };
let context = () => ({});

export function start(of) {
  context = of;
  $("details").onchange = $("everyone").onchange = show;
  show();
}

export function add(step) {
  let i = steps.length;
  while (i > 0 && steps[i - 1].at > step.at) i--;
  steps.splice(i, 0, step);
  if (steps.length > 5 * most) steps.shift();
  if (show.waits) return;
  show.waits = true;
  requestAnimationFrame(() => { show.waits = false; show(); });
}

// fits tells whether a step is of the selected tab's customer, or of everybody.
function fits(step, { tab, tabs }) {
  if (step.minor && !$("details").checked) return false;
  const whose = step.tab || tabs[step.customer];
  return $("everyone").checked || (!step.customer && !step.tab) || whose === tab;
}

export function show() {
  const now = context();
  const chosen = steps.filter((s) => fits(s, now)).slice(-most);
  const state = chosen.map((s) => s.id).join();
  if (show.state !== state) {
    show.state = state;
    atEnd($("steps"), () => $("steps").replaceChildren(...(chosen.length ? chosen.map((s, i) => row(s, chosen[i - 1], now))
      : [make("li", { className: "empty" }, "Every step stands here with its time: said, parked, webhook, kept, woken, answered.")])));
  }
  const last = chosen.at(-1);
  for (const station of document.querySelectorAll(".stations li")) {
    station.classList.toggle("lit", last?.who === station.dataset.who);
  }
}

function row(step, before, { names }) {
  const whose = $("everyone").checked && names[step.customer] ? ` (${names[step.customer]})` : "";
  return make("li", { className: [step.who, step.minor ? "minor" : "", step.title.startsWith("The assistant asks") ? "first" : ""].join(" ") },
    make("span", { className: "time", title: before ? `${gap(step.at - before.at)} after the step above` : "" }, clock(step.at), make("small", {}, before ? gap(step.at - before.at) : "")),
    make("span", { className: "what" }, make("strong", {}, step.title + whose), make("span", { className: "badge" }, badges[step.who]),
      step.detail ? make("small", {}, step.detail) : null));
}

const gap = (ms) => (ms < 1000 ? `+${Math.max(0, ms).toFixed(ms < 10 ? 1 : 0)} ms` : ms < 60000 ? `+${(ms / 1000).toFixed(1)} s` : "");
