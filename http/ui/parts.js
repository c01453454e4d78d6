// What several views are made of: panels, tables, marks, and what stands where something is not known.

import { h } from "./dom.js";
import { clock, count, listed } from "./text.js";

/** A part of a page with a heading; `beside`: what stands at the right of it. */
export const panel = (title, beside, ...children) =>
    h("section", { class: "panel" }, h("header", null, h("h2", null, title), beside), children);

/** Names and what they are. */
export const facts = (pairs) =>
    h(
        "dl",
        { class: "facts" },
        pairs.filter(Boolean).map(([name, ...is]) => h("div", null, h("dt", null, name), h("dd", null, is))),
    );

const MARKS = {
    good: "M3 8.5l3.2 3L13 4.5",
    warn: "M8 2.5L14.5 13.5H1.5zM8 6.5v3.5M8 11.8v.2",
    bad: "M4 4l8 8M12 4l-8 8",
    busy: "M13.5 8A5.5 5.5 0 1 1 8 2.5",
    off: "M3.5 8h9",
};

/** A mark that is told by its form as well as by its colour, and what it means. */
export const mark = (tone, ...text) =>
    h(
        "span",
        { class: `mark ${tone}` },
        h("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, h("path", { d: MARKS[tone] })),
        text,
    );

/** The tables that a view can be of; the one of this name is shown. */
export const choices = (view, tables, name) =>
    h(
        "nav",
        { class: "choices", "aria-label": "Tables" },
        tables.map((one) =>
            h(
                "a",
                {
                    key: `table ${one.name}`,
                    href: `#/${view}/${one.name}`,
                    "aria-current": one.name === name && "true",
                },
                one.name,
            ),
        ),
    );

/** A word in a frame. */
export const tag = (...text) => h("span", { class: "tag" }, text);

/** A part of a whole, as a bar with its text beside it. */
export const bar = (part, text, tone = "") =>
    h(
        "span",
        { class: "bar" },
        h(
            "span",
            { class: `track ${tone}`, "aria-hidden": "true" },
            h("span", { style: { width: `${Math.min(100, Math.max(0, part * 100))}%` } }),
        ),
        h("span", { class: "of" }, text),
    );

/** What is said where there is nothing to show. */
export const nothing = (...text) => h("p", { class: "nothing" }, text);

/** A refusal, in the node's own words. */
export const refusal = (problem) =>
    h(
        "div",
        { class: "refusal", role: "status" },
        mark("warn", h("b", null, problem.code || "no answer")),
        " ",
        problem.status === 403 ? "Your token may not see this: " : "",
        problem.message,
    );

/** What a source says, drawn by `drawn`; or why nothing is known of it, and since when what is shown is not new. */
export function given(look, drawn) {
    const stale =
        look.problem &&
        look.data &&
        h(
            "p",
            { class: "stale" },
            mark("warn"),
            `As of ${clock(look.at)}: since then the node says: ${look.problem.message}`,
        );
    if (look.data) return [stale, drawn(look.data)];
    return look.problem ? refusal(look.problem) : h("p", { class: "nothing" }, "Asking …");
}

/** That some nodes did not answer. */
export const missing = (names) =>
    mark(
        "warn",
        `${listed(names)} did not answer: what only ${names.length === 1 ? "it knows" : "they know"} is missing.`,
    );

/** A link to another view. */
export const link = (to, ...text) => h("a", { href: `#/${to.map(encodeURIComponent).join("/")}` }, text);

/** A button. */
export const button = (text, onclick, attributes = {}) => h("button", { type: "button", onclick, ...attributes }, text);

/** A column of numbers: what is sorted by, in the words of `as`. */
export const figure = (name, by, as = count, says = undefined) => ({
    name,
    by,
    right: true,
    says,
    cell: (row) => as(by(row)),
});

/** A column that shows the word that it is sorted by. */
export const word = (name, by) => ({ name, by, cell: by });

/** Rows that are drawn at once; the rest comes when it is asked for. */
const ROWS_MAX = 100;

/**
 * A table. A column has a `name`, `cell(row)`, perhaps `by(row)` to sort by and `right` for numbers; on a narrow screen
 * each row is a card, and each cell says its name. `page` keeps what it is sorted by.
 */
export function table(page, id, columns, rows, keyOf, label) {
    const { sorted, isDown, all } = page.kept(id, { sorted: null, isDown: false, all: false });
    const column = columns.find((one) => one.name === sorted);
    let shown = rows;
    if (column) {
        const way = isDown ? -1 : 1;
        const isAbsent = (value) => value === null || value === undefined;
        shown = rows.toSorted((a, b) => {
            const [x, y] = [column.by(a), column.by(b)];
            if (isAbsent(x) || isAbsent(y)) return isAbsent(x) - isAbsent(y);
            return way * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y);
        });
    }
    const turn = (name) => {
        const isSame = sorted === name;
        // Numbers: the largest first.
        const first = columns.find((one) => one.name === name).right === true;
        if (isSame && isDown !== first) page.keep(id, { sorted: null });
        else page.keep(id, { sorted: name, isDown: isSame ? !isDown : first });
    };
    const head = columns.map((one) => {
        const sort = sorted === one.name ? (isDown ? "descending" : "ascending") : null;
        const arrow = sort && h("span", { class: "arrow", "aria-hidden": "true" }, isDown ? "↓" : "↑");
        const name = one.by ? button([one.name, arrow], () => turn(one.name)) : one.name;
        return h("th", { scope: "col", class: one.right && "right", "aria-sort": sort, title: one.says }, name);
    });
    const some = all ? shown : shown.slice(0, ROWS_MAX);
    const body = some.map((row) =>
        h(
            "tr",
            { key: `row ${keyOf(row)}` },
            columns.map((one, at) =>
                h(
                    at === 0 ? "th" : "td",
                    { scope: at === 0 && "row", class: one.right && "right", "data-name": one.name },
                    one.cell(row),
                ),
            ),
        ),
    );
    return [
        h(
            "div",
            { class: "rows" },
            h("table", { "aria-label": label }, h("thead", null, h("tr", null, head)), h("tbody", null, body)),
        ),
        shown.length > some.length &&
            h(
                "p",
                { class: "more" },
                `${count(some.length)} of ${count(shown.length)} rows. `,
                button("Show all", () => page.keep(id, { all: true })),
            ),
    ];
}
