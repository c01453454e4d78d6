// Lines over the last five minutes. The picture is stretched to its place; its words are not part of it.

import { h } from "./dom.js";
import { clock } from "./text.js";

const SPAN_MS = 5 * 60 * 1000;
const [WIDE, HIGH] = [1000, 100];

/** The next number of a round scale. */
function roundUp(value) {
    if (!(value > 0)) return 1;
    const ten = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 2.5, 5, 10].map((step) => step * ten).find((step) => step >= value * 0.999);
}

/** The path of some values; it is broken where there is none. */
function path(points, of, now, top) {
    let isOn = false;
    const steps = [];
    for (const point of points) {
        const value = point.gap ? null : of(point);
        if (value === null || value === undefined) {
            isOn = false;
            continue;
        }
        const x = WIDE - ((now - point.at) / SPAN_MS) * WIDE;
        const y = HIGH - (value / top) * HIGH;
        steps.push(`${isOn ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`);
        isOn = true;
    }
    return steps.join("");
}

/**
 * A chart. A line has a `name`, `of(point)` and a `tone`; `unit` says a value in words. What the pointer is over is
 * said in the legend, else the latest.
 */
export function chart(page, id, lines, points, unit) {
    const { at } = page.kept(id, { at: null });
    const now = points.at(-1)?.at ?? Date.now();
    const values = points.flatMap((point) => (point.gap ? [] : lines.map((line) => line.of(point) ?? 0)));
    const most = Math.max(...values, 0);
    const top = roundUp(most);
    const chosen = at === null ? points.findLast((point) => !point.gap) : nearest(points, now - (1 - at) * SPAN_MS);
    const over = (event) => {
        const box = event.currentTarget.getBoundingClientRect();
        page.keep(id, { at: (event.clientX - box.left) / box.width });
    };
    const cross = at !== null && chosen && WIDE - ((now - chosen.at) / SPAN_MS) * WIDE;
    const says = lines.map((line) => `${line.name} ${unit(chosen && line.of(chosen))}`).join(", ");
    return h(
        "figure",
        { class: "chart" },
        h(
            "figcaption",
            null,
            lines.map((line) =>
                h(
                    "span",
                    { class: `series ${line.tone}` },
                    h("i", { "aria-hidden": "true" }),
                    line.name,
                    " ",
                    h("b", null, unit(chosen && line.of(chosen))),
                ),
            ),
            at !== null && chosen && h("span", { class: "dim" }, clock(chosen.at)),
        ),
        h(
            "div",
            { class: "plot", onpointermove: over, onpointerleave: () => page.keep(id, { at: null }) },
            h(
                "svg",
                {
                    viewBox: `0 0 ${WIDE} ${HIGH}`,
                    preserveAspectRatio: "none",
                    role: "img",
                    "aria-label": `${page.name(id)}: ${says}`,
                },
                h("path", { class: "grid", d: `M0 0.5H${WIDE}M0 ${HIGH / 2}H${WIDE}M0 ${HIGH - 0.5}H${WIDE}` }),
                cross !== false && cross !== undefined && h("path", { class: "cross", d: `M${cross} 0V${HIGH}` }),
                lines.map((line) => h("path", { class: `line ${line.tone}`, d: path(points, line.of, now, top) })),
            ),
            most > 0 && [
                h("span", { class: "scale top" }, unit(top)),
                h("span", { class: "scale half" }, unit(top / 2)),
            ],
        ),
        h("div", { class: "times", "aria-hidden": "true" }, h("span", null, "5 min ago"), h("span", null, "now")),
    );
}

function nearest(points, moment) {
    const real = points.filter((point) => !point.gap);
    return real.reduce(
        (best, point) => (best && Math.abs(best.at - moment) <= Math.abs(point.at - moment) ? best : point),
        null,
    );
}

/** A line without words, for a tile. */
export function spark(points, of, tone) {
    const now = points.at(-1)?.at ?? 0;
    const top = Math.max(...points.map((point) => (point.gap ? 0 : (of(point) ?? 0))), 0) || 1;
    return h(
        "svg",
        { class: "spark", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        h("path", { class: `line ${tone}`, d: path(points, of, now, top * 1.05) }),
    );
}
