// The first page: how the cluster is, in a sentence; what is at risk; what it does now.

import { chart, spark } from "./chart.js";
import { h } from "./dom.js";
import { isRunning, progress } from "./jobs.js";
import { nodeTable, state } from "./nodes.js";
import { given, link, mark, nothing, panel } from "./parts.js";
import { CAUSES } from "./rates.js";
import { ago, bytes, count, counted, latency, listed, rate, sentence } from "./text.js";

export const title = () => "Overview";

export const sources = () => ({ jobs: { path: "v1/jobs", every: 4000 }, tables: { path: "v1/tables", every: 10000 } });

const NODES_SHOWN = 12;

export const draw = (page) => [
    given(page.look("cluster"), health),
    tiles(page),
    h(
        "div",
        { class: "two" },
        panel("Requests a second", null, requests(page)),
        panel("Latency at the nodes", h("span", { class: "dim" }, "of about 10 s"), latencies(page)),
    ),
    page.rates.history.some((point) => point.failed > 0) && panel("Errors a second, by cause", null, errors(page)),
    given(page.look("nodes"), (nodes) =>
        panel("Nodes", link(["nodes"], "All of them"), nodeTable(page, "overview nodes", some(nodes.nodes), true)),
    ),
    h(
        "div",
        { class: "two" },
        given(page.look("jobs"), (jobs) => running(page, jobs)),
        given(page.look("tables"), tables),
    ),
];

/** How grave it is: requests are refused, something is wrong, nothing is. */
export function tone(cluster) {
    if (cluster.healthy) return "good";
    return cluster.shards_refusing_reads + cluster.shards_refusing_writes > 0 ? "bad" : "warn";
}

/** The nodes that there is room for: those that are not well first. */
const some = (nodes) =>
    nodes.length <= NODES_SHOWN
        ? nodes
        : nodes.toSorted((a, b) => (state(a)[0] === "good") - (state(b)[0] === "good")).slice(0, NODES_SHOWN);

function health(cluster) {
    const [reads, writes] = [cluster.shards_refusing_reads, cluster.shards_refusing_writes];
    const of = (number) =>
        `${count(number)} of ${counted(cluster.shards, "shard")} ${number === 1 ? "refuses" : "refuse"}`;
    const refusing =
        reads === writes
            ? [reads > 0 && `${of(reads)} reads and writes`]
            : [reads > 0 && `${of(reads)} reads`, writes > 0 && `${of(writes)} writes`];
    // One alone stands in the sentence.
    const risks = cluster.at_risk.length > 1 ? cluster.at_risk : [];
    const notes = [
        ...(cluster.accepted_losses ?? []),
        ...(cluster.recoveries ?? []).map(
            (one) => `the catalog went on without ${listed(one.lost)} ${ago(one.at)}, by what ${one.by} knew`,
        ),
        cluster.here.hints_overflow > 0 &&
            `${cluster.node} could not keep ${counted(cluster.here.hints_overflow, "hint")} since its folder was made`,
    ].filter(Boolean);
    return h(
        "section",
        { class: `health ${tone(cluster)}`, "aria-label": "Health" },
        h("p", { class: "says", id: "health" }, mark(tone(cluster)), h("span", null, sentence(cluster.health))),
        refusing.some(Boolean) && h("p", null, h("b", null, sentence(listed(refusing.filter(Boolean))))),
        risks.length > 0 &&
            h(
                "div",
                null,
                h("h2", null, "At risk"),
                h(
                    "ul",
                    null,
                    risks.map((risk) => h("li", null, sentence(risk))),
                ),
            ),
        notes.length > 0 &&
            h(
                "div",
                null,
                h("h2", null, "To know"),
                h(
                    "ul",
                    null,
                    notes.map((note) => h("li", null, sentence(note))),
                ),
            ),
    );
}

function tiles(page) {
    const { now, history, hasAny } = page.rates;
    const tile = (name, figure, says, of, tone) =>
        h(
            "div",
            { class: of ? "tile drawn" : "tile" },
            h("h2", null, name),
            h("p", { class: "figure" }, figure),
            h("p", { class: "dim" }, says),
            of && spark(history, of, tone),
        );
    const waiting = hasAny === false ? "the nodes do not say" : now ? null : "after two looks";
    const causes = Object.entries(CAUSES)
        .filter(([cause]) => now?.errors[cause] > 0)
        .map(([cause, says]) => `${says} ${rate(now.errors[cause])}`);
    const nodes = page.look("nodes").data?.nodes ?? [];
    const cluster = page.look("cluster").data;
    const hints = nodes.reduce((all, node) => all + node.hints, 0);
    const owed = nodes.filter((node) => node.hints > 0).map((node) => node.id);
    const held = nodes.reduce((all, node) => all + (node.bytes ?? 0), 0);
    return h(
        "div",
        { class: "tiles" },
        tile(
            "Requests/s",
            rate(now?.total),
            waiting ?? `reads ${rate(now.reads)} · writes ${rate(now.writes)} · scans ${rate(now.scans)}`,
            (point) => point.total,
            "reads",
        ),
        tile(
            "Reads, p99",
            latency(now?.readsP99),
            waiting ?? `p50 ${latency(now.readsP50)}`,
            (point) => point.readsP99,
            "reads",
        ),
        tile(
            "Writes, p99",
            latency(now?.writesP99),
            waiting ?? `p50 ${latency(now.writesP50)}`,
            (point) => point.writesP99,
            "writes",
        ),
        tile("Errors/s", rate(now?.failed), waiting ?? (listed(causes) || "none"), (point) => point.failed, "failed"),
        tile(
            "Shards",
            count(cluster?.shards),
            cluster?.shards_moving > 0 ? `${count(cluster.shards_moving)} move now` : "none moves",
        ),
        tile(
            "Hints waiting",
            count(hints),
            owed.length > 0 ? `for ${listed(owed)}` : `${bytes(held)} held by all copies`,
        ),
    );
}

const requests = (page) =>
    chart(
        page,
        "requests",
        [
            { name: "Reads", tone: "reads", of: (point) => point.reads },
            { name: "Writes", tone: "writes", of: (point) => point.writes },
            { name: "Scans", tone: "scans", of: (point) => point.scans },
        ],
        page.rates.history,
        rate,
    );

const latencies = (page) =>
    chart(
        page,
        "latency",
        [
            { name: "Reads p50", tone: "reads low", of: (point) => point.readsP50 },
            { name: "Reads p99", tone: "reads", of: (point) => point.readsP99 },
            { name: "Writes p50", tone: "writes low", of: (point) => point.writesP50 },
            { name: "Writes p99", tone: "writes", of: (point) => point.writesP99 },
        ],
        page.rates.history,
        latency,
    );

function errors(page) {
    const tones = ["failed", "writes", "scans", "reads", "bug"];
    const lines = Object.entries(CAUSES).map(([cause, name], at) => ({
        name,
        tone: tones[at],
        of: (point) => point.errors[cause],
    }));
    const seen = lines.filter((line) => page.rates.history.some((point) => !point.gap && line.of(point) > 0));
    return chart(page, "errors", seen, page.rates.history, rate);
}

function running(page, jobs) {
    const at = [...jobs.moves, ...jobs.jobs].filter(isRunning);
    return panel(
        "Jobs",
        link(["jobs"], "All of them"),
        at.length === 0 ? nothing("None runs.") : at.map((job) => progress(job)),
    );
}

const tables = (tables) =>
    panel(
        "Tables",
        link(["tables"], "All of them"),
        tables.tables.length === 0
            ? nothing("There is none yet. ", h("code", null, "quorate table create NAME"), " makes one.")
            : h(
                  "ul",
                  { class: "names" },
                  tables.tables
                      .slice(0, 24)
                      .map((one) =>
                          h(
                              "li",
                              { key: `table ${one.name}` },
                              link(["tables", one.name], one.name),
                              h("span", { class: "dim" }, ` ${one.sharding}, ${counted(one.shards, "shard")}`),
                          ),
                      ),
              ),
    );
