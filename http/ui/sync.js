// Hints that wait, and when owners were last found equal.

import { h } from "./dom.js";
import { figure, given, link, mark, missing, nothing, panel, table } from "./parts.js";
import { ago, count, counted } from "./text.js";

export const title = () => "Hints and sync";

export const sources = () => ({ sync: { path: "v1/sync", every: 6000 } });

export const draw = (page) => [
    given(page.look("nodes"), (nodes) =>
        panel(
            "Hints",
            h("span", { class: "dim" }, "records kept for owners that did not acknowledge them"),
            hints(page, nodes),
        ),
    ),
    given(page.look("sync"), (sync) =>
        panel(
            "Owners compared",
            h("span", { class: "dim" }, "shards with several owners, in the background"),
            sync.unanswered.length > 0 && h("p", null, missing(sync.unanswered.map((one) => one.node))),
            sync.tables.length === 0 ? nothing("There is no table yet.") : tables(page, sync.tables),
        ),
    ),
];

function hints(page, { nodes }) {
    const waiting = nodes.filter((node) => node.hints > 0);
    const kept = nodes.flatMap((node) =>
        Object.entries(node.hints_kept ?? {}).map(([owner, number]) => ({ keeper: node.id, owner, number })),
    );
    const lost = nodes.filter((node) => node.hints_overflow > 0);
    const columns = [
        { name: "Kept by", by: (one) => one.keeper, cell: (one) => link(["nodes", one.keeper], one.keeper) },
        { name: "For", by: (one) => one.owner, cell: (one) => link(["nodes", one.owner], one.owner) },
        figure("Hints", (one) => one.number),
    ];
    return [
        h(
            "p",
            { id: "hints" },
            waiting.length === 0
                ? mark("good", "No hint waits.")
                : mark(
                      "warn",
                      `${waiting.map((node) => `${counted(node.hints, "hint")} for ${node.id}`).join(", ")}: they are handed over once it is reached.`,
                  ),
        ),
        kept.length > 0 && table(page, "hints", columns, kept, (one) => `${one.keeper} ${one.owner}`, "Hints"),
        lost.length > 0 &&
            h(
                "p",
                null,
                mark(
                    "warn",
                    `${lost.map((node) => `${node.id} could not keep ${count(node.hints_overflow)}`).join(", ")} since its folder was made; sync brings those owners together.`,
                ),
            ),
    ];
}

function tables(page, all) {
    const columns = [
        { name: "Table", by: (one) => one.name, cell: (one) => link(["tables", one.name], one.name) },
        figure("Shards", (one) => one.shards),
        {
            name: "Looked after",
            right: true,
            by: (one) => one.looked_after,
            cell: (one) =>
                one.looked_after < one.shards ? mark("warn", count(one.looked_after)) : count(one.looked_after),
        },
        {
            name: "Never equal yet",
            right: true,
            says: "Not found equal in this run of the process that compares them",
            by: (one) => one.never_equal,
            cell: (one) => (one.never_equal > 0 ? mark("warn", count(one.never_equal)) : "0"),
        },
        {
            name: "Oldest proof",
            by: (one) => (one.oldest_equal_at ? -Date.parse(one.oldest_equal_at) : null),
            cell: (one) => ago(one.oldest_equal_at),
        },
        figure(
            "Differences found",
            (one) => one.differences,
            count,
            "Records found at one owner only, since each member started",
        ),
        { name: "Last job", cell: (one) => h("code", { class: "dim" }, one.last_job ?? "none") },
    ];
    return table(page, "sync", columns, all, (one) => one.name, "Owners compared");
}
