// Prints vectors.json: webhooks that Twilio's own library for Node signed, npm
// package twilio 6.2.0. The same at each run, as .ci/run holds:
//
//	NODE_PATH=…/node_modules node webhook/testdata/vectors.js >webhook/testdata/vectors.json
"use strict";
const { getExpectedBodyHash, getExpectedTwilioSignature } = require("twilio");

// mulberry32, with a seed of its own.
let state = 20261122;
function random(n) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % n;
}
const pick = (list) => list[random(list.length)];

const account = "AC0123456789abcdef0123456789abcdef";
const conversation = "CH00000000000000000000000000000001";
const tag = "o=8f09747fb132ea2d4641665ddfe3fdbb"; // of that conversation, by the tests' secret

// What PUBLIC_URL may be, and what Twilio may sign for it: an implied port is
// there for some products and not for others.
const addresses = [
  ["https://bridge.example.com", "https://bridge.example.com"],
  ["https://bridge.example.com", "https://bridge.example.com:443"],
  ["https://bridge.example.com:443", "https://bridge.example.com"],
  ["https://bridge.example.com:8443", "https://bridge.example.com:8443"],
  ["https://bridge.example.com:8443", "https://bridge.example.com"],
  ["https://example.com/bridge/v1", "https://example.com/bridge/v1"],
  ["https://xn--bcher-kva.example", "https://xn--bcher-kva.example"],
  ["http://127.0.0.1:5002", "http://127.0.0.1:5002"],
  ["http://localhost", "http://localhost"],
  ["http://localhost", "http://localhost:80"],
  ["http://localhost:80", "http://localhost"],
];
const queries = [
  "", "", "?", "?" + tag, "?" + tag, "?" + tag + "&x=a%20b", "?tenant=a+b&" + tag,
  "?x=%2B&y=%C3%A9&z", "?a=2&a=1&", "?q='it''s'&" + tag, "?u=https://x.example:1/y?z", "?%6Fther=%7E~",
];

const texts = [
  "", "hi", " ", " led and trailed ", "1+1 = 2", "+", "a  b", "100%", "%41%20%zz", "a&b=c;d?e#f", "\"'`\\/<>",
  "café", "cafe\u0301", "n\u0303o\u0308", "👍🏽", "👩‍👩‍👧‍👦 🏳️‍🌈", "مرحبا بالعالم", "שלום \u202eabc\u202c", "日本語です", "İıſß", "\ufeffx",
  "line\nline", "dos\r\nline\r\n", "\ttab", "\u0000\u0001\u007f", "~!*()'-_.", "BodySourceSDK", "=", "&", "\u{10ffff}\ue000",
];
const names = [
  "MessagingBinding.Address", "MessagingBinding.ProxyAddress", "messagingBinding.Address", "MessagingBindingAddress",
  "Attributes", "attributes", "ATTRIBUTES", "body", "Bod", "Body2", "Body.", "Zeta", "_x", "a.b", "a-b", "a", "A", "0", "10", "9",
  "é", "名", "n ame", "na+me", "x=y", "x&y", "",
];
const text = () => Array.from({ length: 1 + random(3) }, () => pick(texts)).join(pick(["", " "]));

// A space is a plus or %20, and what need not be encoded may be.
const encoders = [
  (fields) => new URLSearchParams(fields).toString(),
  (fields) => fields.map((field) => field.map(encodeURIComponent).join("=")).join("&"),
  (fields) => fields.map(([name, value]) => encodeURIComponent(name) + (value && "=" + everyByte(value))).join("&"),
];
const everyByte = (s) => Buffer.from(s).toString("hex").replace(/../g, "%$&");

function shuffle(list) {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

function vector(i) {
  const [pub, signed] = addresses[i % addresses.length];
  const v = { public: pub, target: "/twilio/webhook" + pick(queries), token: pick(["primary_token", "secondary_token"]) };
  if (i % 10 === 9) {
    v.body = JSON.stringify({ text: text(), n: i });
    v.target += (v.target.includes("?") ? "&" : "?") + "bodySHA256=" + getExpectedBodyHash(v.body);
    v.signature = getExpectedTwilioSignature(v.token, signed + v.target, {});
    return v;
  }
  v.text = i % 60 === 0 ? pick(["long ", "lång", "😀"]).repeat(200) : text();
  const params = {
    AccountSid: account, Author: pick(["ann", "ann_2Eveal_40example_2Ecom"]), Body: v.text, ConversationSid: conversation,
    EventType: "onMessageAdded", Index: "0", MessageSid: "IM00000000000000000000000000000001", Source: "SDK",
  };
  for (let n = random(4); n > 0; n--) params[pick(names)] = pick(texts);
  v.body = encoders[v.text.length > 500 ? i % 2 : random(3)](shuffle(Object.entries(params)));
  v.signature = getExpectedTwilioSignature(v.token, signed + v.target, params);
  return v;
}

const vectors = Array.from({ length: 320 }, (_, i) => JSON.stringify(vector(i)));
process.stdout.write("[\n" + vectors.join(",\n") + "\n]\n");
