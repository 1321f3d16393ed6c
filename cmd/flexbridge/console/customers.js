// The customers, one in each tab: what they asked and got, and what waits.
import { doors, random, send } from "./doors.js";

// No more than these: a browser keeps six connections to a host, of which the events
// take one and the agent's orders another, and each request that is parked has its own.
const names = ["Ada", "Ben", "Cleo", "Dan"];

export const customers = [];
let changed = () => {};
let limits = { wait: () => 20, follow: () => true, mcpWait: 50 };

export function begin(onChange, how) {
  changed = onChange;
  limits = how;
  for (const kept of JSON.parse(sessionStorage.customers || "[]")) customers.push({ ...kept, wire: [], parked: null });
  if (!customers.length) add();
}

export const forget = () => sessionStorage.clear();

export function add() {
  const name = names[customers.length];
  const c = {
    id: name.toLowerCase() + "-" + random(6), name, username: `${name.toLowerCase()}-${random(20)}`,
    door: "plugin", cursor: "", conversation: "", lines: [], wire: [], parked: null,
  };
  customers.push(c);
  touch(c);
  return c;
}

export const full = () => customers.length === names.length;

function touch(c) {
  sessionStorage.customers = JSON.stringify(customers.map(({ wire, parked, ...kept }) => ({ ...kept, lines: kept.lines.slice(-100) })));
  changed(c);
}

function note(c, line) {
  c.lines.push({ at: Date.now(), ...line });
  touch(c);
}

export function ask(c, text) {
  note(c, { who: "customer", text });
  const key = "q-" + random(12);
  const request = doors[c.door].ask(c, text, key, limits.wait());
  return park(c, { ...request, door: c.door });
}

export const waitMore = (c) => park(c, { ...doors[c.door].wait(c, limits.wait()), door: c.door });
export const end = (c) => park(c, { ...doors[c.door].end(c), door: c.door }, true);

// hangUp leaves the request, and makes the very same one again.
export function hangUp(c) {
  const { request, control } = c.parked;
  control.abort();
  note(c, { who: "note", text: "Hung up, and asks the same again." });
  return park(c, request);
}

// park sends a request and waits for its answer, however often it must be repeated.
async function park(c, request, brief = false) {
  const control = new AbortController();
  const since = Date.now();
  const limit = request.door === "mcp" ? limits.mcpWait : limits.wait();
  const parked = { request, control, since, until: brief ? 0 : since + limit * 1000 };
  c.parked = parked;
  const entry = { request, at: since };
  c.wire.unshift(entry);
  c.wire.length = Math.min(c.wire.length, 20);
  touch(c);
  let got;
  try {
    got = await send(c, request, control.signal);
  } catch {
    entry.error = control.signal.aborted ? "hung up" : "the connection broke";
    if (c.parked !== parked) return touch(c); // hung up
    note(c, { who: "note", text: "The connection broke; asks the same again." });
    await new Promise((done) => setTimeout(done, 500));
    return park(c, request, brief);
  }
  Object.assign(entry, got, { took: Date.now() - since });
  if (c.parked !== parked) return touch(c);
  c.parked = null;
  await read(c, request, got, brief);
}

const passing = [429, 503, 504];

async function read(c, request, { status, retryAfter, answer }, brief) {
  if (answer.code) {
    note(c, { who: "note", text: `${answer.code}: ${answer.detail}` });
    if (!passing.includes(status)) return;
    await new Promise((done) => setTimeout(done, 1000 * Math.min(retryAfter || 1, 10)));
    return park(c, request, brief);
  }
  if (answer.cursor) c.cursor = answer.cursor;
  if (answer.conversation) c.conversation = answer.conversation;
  for (const m of answer.messages) note(c, { who: m.kind, id: m.id, author: m.author, text: m.text, media: m.media });
  if (answer.status === "closed") note(c, { who: "note", text: "The conversation is closed; the next question opens a new one." });
  if (answer.status !== "pending") return touch(c);
  const again = limits.follow();
  note(c, { who: "note", text: again ? "Pending: a person has it. The assistant asks on, after its cursor." : "Pending: the question stands. “Wait for more” goes on." });
  if (again) return waitMore(c);
}
