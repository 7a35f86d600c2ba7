// The page asks the API that everybody else asks, and shows what it is told.
"use strict";

/** Rows that are shown at once. */
const ROWS = 200;
/** Nodes whose services are counted at once: each is a question of its own. */
const COUNTED = 40;
/** Time between two looks, in milliseconds. */
const PAUSE = 3000;

const $ = (id) => document.getElementById(id);

/** An element with a text or with children in it. What agents say never becomes markup. */
function make(tag, inside, attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...[inside ?? ""].flat());
  return element;
}

/** Somebody must say who asks. */
class Refused extends Error {}

async function get(path) {
  const headers = {};
  const token = sessionStorage.getItem("token");
  if (token) {
    headers["X-Consul-Token"] = token;
  }
  const answer = await fetch(path, { headers });
  if (answer.status === 403) {
    throw new Refused(await answer.text());
  }
  if (!answer.ok) {
    throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  }
  return answer.json();
}

/** The worse of two states. */
function worse(a, b) {
  const order = ["passing", "warning", "critical"];
  return order.indexOf(a) < order.indexOf(b) ? b : a;
}

/** A state; maintenance is a check that is critical. */
const state = (status, words = status) => make("span", words, { class: status });
const link = (kind, name) => make("a", name, { href: `#/${kind}/${encodeURIComponent(name)}` });
const address = (host, port) => (port ? `${host.includes(":") ? `[${host}]` : host}:${port}` : host);
const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
const meta = (pairs) => Object.entries(pairs ?? {}).map(([key, value]) => `${key}=${value}`).join(", ");

/** What is not passing, by what it is about: few, where all is well. */
async function problems(key) {
  const lists = await Promise.all(["warning", "critical"].map((it) => get(`/v1/health/state/${it}`)));
  const found = new Map();
  for (const check of lists.flat()) {
    const all = found.get(check[key]) ?? [];
    found.set(check[key], [...all, check]);
  }
  return found;
}

/** How something fares: its worst checks, and how many they are. */
function summary(checks) {
  if (!checks) {
    return state("passing");
  }
  const all = checks.map((check) => check.Status);
  const worst = all.reduce(worse);
  return state(worst, `${count(all.filter((it) => it === worst).length, "check")} ${worst}`);
}

/** The list that somebody looks at: only what fits the name that is looked for, and not too much. */
function chosen(names) {
  const part = $("find").value.trim().toLowerCase();
  const found = names.filter((name) => name.toLowerCase().includes(part)).sort();
  const shown = found.slice(0, ROWS);
  return { shown, more: found.length - shown.length };
}

async function services() {
  const [all, bad] = await Promise.all([get("/v1/catalog/services"), problems("ServiceName")]);
  const { shown, more } = chosen(Object.keys(all));
  return {
    title: "Services",
    facts: count(Object.keys(all).length, "service"),
    head: ["Service", "Health", "Tags"],
    rows: shown.map((name) => [link("services", name), summary(bad.get(name)), all[name].join(", ")]),
    more,
  };
}

async function nodes() {
  const [all, bad] = await Promise.all([get("/v1/catalog/nodes"), problems("Node")]);
  const of = new Map(all.map((node) => [node.Node, node]));
  const { shown, more } = chosen([...of.keys()]);
  const counts = await Promise.all(shown.slice(0, COUNTED).map(async (name) => {
    const told = await get(`/v1/catalog/node-services/${encodeURIComponent(name)}`);
    return told?.Services?.length ?? 0;
  }));
  const counted = (i) => (i in counts ? count(counts[i], "service") : "");
  return {
    title: "Nodes",
    facts: count(all.length, "node"),
    head: ["Node", "Health", "Address", "Services"],
    rows: shown.map((name, i) => [link("nodes", name), summary(bad.get(name)), of.get(name).Address, counted(i)]),
    more,
  };
}

/** A check as a row: its name, its state, and what it printed. */
const check = (it) => [it.Name || it.CheckID, state(it.Status), it.ServiceName, make("pre", it.Output)];

async function service(name) {
  const all = await get(`/v1/health/service/${encodeURIComponent(name)}`);
  const rows = all.flatMap(({ Node, Service, Checks }) => {
    const worst = Checks.map((it) => it.Status).reduce(worse, "passing");
    const about = [Service.Tags?.join(", "), meta(Service.Meta)].filter(Boolean).join("; ");
    return [
      [make("b", Service.ID), state(worst), [link("nodes", Node.Node), make("br"),
        address(Service.Address || Node.Address, Service.Port)], about],
      ...Checks.map((it) => [make("small", it.Name || it.CheckID), state(it.Status), "", make("pre", it.Output)]),
    ];
  });
  const facts = count(all.length, "instance");
  return { title: name, facts, head: ["Instance and its checks", "Health", "Where", "About"], rows };
}

async function node(name) {
  const path = encodeURIComponent(name);
  const [told, checks] = await Promise.all([
    get(`/v1/catalog/node-services/${path}`), get(`/v1/health/node/${path}`),
  ]);
  if (!told) {
    return { title: name, facts: "nobody knows this node", head: [], rows: [] };
  }
  const about = meta(told.Node.Meta);
  const rows = told.Services.map((it) => {
    const own = checks.filter((check) => check.ServiceID === it.ID);
    const worst = own.map((it) => it.Status).reduce(worse, "passing");
    const where = address(it.Address || told.Node.Address, it.Port);
    return [[link("services", it.Service), ` ${it.ID}`], state(worst), where, (it.Tags ?? []).join(", ")];
  });
  return {
    title: name,
    facts: [told.Node.Address, count(rows.length, "service"), about].filter(Boolean).join("; "),
    head: ["Service, check", "Health", "Where", "Tags, output"],
    rows: [...rows, ...checks.map(check)],
  };
}

/** What the address asks for: `#/services`, `#/nodes/NAME`, with or without a data centre before it. */
function wanted() {
  const parts = location.hash.split("/").slice(1).map(decodeURIComponent);
  const at = parts.findIndex((part) => part === "services" || part === "nodes");
  return at < 0 ? ["services"] : parts.slice(at, at + 2);
}

function show({ title, facts, head, rows, more = 0 }) {
  $("title").textContent = title;
  $("facts").textContent = facts;
  $("head").replaceChildren(make("tr", head.map((it) => make("th", it, { scope: "col" }))));
  $("rows").replaceChildren(...rows.map((row) => make("tr", row.map((it) => make("td", it)))));
  $("more").textContent = more > 0 ? `${more} more: look for a part of the name` : "";
}

let looks = 0;
let again;

async function look() {
  clearTimeout(again);
  // Whoever went elsewhere meanwhile is not shown what came too late.
  const current = ++looks;
  let trouble = null;
  try {
    const [kind, name] = wanted();
    const views = { services: name ? () => service(name) : services, nodes: name ? () => node(name) : nodes };
    const [view, self] = await Promise.all([views[kind](), get("/v1/agent/self")]);
    if (current !== looks) {
      return;
    }
    $("agent").textContent = `${self.Config.NodeName}, ${self.Config.Datacenter}, version ${self.Config.Version}`;
    for (const it of ["services", "nodes"]) {
      $(`to-${it}`).toggleAttribute("aria-current", it === kind);
    }
    $("find-line").hidden = Boolean(name);
    show(view);
    $("ask").hidden = true;
  } catch (error) {
    trouble = error;
  }
  if (current !== looks) {
    return;
  }
  $("trouble").hidden = !trouble;
  $("trouble").textContent = trouble ? `Not up to date: ${trouble.message}` : "";
  $("ask").hidden = !(trouble instanceof Refused);
  again = setTimeout(() => document.hidden || look(), PAUSE);
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  look();
});
$("find").addEventListener("input", look);
window.addEventListener("hashchange", look);
document.addEventListener("visibilitychange", () => document.hidden || look());
look();
