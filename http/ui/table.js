// One table: what it is, how warm its keys were over the last hour, and each of its shards.

import { keyOf, shownBound, shownKey } from "./bytes.js";
import { h } from "./dom.js";
import { heatMap } from "./heat.js";
import { facts, figure, given, link, mark, missing, panel, table as rows, tag } from "./parts.js";
import { bytes, count, counted, sentence } from "./text.js";

export const title = ([name]) => `Table ${name}`;

export const sources = ([name]) => ({
    table: { path: `v1/tables/${encodeURIComponent(name)}`, every: 10000 },
    shards: { path: `v1/tables/${encodeURIComponent(name)}/shards`, every: 10000 },
    stats: { path: `v1/tables/${encodeURIComponent(name)}/stats`, every: 10000 },
});

export const draw = (page) => [
    given(page.look("table"), (table) => what(page, table)),
    given(page.look("stats"), (stats) =>
        given(page.look("shards"), (shards) => {
            const all = joined(stats, shards);
            return [
                panel(
                    "Heat of the keys",
                    h("span", { class: "dim" }, "requests a second, minute by minute"),
                    heatMap(page, all),
                ),
                panel("Shards", h("span", { class: "dim" }, `epoch ${count(shards.epoch)}`), list(page, all)),
            ];
        }),
    ),
];

/** Each shard with what its owners hold. */
function joined(stats, { shards }) {
    const of = new Map(stats.by_shard.map((one) => [one.id, one]));
    return shards.map((shard, place) => ({ ...shard, place, ...of.get(shard.id) }));
}

function what(page, table) {
    const stats = page.look("stats").data;
    const held = stats?.purge_held_back ?? [];
    return [
        h(
            "p",
            { class: "lead" },
            link(["keys", table.name], "Its keys"),
            " · ",
            link(["ring", table.name], "Its ring"),
            stats?.unanswered.length > 0 && [" ", missing(stats.unanswered)],
        ),
        (table.accepted_losses ?? []).length > 0 &&
            h(
                "p",
                null,
                mark(
                    "warn",
                    `${counted(table.accepted_losses.length, "loss")} of it accepted: answers about those shards say eventual.`,
                ),
            ),
        h(
            "div",
            { class: "two" },
            panel(
                "What it is",
                null,
                facts([
                    [
                        "Sharding",
                        table.sharding === "range"
                            ? "range: keys in the order of their bytes"
                            : "hash: keys spread evenly",
                    ],
                    ["Copies", String(table.n), h("span", { class: "dim" }, ` r ${table.r}, w ${table.w}`)],
                    [
                        "Acknowledged means",
                        table.durability === "sync"
                            ? "synced to the disks of a quorum"
                            : "handed to the operating system of a quorum",
                    ],
                    [
                        "Values expire",
                        table.ttl
                            ? `after ${table.ttl}, unless they say otherwise`
                            : "never, unless they say otherwise",
                    ],
                    [
                        "A shard is split",
                        table.shard_bytes_max
                            ? `beyond ${bytes(table.shard_bytes_max)}`
                            : "as the nodes are configured",
                    ],
                ]),
            ),
            panel(
                "What it holds",
                null,
                facts([
                    ["Keys", stats?.exact === false && "at least ", count(stats?.keys)],
                    ["Removals kept", count(stats?.removals)],
                    ["Data of one copy", bytes(stats?.bytes)],
                    ["Load/s", count(stats?.by_shard.reduce((all, one) => all + one.load, 0))],
                    ["Shards", count(table.shards)],
                    held.length > 0 && [
                        "Removals that wait",
                        held.map((one) =>
                            sentence(
                                `${counted(one.removals, "removal")} in ${counted(one.shards, "shard")}: ${one.by ? `${one.by} is away or not whole` : "the shards move"}`,
                            ),
                        ),
                    ],
                ]),
            ),
        ),
    ];
}

function list(page, all) {
    const columns = [
        {
            name: "Shard",
            by: (one) => one.place,
            cell: (one) => [one.id, one.next?.length > 0 && tag(`moves to ${one.next.join(", ")}`)],
        },
        { name: "From", cell: (one) => shownBound(one.start) },
        {
            name: "Owners",
            cell: (one) => one.owners.map((owner, at) => [at > 0 && " ", link(["nodes", owner], owner)]),
        },
        {
            name: "Keys",
            right: true,
            by: (one) => one.keys,
            cell: (one) => [one.exact === false && "≥ ", count(one.keys)],
        },
        figure("Removals", (one) => one.removals),
        figure("Data", (one) => one.bytes, bytes),
        figure("Load/s", (one) => one.load),
        {
            name: "Hot",
            cell: (one) => [
                one.hot_key && [mark("warn", "one key: "), shownKey(keyOf(one.hot_key), 32)],
                one.grows && mark("warn", "grows at its end"),
                !one.hot_key && !one.grows && h("span", { class: "dim" }, "–"),
            ],
        },
    ];
    return rows(page, "shards", columns, all, (one) => one.id, "Shards");
}
