// The tables: what each is, and what it holds, which its owners are asked for.

import { h } from "./dom.js";
import { figure, given, link, nothing, panel, table, tag, word } from "./parts.js";
import { bytes, count } from "./text.js";

export const title = () => "Tables";

/** Of so many tables at once the owners are asked what they hold: each question goes to every owner of a table. */
const COUNTED_MAX = 12;

export function sources(_names, page) {
    const all = { tables: { path: "v1/tables", every: 10000 } };
    for (const one of chosen(page)) all[`stats ${one.name}`] = { path: `v1/tables/${one.name}/stats`, every: 10000 };
    return all;
}

/** The tables that are named so, and of these the first ones. */
function chosen(page) {
    const { wanted } = page.kept("tables filter", { wanted: "" });
    const all = page.look("tables").data?.tables ?? [];
    return all.filter((one) => one.name.includes(wanted)).slice(0, COUNTED_MAX);
}

export const draw = (page) =>
    given(page.look("tables"), ({ tables }) => {
        const { wanted } = page.kept("tables filter", { wanted: "" });
        const rows = tables.filter((one) => one.name.includes(wanted));
        return [
            tables.length > COUNTED_MAX &&
                h(
                    "p",
                    null,
                    h(
                        "label",
                        null,
                        "Only ",
                        h("input", {
                            type: "search",
                            placeholder: "a part of the name",
                            oninput: (event) => page.keep("tables filter", { wanted: event.target.value.trim() }),
                        }),
                    ),
                    ` What they hold is asked for of the first ${COUNTED_MAX}.`,
                ),
            panel(
                "Tables",
                null,
                rows.length === 0
                    ? nothing(tables.length === 0 ? "There is none yet." : "None is named so.")
                    : list(page, rows),
            ),
        ];
    });

function list(page, rows) {
    const stats = (one) => page.look(`stats ${one.name}`).data;
    const load = (one) => stats(one)?.by_shard.reduce((all, shard) => all + shard.load, 0);
    const columns = [
        {
            name: "Table",
            by: (one) => one.name,
            cell: (one) => [
                link(["tables", one.name], one.name),
                one.accepted_losses?.length > 0 && tag("accepted loss"),
            ],
        },
        word("Sharding", (one) => one.sharding),
        figure("N", (one) => one.n, String),
        { name: "R / W", cell: (one) => `${one.r} / ${one.w}` },
        word("Durability", (one) => one.durability),
        { name: "TTL", cell: (one) => one.ttl ?? "none" },
        figure("Shards", (one) => one.shards),
        {
            name: "Keys",
            right: true,
            by: (one) => stats(one)?.keys,
            cell: (one) => [stats(one)?.exact === false && "≥ ", count(stats(one)?.keys)],
        },
        figure("Data", (one) => stats(one)?.bytes, bytes, "Bytes of one copy, before compression"),
        figure("Load/s", load, count, "Requests a second at the busiest owner of each shard"),
        { name: "Go to", cell: (one) => [link(["keys", one.name], "keys"), " ", link(["ring", one.name], "ring")] },
    ];
    return table(page, "tables", columns, rows, (one) => one.name, "Tables");
}
