// The page: which view stands at which address, and what all views share.
//
//   address ──> view: title, sources, draw ──> h ──> patch
//                      │
//   Poll <─────────────┘ asks for what the view needs, and each time it has heard, all is drawn anew
//
// A view reads what was heard by `page.look`, keeps what its reader chose by `page.keep`, and changes nothing by
// itself.

import { Refused, token } from "./ask.js";
import { dialog } from "./confirm.js";
import { h, patch, visible } from "./dom.js";
import * as jobs from "./jobs.js";
import * as key from "./key.js";
import * as keys from "./keys.js";
import { login } from "./login.js";
import * as nodes from "./nodes.js";
import * as overview from "./overview.js";
import { mark } from "./parts.js";
import * as plan from "./plan.js";
import { Poll } from "./poll.js";
import { Rates } from "./rates.js";
import * as ring from "./ring.js";
import * as sync from "./sync.js";
import * as table from "./table.js";
import * as tables from "./tables.js";
import { clock, count, span } from "./text.js";

const NAVIGATION = [
    ["", "Overview"],
    ["ring", "Ring"],
    ["nodes", "Nodes"],
    ["tables", "Tables"],
    ["keys", "Keys"],
    ["jobs", "Jobs and plans"],
    ["sync", "Hints and sync"],
];

/** A large cluster is asked for its members more rarely: each such question goes to all of them. */
const NODES_MANY = 20;

const poll = new Poll(heard);
const rates = new Rates();
const kept = new Map();
const cache = new Map();
let asked = null;
let isLocked = false;

function view([first, ...names]) {
    if (first === "tables" && names.length > 0) return table;
    if (first === "keys" && names.length > 1) return key;
    return { undefined: overview, "": overview, ring, nodes, tables, keys, jobs, plans: plan, sync }[first] ?? null;
}

/** The parts of the address behind `#/`. */
function address() {
    try {
        return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
    } catch {
        return ["nowhere"];
    }
}

const hash = (to) => `#/${to.map(encodeURIComponent).join("/")}`;

const page = {
    names: [],
    rates,
    look: (name) => poll.look(name),
    /** What the reader has chosen at some place of a view, and what stands there before he has. */
    kept: (id, before = {}) => ({ ...before, ...kept.get(id) }),
    keep(id, chosen) {
        kept.set(id, { ...kept.get(id), ...chosen });
        follow();
        draw();
    },
    /** What was made for this name the last time, or is made now; the last ones are kept. */
    cached(name, make) {
        const there = cache.get(name) ?? make();
        cache.delete(name);
        cache.set(name, there);
        if (cache.size > 16) cache.delete(cache.keys().next().value);
        return there;
    },
    name: (id) => ({ requests: "Requests a second", latency: "Latency", errors: "Errors a second" })[id] ?? id,
    go: (to) => queueMicrotask(() => (location.hash = hash(to))),
    /** The same, so that the way back leads past where it was. */
    replace: (to) => queueMicrotask(() => location.replace(hash(to))),
    redraw: () => draw(),
    refresh: () => poll.go(true),
    confirm(question) {
        asked = question;
        draw();
    },
    enter() {
        isLocked = false;
        poll.stop(false);
    },
};

/** Asks for what the present view needs: first for one thing alone, so that a wrong token fails once. */
function follow() {
    const names = address();
    page.names = names.slice(1);
    const { at, problem } = poll.look("cluster");
    const isLetIn = problem ? problem.status !== 401 : at !== undefined;
    const many = (poll.look("nodes").data?.nodes.length ?? 0) > NODES_MANY;
    const own = () => ({
        nodes: { path: "v1/cluster/nodes", every: many ? 6000 : 2000 },
        ...view(names)?.sources(page.names, page),
    });
    const wanted = { cluster: { path: "v1/cluster" }, ...(isLetIn && own()) };
    const isNew =
        Object.entries(wanted).some(([name, source]) => poll.sources[name]?.path !== source.path) ||
        Object.keys(poll.sources).length !== Object.keys(wanted).length;
    if (isNew) poll.want(wanted);
    else poll.sources = wanted;
}

function heard() {
    const { data, at } = poll.look("nodes");
    if (data && at !== rates.looks.at(-1)?.at) rates.take(data.nodes, at);
    const wantsToken = [...poll.looks.values()].some(
        (look) => look.problem instanceof Refused && look.problem.status === 401,
    );
    if (wantsToken && !isLocked) {
        isLocked = true;
        poll.stop(true);
    }
    follow();
    draw();
}

function leave() {
    token.forget();
    location.reload();
}

const navigation = ([first]) =>
    h(
        "nav",
        { class: "main", "aria-label": "Views" },
        NAVIGATION.map(([to, text]) => {
            const isHere = to === first || (to === "" && first === undefined) || (to === "jobs" && first === "plans");
            return h("a", { href: `#/${to}`, "aria-current": isHere && "page" }, text);
        }),
    );

function side(names) {
    const cluster = poll.look("cluster").data;
    return h(
        "header",
        { class: "side" },
        h(
            "a",
            { class: "brand", href: "#/" },
            h("img", { src: "icon.svg", alt: "", width: 28, height: 28 }),
            h("span", null, h("b", null, "Quorate"), h("span", { class: "dim", id: "cluster" }, cluster?.name ?? "")),
        ),
        navigation(names),
        h(
            "div",
            { class: "foot" },
            cluster && h("p", null, h("b", null, cluster.node), poll.silent ? " answered" : " answers"),
            cluster &&
                h(
                    "p",
                    null,
                    cluster.leader ? `${cluster.leader} leads` : "no leader is known",
                    `, epoch ${count(cluster.epoch)}`,
                ),
            h("p", { id: "fresh" }, fresh()),
            token.get() && h("button", { type: "button", onclick: leave }, "Log out"),
        ),
    );
}

function fresh() {
    const { at } = poll.look("cluster");
    if (poll.silent) return mark("bad", "does not answer");
    return at ? h("span", { class: "dim" }, `figures of ${clock(at)}`) : h("span", { class: "dim" }, "asking …");
}

function silence() {
    if (!poll.silent) return null;
    const { at, data } = poll.look("cluster");
    const since = `since ${clock(poll.silent.since)} (${span(Date.now() - poll.silent.since)}), ${poll.silent.why}`;
    return h(
        "div",
        { class: "silence", role: "alert", id: "silence" },
        mark("bad", h("b", null, `${data?.node ?? "The node"} does not answer`), ` ${since}.`),
        at ? ` The figures are of ${clock(at)}.` : " Nothing is known yet.",
        " ",
        h("button", { type: "button", onclick: () => poll.go(true) }, "Ask again"),
    );
}

function draw() {
    const names = address();
    const chosen = view(names);
    const title = isLocked ? "Log in" : (chosen?.title(page.names) ?? "Not here");
    const name = poll.look("cluster").data?.name;
    document.title = visible(name ? `${title} · ${name}` : `${title} · Quorate`);
    patch(
        document.body,
        [
            h("a", { class: "skip", href: "#page", onclick: skip }, "Skip to the page"),
            side(names),
            h(
                "main",
                { id: "page", class: poll.silent && "silent", key: `view ${isLocked ? "login" : names.join("/")}` },
                silence(),
                isLocked
                    ? login(page, token.get() !== null)
                    : [
                          h("h1", { tabindex: "-1" }, title),
                          chosen ? chosen.draw(page) : h("p", null, "There is no such view."),
                      ],
            ),
            dialog(asked, page),
        ].filter(Boolean),
    );
}

function skip(event) {
    event.preventDefault();
    document.querySelector("h1").focus();
}

addEventListener("hashchange", () => {
    asked = null;
    follow();
    draw();
    scrollTo(0, 0);
    document.querySelector("h1")?.focus({ preventScroll: true });
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
addEventListener("resize", draw);
document.body.replaceChildren();
follow();
draw();
