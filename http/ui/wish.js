// A wish: what an operator wants of the cluster, from which the node makes a plan. That changes nothing.

import { document as ask } from "./ask.js";
import { h } from "./dom.js";
import { refusal } from "./parts.js";

const node = (name, says) => ({
    name,
    says,
    options: (page) =>
        (page.look("nodes").data?.nodes ?? []).map((one) => [
            `id:${one.id}`,
            one.name === one.id ? one.id : `${one.id} ${one.name}`,
        ]),
});
const number = (name, says, attributes) => ({ name, says, attributes: { type: "number", ...attributes } });

/** Each kind of change: what it is called, what it takes, and its document. */
const KINDS = {
    add: ["A node gets its share", [node("node", "Node")], ({ node }) => ({ add: { node } })],
    remove: ["A node gives its share away and leaves", [node("node", "Node")], ({ node }) => ({ remove: { node } })],
    replace: [
        "A node takes the place of another",
        [node("old", "Leaves"), node("new", "In its place")],
        ({ old, new: other }) => ({ replace: { old, new: other } }),
    ],
    weight: [
        "A node holds another share",
        [node("node", "Node"), number("weight", "Share", { min: "0.01", max: "100", step: "any", value: "1" })],
        ({ node, weight }) => ({ weight: { node, weight: Number(weight) } }),
    ],
    table: [
        "A table has another number of copies",
        [
            {
                name: "name",
                says: "Table",
                options: (page) => (page.look("tables").data?.tables ?? []).map((one) => [one.name, one.name]),
            },
            number("n", "Copies", { min: "1", max: "15", value: "3" }),
        ],
        ({ name, n }) => ({ table: { name, n: Number(n) } }),
    ],
    balance: ["What lies unevenly is evened out", [], () => ({ balance: {} })],
};

export function newPlan(page) {
    const { kind, problem, isBusy } = page.kept("wish", { kind: "add", problem: null, isBusy: false });
    const [, takes, change] = KINDS[kind];
    const make = async (event) => {
        event.preventDefault();
        const given = Object.fromEntries(new FormData(event.currentTarget));
        page.keep("wish", { problem: null, isBusy: true });
        try {
            const plan = await ask("v1/cluster/plans", { method: "POST", document: { changes: [change(given)] } });
            page.keep("wish", { isBusy: false });
            page.go(["plans", plan.id]);
        } catch (problem) {
            page.keep("wish", { problem, isBusy: false });
        }
    };
    return h(
        "form",
        { class: "wish", onsubmit: make },
        h(
            "label",
            null,
            "Make a plan ",
            h(
                "select",
                { name: "kind", onchange: (event) => page.keep("wish", { kind: event.target.value, problem: null }) },
                Object.entries(KINDS).map(([name, [says]]) =>
                    h("option", { value: name, selected: name === kind }, says),
                ),
            ),
        ),
        takes.map((one) =>
            h(
                "label",
                { key: `${kind} ${one.name}` },
                `${one.says} `,
                one.options
                    ? h(
                          "select",
                          { name: one.name },
                          one.options(page).map(([value, says]) => h("option", { key: value, value }, says)),
                      )
                    : h("input", { name: one.name, required: true, ...one.attributes }),
            ),
        ),
        h("button", { type: "submit", disabled: isBusy }, "Preview"),
        h("span", { class: "dim" }, "A preview changes nothing."),
        problem && refusal(problem),
    );
}
