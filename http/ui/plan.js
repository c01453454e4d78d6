// The preview of a plan: what moves, what that costs, what each node has now and then. It is the screen on which an
// operator decides, in the words of `quorate cluster plan show`.

import { ask, path } from "./ask.js";
import { h } from "./dom.js";
import { button, facts, figure, given, link, mark, panel, table, word } from "./parts.js";
import { ago, bytes, count, counted, listed, sentence, span } from "./text.js";

export const title = ([id]) => `Plan ${id}`;

export const sources = ([id]) => ({ plan: { path: path`v1/cluster/plans/${id}`, every: 6000 } });

export const draw = (page) => [
    h("p", { class: "lead" }, link(["jobs"], "Jobs and plans")),
    given(page.look("plan"), (plan) => preview(page, plan)),
];

const copies = (number) => (number === 1 ? "1 copy" : `${count(number)} copies`);

/** Space that a node needs for what it gets, with a tenth more; `null`: it gets no more than it gives. */
const needs = (node) =>
    node.copies_after > node.copies_now ? Math.round(Math.max(0, node.bytes_after - node.bytes_now) * 1.1) : null;

function preview(page, plan) {
    const moves = `${copies(plan.moves)}, ${bytes(plan.bytes)}`;
    const least =
        plan.moves <= plan.minimum_moves
            ? "as few as this can be done with"
            : `the fewest possible are ${copies(plan.minimum_moves)}, ${bytes(plan.minimum_bytes)}`;
    const takes =
        plan.bytes === 0
            ? "about a second: its shards are empty, or not counted yet"
            : `about ${plan.seconds <= 1 ? "a second" : span(plan.seconds * 1000)}, at the rate at which a node takes copies in today`;
    return [
        panel(
            `${plan.type}: ${plan.moves === 0 ? "nothing moves" : `${copies(plan.moves)} of ${counted(plan.shards, "shard")} move, ${bytes(plan.bytes)}`}`,
            null,
            plan.warnings.length > 0 &&
                h(
                    "ul",
                    { class: "warnings" },
                    plan.warnings.map((one) => h("li", null, mark("warn", sentence(one)))),
                ),
            facts([
                plan.moves > 0 && ["Moves", `${moves}: ${least}`],
                plan.moves > 0 && ["Takes", takes],
                ["Space", space(plan.nodes)],
                ["Meanwhile", sentence(plan.available)],
                ...unchanged(plan.nodes),
                [
                    "Kept",
                    `made ${ago(plan.made_at)} from epoch ${count(plan.base_epoch)}, forgotten ${ago(plan.kept_until)}`,
                ],
            ]),
            h(
                "p",
                { class: "acts" },
                button(
                    "Carry out",
                    () =>
                        page.confirm({
                            question: "Carry out this plan?",
                            what: `${plan.type}: ${moves} move. ${sentence(plan.available)}`,
                            yes: "Carry out",
                            act: () => ask(`${path`v1/cluster/plans/${plan.id}`}/apply`, { method: "POST" }),
                            then: () => page.go(["jobs"]),
                        }),
                    { class: "main" },
                ),
                button("Discard", () =>
                    page.confirm({
                        question: "Forget this plan? Nothing was changed by it.",
                        what: plan.id,
                        yes: "Discard",
                        act: () => ask(path`v1/cluster/plans/${plan.id}`, { method: "DELETE" }),
                        then: () => page.go(["jobs"]),
                    }),
                ),
            ),
        ),
        panel("Each node, now and then", null, nodes(page, plan.nodes)),
    ];
}

function nodes(page, all) {
    const most = Math.max(1, ...all.flatMap((node) => [node.copies_now, node.copies_after]));
    const change = (now, after, text) =>
        h("span", { class: after === now ? "dim" : "changed" }, text, after > now ? " ↑" : after < now ? " ↓" : "");
    const columns = [
        {
            name: "Node",
            by: (node) => node.node,
            cell: (node) => [node.node, node.name !== node.node && h("span", { class: "dim" }, ` ${node.name}`)],
        },
        word("Zone", (node) => node.zone),
        figure("Copies", (node) => node.copies_now),
        {
            name: "After",
            right: true,
            by: (node) => node.copies_after,
            cell: (node) => change(node.copies_now, node.copies_after, count(node.copies_after)),
        },
        {
            name: "",
            cell: (node) =>
                h(
                    "svg",
                    { class: "before-after", viewBox: "0 0 100 14", "aria-hidden": "true" },
                    h("rect", { class: "now", y: 1, height: 5, width: (100 * node.copies_now) / most }),
                    h("rect", { class: "after", y: 8, height: 5, width: (100 * node.copies_after) / most }),
                ),
        },
        figure("Data", (node) => node.bytes_now, bytes),
        {
            name: "Data after",
            right: true,
            by: (node) => node.bytes_after,
            cell: (node) => change(node.bytes_now, node.bytes_after, bytes(node.bytes_after)),
        },
        figure("Needs", needs, bytes),
        figure("Free", (node) => node.free_bytes, bytes),
    ];
    return table(page, "plan nodes", columns, all, (node) => node.node, "Nodes now and when the plan is carried out");
}

function space(all) {
    const gets = all.filter((node) => needs(node) !== null);
    if (gets.length === 0) return "no node needs more";
    const known = gets
        .filter((node) => node.free_bytes !== null)
        .sort((a, b) => a.free_bytes - needs(a) - (b.free_bytes - needs(b)));
    const unknown = gets.filter((node) => node.free_bytes === null).map((node) => node.node);
    const [tightest] = known;
    return [
        tightest &&
            `${tightest.node} needs ${bytes(needs(tightest))} and has ${bytes(tightest.free_bytes)} free${gets.length > 1 ? ", and the others have more left" : ""}`,
        unknown.length > 0 && `how much is free on ${listed(unknown)} is not known`,
    ]
        .filter(Boolean)
        .join("; ");
}

/** Why nodes keep as many copies as they have, each reason once. */
function unchanged(all) {
    const reasons = new Map();
    for (const node of all)
        if (node.why_unchanged)
            reasons.set(node.why_unchanged, [...(reasons.get(node.why_unchanged) ?? []), node.node]);
    return [...reasons].map(([why, names]) => ["Unchanged", `${listed(names)}: ${why}`]);
}
