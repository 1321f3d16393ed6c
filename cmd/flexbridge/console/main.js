// The page: what the demo tells goes to its three parts.
import { $, post, say } from "./dom.js";
import * as assistant from "./assistant.js";
import * as desk from "./desk.js";
import * as way from "./way.js";
import { customers, forget } from "./customers.js";

let state = { tabs: {}, mcpWait: 50, conversations: [] };

// names are of those customers that are here, by the name that the service's log has.
function names() {
  const byTab = Object.fromEntries(customers.map((c) => [c.id, c.name]));
  return Object.fromEntries(Object.entries(state.tabs).map(([customer, tab]) => [customer, byTab[tab]]));
}

function update(next) {
  const first = !state.run;
  state = next;
  if (sessionStorage.run !== state.run) {
    const known = sessionStorage.run;
    if (known || !first) forget();
    sessionStorage.run = state.run;
    if (known) return location.reload(); // another demo
  }
  desk.update(state, names());
  way.show();
  for (const count of document.querySelectorAll("[data-count]")) count.textContent = state.counts[count.dataset.count];
  $("counts").classList.toggle("bad", state.counts.lost > 0);
  for (const button of document.querySelectorAll("[data-fault]")) {
    const left = state.armed[button.dataset.fault];
    button.classList.toggle("armed", Boolean(left));
    button.dataset.left = left ? `${left} to come` : "";
  }
}

desk.start();
assistant.start(way.show, () => state);
way.start(() => ({ tab: assistant.selected()?.id, tabs: state.tabs, names: names() }));
for (const button of document.querySelectorAll("[data-fault]")) {
  button.onclick = async () => say(await post("faults", { fault: button.dataset.fault }) || "Ordered: " + button.textContent);
}

const events = new EventSource("/demo/events");
events.addEventListener("step", (event) => way.add(JSON.parse(event.data)));
events.addEventListener("state", (event) => update(JSON.parse(event.data)));
events.onopen = () => document.body.classList.add("live");
