// The two doors of the service: what an assistant sends, and how it reads the answer.

const protocol = "2026-07-28";

export const random = (length) =>
  Array.from(crypto.getRandomValues(new Uint8Array(length)), (n) => "abcdefghijkmnpqrstuvwxyz23456789"[n % 32]).join("");

// plugin is POST /send, GET /replies and POST /end.
const plugin = {
  ask: (c, text, key, wait) => json("/send/" + c.username, { msg: text, key, wait, ...(c.cursor && { after: c.cursor }) }),
  wait: (c, wait) => ({ method: "GET", url: `/replies/${c.username}?` + new URLSearchParams({ after: c.cursor, wait }), headers: {} }),
  end: (c) => json("/end/" + c.username, c.cursor ? { after: c.cursor } : {}),
  read: (text) => JSON.parse(text),
};

const json = (url, body, headers = {}) => ({
  method: "POST", url, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body),
});

// mcp is one POST for each call of a tool, without a session.
const mcp = {
  ask: (c, text, key) => tool(c, "ask_agent", { message: text, key, ...place(c) }),
  wait: (c) => tool(c, "wait_for_agent", place(c)),
  end: (c) => tool(c, "end_conversation", place(c)),
  read(text) {
    // The answer is JSON, or the last event of a stream.
    const events = text.split("\n").filter((line) => line.startsWith("data: ") && line.length > 8);
    const { result, error } = JSON.parse(events.length ? events.at(-1).slice(6) : text);
    if (error) return { code: String(error.code), detail: error.message };
    if (!result.isError) return result.structuredContent;
    const [, code, detail] = result.content[0].text.match(/^(\w+):?\s*([^]*)$/) || [null, "tool error", result.content[0].text];
    return { code, detail };
  },
};

const place = (c) => ({
  ...(c.conversation && { conversation: c.conversation }), ...(c.conversation && c.cursor && { cursor: c.cursor }),
});

let calls = 0;

function tool(c, name, args) {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": protocol,
    "io.modelcontextprotocol/clientInfo": { name: "flexbridge demo", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
    "openai/session": c.id, "openai/subject": c.username, // so that a repeat without a conversation attaches
  };
  return json("/mcp", { jsonrpc: "2.0", id: ++calls, method: "tools/call", params: { name, arguments: args, _meta } }, {
    Accept: "application/json, text/event-stream",
    "Mcp-Protocol-Version": protocol, "Mcp-Method": "tools/call", "Mcp-Name": name,
  });
}

export const doors = { plugin, mcp };

// send returns the answer and what stood on the wire. An error is the network's.
export async function send(c, request, signal) {
  const { method, url, headers, body } = request;
  const response = await fetch(url, { method, body, signal, headers: { ...headers, "Demo-Tab": c.id } });
  const text = await response.text();
  let answer;
  try {
    answer = doors[request.door].read(text);
  } catch {
    answer = { code: "unreadable", detail: text.slice(0, 200) };
  }
  return { status: response.status, retryAfter: Number(response.headers.get("Retry-After")), text, answer };
}

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curl({ method, url, headers, body }) {
  const parts = ["curl -s " + quote(location.origin + url)];
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quote(`${name}: ${value}`)}`);
  if (body) parts.push("-d " + quote(body));
  else if (method !== "GET") parts.push("-X " + method);
  return parts.join(" ");
}
