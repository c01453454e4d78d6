// The members: what the catalog says of each, what the answering node sees, and what it says of itself.

import { h } from "./dom.js";
import { bar, facts, figure, given, link, mark, missing, nothing, panel, refusal, table, tag, word } from "./parts.js";
import { CAUSES } from "./rates.js";
import { bytes, count, counted, latency, rate, sentence, span } from "./text.js";

export const title = ([id]) => (id ? `Node ${id}` : "Nodes");

export const sources = ([id]) =>
    id
        ? {
              node: { path: `v1/cluster/nodes/${encodeURIComponent(id)}`, every: 4000 },
              safe: { path: `v1/cluster/nodes/${encodeURIComponent(id)}/safe-to-stop`, every: 10000 },
          }
        : {};

export const draw = (page) => {
    const [id] = page.names;
    if (id) return given(page.look("node"), (node) => one(page, node));
    return given(page.look("nodes"), (document) => all(page, document));
};

/** How a member is: a tone and a word. */
export function state(node) {
    if (node.membership === "banned") return ["off", "banned"];
    if (node.state === "down") return ["bad", "down"];
    if (node.doubt) return ["bad", `doubtful (${node.doubt})`];
    if (node.disk_full) return ["bad", "disk full"];
    if (node.healing) return ["busy", `fills itself, ${count(node.healing.whole)} of ${count(node.healing.shards)}`];
    if (node.why) return ["warn", node.why.replace("-", " ")];
    if (node.membership === "leaving") return ["busy", "leaving"];
    if (node.drained) return ["off", "drained"];
    if (node.receiving > 0) return ["busy", `receives ${count(node.receiving)}`];
    return ["good", "up"];
}

function all(page, document) {
    const { wanted } = page.kept("nodes filter", { wanted: "" });
    const has = (node) =>
        [node.id, node.name, node.zone, state(node)[1]].some((text) =>
            text.toLowerCase().includes(wanted.toLowerCase()),
        );
    const rows = document.nodes.filter(has);
    const silent = document.unanswered;
    return [
        h(
            "p",
            { class: "lead" },
            `${counted(document.nodes.length, "node")} in ${counted(new Set(document.nodes.map((node) => node.zone)).size, "zone")}, as ${document.seen_by} sees them. `,
            silent.length > 0 && missing(silent),
        ),
        document.nodes.length > 12 &&
            h(
                "p",
                null,
                h(
                    "label",
                    null,
                    "Only ",
                    h("input", {
                        type: "search",
                        placeholder: "id, name, zone or state",
                        oninput: (event) => page.keep("nodes filter", { wanted: event.target.value }),
                    }),
                ),
            ),
        panel("Nodes", null, rows.length === 0 ? nothing("None is like that.") : nodeTable(page, "nodes", rows, false)),
    ];
}

/** Nodes as a table; `isShort`: without what the first page has no room for. */
export function nodeTable(page, id, nodes, isShort) {
    const figures = new Map(nodes.map((node) => [node.id, page.rates.of(node.id)]));
    const of = (node, name) => figures.get(node.id)?.[name];
    const columns = [
        {
            name: "Node",
            by: (node) => node.id,
            cell: (node) => [
                link(["nodes", node.id], node.id),
                node.name !== node.id && h("span", { class: "dim" }, ` ${node.name}`),
                node.leader && tag("leader"),
                node.id === page.look("nodes").data?.seen_by && tag("answers"),
            ],
        },
        { name: "State", by: (node) => state(node)[1], cell: (node) => mark(...state(node)) },
        word("Zone", (node) => node.zone),
        figure("Requests/s", (node) => of(node, "total"), rate, "Requests for keys that it answers its clients"),
        figure("Reads p99", (node) => of(node, "readsP99"), latency),
        figure("Writes p99", (node) => of(node, "writesP99"), latency),
        figure("Load/s", (node) => node.load, rate, "Requests that it carries out as an owner"),
        figure("Data", (node) => node.bytes, bytes),
        figure("Free", (node) => node.free_bytes, bytes),
        figure("Copies", (node) => node.shards, count, "Copies of shards that it should hold"),
        figure("Hints", (node) => node.hints, count, "Hints that wait for it"),
        figure(
            "Phi",
            (node) => node.phi,
            phi,
            "How surprising its silence is: from 5 on it is asked last, from 8 on it is down",
        ),
        !isShort && figure("Weight", (node) => node.weight, String),
        !isShort && { name: "Version", by: (node) => node.version, cell: (node) => node.version ?? "–" },
    ];
    return table(page, id, columns.filter(Boolean), nodes, (node) => node.id, "Nodes");
}

const phi = (number) => {
    if (number === null || number === undefined) return "–";
    return number >= 5 ? mark(number >= 8 ? "bad" : "warn", number.toFixed(1)) : number.toFixed(1);
};

function one(page, node) {
    const figures = page.rates.of(node.id);
    const kept = Object.entries(node.hints_kept ?? {});
    const free = node.free_bytes !== null && node.bytes !== null && node.bytes / (node.bytes + node.free_bytes);
    return [
        h(
            "p",
            { class: "lead" },
            mark(...state(node)),
            node.reason && ` ${sentence(node.reason)}`,
            node.error && ` It did not say how it is: ${sentence(node.error)}`,
        ),
        safe(page.look("safe")),
        h(
            "div",
            { class: "two" },
            panel(
                "What it is",
                null,
                facts([
                    ["Id and name", node.id, node.name !== node.id && ` ${node.name}`],
                    ["Zone", node.zone],
                    [
                        "Weight",
                        String(node.weight),
                        h("span", { class: "dim" }, node.tokens && `, ${counted(node.tokens.length, "virtual node")}`),
                    ],
                    ["Clients reach it at", h("code", null, node.address ?? "not known")],
                    ["Peers reach it at", h("code", null, node.peer_address ?? "not known")],
                    [
                        "Catalog",
                        node.voter ? "votes" : "does not vote",
                        node.leader && " and leads",
                        node.epoch !== null && `, epoch ${count(node.epoch)}`,
                    ],
                    ["Incarnation", String(node.incarnation), `, member since epoch ${count(node.joined_epoch)}`],
                    ["Version", node.version ?? "not known"],
                ]),
            ),
            panel(
                "What it does",
                null,
                facts([
                    [
                        "Requests/s from clients",
                        rate(figures?.total),
                        figures &&
                            h(
                                "span",
                                { class: "dim" },
                                ` reads ${rate(figures.reads)}, writes ${rate(figures.writes)}, scans ${rate(figures.scans)}`,
                            ),
                    ],
                    ["Reads p50 / p99", latency(figures?.readsP50), " / ", latency(figures?.readsP99)],
                    ["Writes p50 / p99", latency(figures?.writesP50), " / ", latency(figures?.writesP99)],
                    ["Load/s as an owner", rate(node.load)],
                    [
                        "Silent for",
                        node.silent_ms === null ? "ever, for the node that answers" : span(node.silent_ms),
                        ", phi ",
                        phi(node.phi),
                    ],
                    [
                        "Copies of shards",
                        count(node.shards),
                        node.receiving > 0 && `, receives ${count(node.receiving)} more`,
                    ],
                    ["Keys", count(node.keys), node.keys_exact === false && " at least: it still counts"],
                    [
                        "Data and free disk",
                        free === false
                            ? bytes(node.bytes)
                            : bar(free, `${bytes(node.bytes)} held, ${bytes(node.free_bytes)} free`),
                    ],
                ]),
            ),
        ),
        node.healing &&
            panel(
                "It fills itself",
                null,
                bar(
                    node.healing.whole / Math.max(1, node.healing.shards),
                    `${count(node.healing.whole)} of ${counted(node.healing.shards, "shard")} whole, ${counted(node.healing.records, "record")} taken`,
                ),
                node.healing.waits_for && h("p", null, `Waits: ${sentence(node.healing.waits_for)}`),
            ),
        h(
            "div",
            { class: "two" },
            panel(
                "Hints",
                null,
                facts([
                    ["Wait for it", count(node.hints)],
                    [
                        "It keeps for others",
                        kept.length === 0
                            ? "none"
                            : kept.map(([owner, number]) => `${count(number)} for ${owner}`).join(", "),
                    ],
                    node.hints_overflow !== undefined && [
                        "It could not keep",
                        count(node.hints_overflow),
                        h("span", { class: "dim" }, " since its folder was made"),
                    ],
                ]),
            ),
            panel("Requests since its process began", null, outcomes(node.traffic)),
        ),
    ];
}

function safe(look) {
    if (look.data) return h("p", null, mark("good", "It may be stopped: every shard keeps its quorum without it."));
    if (look.problem?.status === 503) return h("p", null, mark("warn", sentence(look.problem.message)));
    return look.problem ? refusal(look.problem) : null;
}

function outcomes(traffic) {
    if (!traffic) return nothing("It does not say.");
    const words = { ok: "done", not_found: "no such key", refused: "refused for what they said", ...CAUSES };
    const rows = ["reads", "writes", "scans"].map((kind) => {
        const all = Object.entries(traffic[kind].outcomes).map(
            ([outcome, number]) => `${words[outcome] ?? outcome} ${count(number)}`,
        );
        return [kind[0].toUpperCase() + kind.slice(1), all.join(", ") || "none"];
    });
    return facts(rows);
}
