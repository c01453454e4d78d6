// The heat of a table: keys from top to bottom, the last hour from left to right, the darker the more requests.
//
// A row is a shard, or of many shards a run of neighbours, of which the hottest counts. A cell can be reached with the
// arrow keys; what it says stands below. The nodes keep an hour of minutes; what a shard did now is the last column.

import { shownBound } from "./bytes.js";
import { h } from "./dom.js";
import { nothing } from "./parts.js";
import { counted, rate } from "./text.js";

const ROWS_MAX = 160;
const COLUMNS = 60;

/** The rows: runs of neighbours, each with its columns, the latest last. */
function lines(shards) {
    const each = Math.ceil(shards.length / ROWS_MAX);
    const all = [];
    for (let at = 0; at < shards.length; at += each) {
        const run = shards.slice(at, at + each);
        const columns = Array.from({ length: COLUMNS }, (_, back) =>
            Math.max(
                ...run.map((one) =>
                    back === COLUMNS - 1 ? (one.load ?? 0) : ((one.heat ?? []).at(back - COLUMNS + 1) ?? 0),
                ),
            ),
        );
        all.push({ first: run[0], last: run.at(-1), columns, size: run.length });
    }
    return all;
}

export function heatMap(page, shards) {
    const rows = lines(shards);
    const most = Math.max(0, ...rows.flatMap((row) => row.columns));
    if (!shards.some((one) => one.counted_by)) return nothing("No owner has answered yet.");
    const { row, column } = page.kept("heat", { row: null, column: COLUMNS - 1 });
    const at = row === null || row >= rows.length ? null : { row, column };
    const point = (event) => {
        const box = event.currentTarget.getBoundingClientRect();
        const part = (offset, size, of) => Math.min(of - 1, Math.max(0, Math.floor((offset / size) * of)));
        page.keep("heat", {
            row: part(event.clientY - box.top, box.height, rows.length),
            column: part(event.clientX - box.left, box.width, COLUMNS),
        });
    };
    const step = (event) => {
        const way = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
        if (!way) return;
        event.preventDefault();
        const within = (number, of) => Math.min(of - 1, Math.max(0, number));
        page.keep("heat", {
            row: within((row ?? -1) + (row === null ? 1 : way[0]), rows.length),
            column: within(column + way[1], COLUMNS),
        });
    };
    return h(
        "figure",
        { class: "heat" },
        h(
            "div",
            { class: "field" },
            h(
                "div",
                { class: "ends dim", "aria-hidden": "true" },
                h("span", null, shownBound(shards[0].start)),
                h("span", null, rows.length > 2 && shownBound(rows[Math.floor(rows.length / 2)].first.start)),
                h("span", null, shownBound(shards.at(-1).end)),
            ),
            h("canvas", {
                id: "heat",
                tabindex: "0",
                role: "img",
                onpointermove: point,
                onkeydown: step,
                style: { height: `${Math.min(340, Math.max(96, rows.length * 12))}px` },
                "aria-label": `Heat of ${counted(shards.length, "shard")} over the last hour, at most ${rate(most)} requests a second; arrow keys go from cell to cell`,
                ref: (canvas) => paint(canvas, rows, most, at),
            }),
        ),
        h("div", { class: "times", "aria-hidden": "true" }, h("span", null, "1 h ago"), h("span", null, "now")),
        h(
            "figcaption",
            null,
            h(
                "span",
                { class: "ramp", "aria-hidden": "true" },
                Array.from({ length: 6 }, (_, step) => h("i", { class: `h${step}` })),
            ),
            ` ${most > 0 ? `0 to ${rate(most)}` : "no"} requests a second`,
            h(
                "span",
                { class: "dim", "aria-live": "polite" },
                at
                    ? [" · ", cell(rows[at.row], at.column)]
                    : rows.length < shards.length
                      ? ` · a row is up to ${rows[0].size} shards, of which the hottest counts`
                      : "",
            ),
        ),
    );
}

const cell = (row, column) => [
    column === COLUMNS - 1 ? "now" : `${COLUMNS - 1 - column} min ago`,
    ", ",
    row.size === 1 ? row.first.id : `${row.first.id} to ${row.last.id}`,
    " from ",
    shownBound(row.first.start),
    ": ",
    h("b", null, rate(row.columns[column])),
    " requests a second",
];

/** Fills the cells in the colours of the page, on a scale on which a tenth of the most can still be seen. */
function paint(canvas, rows, most, at) {
    const style = getComputedStyle(canvas);
    const ramp = Array.from({ length: 6 }, (_, step) => style.getPropertyValue(`--h${step}`).trim());
    const ratio = globalThis.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const context = canvas.getContext("2d");
    context.fillStyle = ramp[0];
    context.fillRect(0, 0, width, height);
    const x = (column) => Math.round((column / COLUMNS) * width);
    const y = (row) => Math.round((row / rows.length) * height);
    const gap = rows.length > 60 ? 0 : 1;
    rows.forEach((row, down) =>
        row.columns.forEach((value, column) => {
            if (value <= 0 || most <= 0) return;
            const step = Math.min(5, Math.max(1, Math.ceil(Math.sqrt(value / most) * 5)));
            context.fillStyle = ramp[step];
            context.fillRect(x(column), y(down), x(column + 1) - x(column) - gap, y(down + 1) - y(down) - gap);
        }),
    );
    if (!at) return;
    context.strokeStyle = style.color;
    context.lineWidth = ratio;
    context.strokeRect(
        x(at.column) + 0.5,
        y(at.row) + 0.5,
        Math.max(3, x(at.column + 1) - x(at.column) - 1),
        Math.max(3, y(at.row + 1) - y(at.row) - 1),
    );
}
