// The ring of a table: its shards around a circle, one band for each place in the order of owners, and the virtual
// nodes outside of them. Nodes are told apart by colour while there are few, by zones while these are few, and always
// by pointing at one of them.

import { document as ask, path } from "./ask.js";
import { shownBound } from "./bytes.js";
import { h } from "./dom.js";
import { button, choices, facts, given, link, mark, nothing, panel } from "./parts.js";
import { state } from "./nodes.js";
import { count, counted, listed } from "./text.js";

export const title = ([table]) => (table ? `Ring of ${table}` : "Ring");

export const sources = ([table]) => ({
    tables: { path: "v1/tables", every: 10000 },
    ...(table && { ring: { path: `v1/cluster/ring?table=${encodeURIComponent(table)}`, every: 4000 } }),
});

/** Colours that people who see fewer of them tell apart, too: so many. */
const COLOURS = 8;

const [MIDDLE, OUTER, INNER, BAND_MAX] = [320, 286, 132, 40];

export const draw = (page) =>
    given(page.look("tables"), ({ tables }) => {
        if (tables.length === 0)
            return nothing("There is no table yet: ", h("code", null, "quorate table create NAME"), " makes one.");
        const [name] = page.names;
        if (!name) {
            page.replace(["ring", tables[0].name]);
            return null;
        }
        return [
            choices("ring", tables, name),
            given(page.look("ring"), (ring) =>
                whole(
                    page,
                    ring,
                    tables.find((one) => one.name === name),
                ),
            ),
        ];
    });

function whole(page, ring, table) {
    const { node, shard } = page.kept("ring", { node: null, shard: null });
    const members = page.look("nodes").data?.nodes ?? [];
    const down = members.filter((one) => one.state === "down").map((one) => one.id);
    const positions = page.cached(`positions ${ring.epoch} ${node} ${ring.nodes.length}`, () =>
        ofNodes(page, ring.nodes, node),
    );
    const isRange = table?.sharding === "range";
    const all = places(ring, isRange);
    // Thousands of arcs are made anew only where something of them has changed.
    const arcs = page.cached(
        JSON.stringify([
            "arcs",
            page.names,
            ring.epoch,
            node,
            down,
            positions.version,
            ring.shards.map((one) => one.next ?? 0),
        ]),
        () => drawn(ring, all, { node, down, positions: isRange ? new Map() : positions.known }),
    );
    const chosen = ring.shards.find((one) => one.id === shard);
    return h(
        "div",
        { class: "ring" },
        h(
            "figure",
            null,
            circle(page, ring, all, arcs, shard),
            h(
                "figcaption",
                { class: "dim" },
                isRange
                    ? "Clockwise from the top: shards in the order of their keys, each equally wide. "
                    : "Clockwise from the top: tokens from 0 to 2⁶⁴. Short strokes outside: virtual nodes. ",
                "Bands from outside to inside: the first owner in the order of preference, the second, and so on. ",
                "With the arrow keys, or a click, from shard to shard.",
            ),
        ),
        h(
            "div",
            null,
            panel(
                "Nodes",
                node && button("Show all", () => page.keep("ring", { node: null })),
                legend(page, ring, members, node),
            ),
            panel(
                "Shard",
                null,
                h("div", { "aria-live": "polite" }, chosen ? one(chosen) : nothing("Choose one in the picture.")),
            ),
        ),
    );
}

/** What is known of the virtual nodes of the members that are to be shown; asked for once. */
function ofNodes(page, nodes, chosen) {
    const wanted = nodes.length <= COLOURS ? nodes.map((one) => one.node) : [chosen].filter(Boolean);
    const positions = { version: 0, known: new Map() };
    for (const id of wanted) {
        ask(path`v1/cluster/nodes/${`id:${id}`}`).then(
            (node) => {
                positions.known.set(id, node.tokens ?? []);
                positions.version += 1;
                page.redraw();
            },
            () => {},
        );
    }
    return positions;
}

/** The class of a colour: of each node while there are few, else of each zone. */
function colours(nodes) {
    const zones = [...new Set(nodes.map((one) => one.zone))];
    const few = nodes.length <= COLOURS;
    return new Map(
        nodes.map((one, at) => {
            const index = few ? at : zones.indexOf(one.zone);
            return [one.node, few || zones.length <= COLOURS ? `c${index}` : "c-any"];
        }),
    );
}

function legend(page, ring, members, chosen) {
    const colour = colours(ring.nodes);
    const copies = new Map(ring.nodes.map((one) => [one.node, { all: 0, first: 0 }]));
    for (const { owners } of ring.shards) {
        owners.forEach((owner, place) => {
            const of = copies.get(owner);
            if (!of) return;
            of.all += 1;
            if (place === 0) of.first += 1;
        });
    }
    return h(
        "ul",
        { class: "legend" },
        ring.nodes.map((one) => {
            const member = members.find((member) => member.id === one.node);
            const { all, first } = copies.get(one.node);
            const isChosen = chosen === one.node;
            return h(
                "li",
                { key: one.node },
                button(
                    [
                        h("i", { class: `swatch ${colour.get(one.node)}`, "aria-hidden": "true" }),
                        h("b", null, one.node),
                        one.name !== one.node && ` ${one.name}`,
                        h(
                            "span",
                            { class: "dim" },
                            ` ${one.zone} · ${counted(one.positions, "virtual node")} · ${count(first)} first, ${count(all)} in all`,
                        ),
                        member && state(member)[0] !== "good" && mark(...state(member)),
                    ],
                    () => page.keep("ring", { node: isChosen ? null : one.node }),
                    { "aria-pressed": String(isChosen) },
                ),
            );
        }),
    );
}

const one = (shard) =>
    facts([
        ["Shard", h("b", null, shard.id), `, epoch ${count(shard.epoch)}`],
        ["From", shownBound(shard.start)],
        ["To, without it", shownBound(shard.end)],
        ["Stands at", h("code", null, shard.position)],
        ["Owners", shard.owners.map((owner, at) => [at > 0 && ", ", link(["nodes", owner], owner)])],
        shard.next?.length > 0 && ["Moves to", listed(shard.next)],
    ]);

/** The ends of each shard, as parts of the circle. */
function places(ring, isRange) {
    const at = (token) => Number(BigInt(`0x${token}`)) / 2 ** 64;
    const all = ring.shards.map((shard, index) => {
        if (isRange) return { shard, from: index / ring.shards.length, to: (index + 1) / ring.shards.length };
        return { shard, from: at(shard.start), to: typeof shard.end === "string" ? at(shard.end) : 1 };
    });
    return all.sort((a, b) => a.from - b.from);
}

/** How many owners a shard has at most, and how wide the band of each place is. */
function bands(ring) {
    const most = ring.shards.reduce((most, one) => Math.max(most, one.owners.length), 1);
    return [most, Math.min(BAND_MAX, (OUTER - INNER) / most)];
}

/** The virtual nodes, and each owner of each shard. */
function drawn(ring, all, { node, down, positions }) {
    const colour = colours(ring.nodes);
    const [, band] = bands(ring);
    const gap = all.length > 400 ? 0 : all.length > 100 ? 0.5 : 1.2;
    const arcs = all.flatMap(({ shard: one, from, to }) => [
        ...one.owners.map((owner, place) => {
            const outer = OUTER - place * band;
            const names = [
                "arc",
                colour.get(owner) ?? "c-any",
                down.includes(owner) && "down",
                node && owner !== node && "faint",
            ];
            return h(
                "path",
                {
                    class: names.filter(Boolean).join(" "),
                    d: sector(from, to, outer - band + 2, outer, gap),
                    "data-shard": one.id,
                },
                h("title", null, `${one.id}, owner ${place + 1}: ${owner}${down.includes(owner) ? ", down" : ""}`),
            );
        }),
        one.next?.length > 0 &&
            h(
                "path",
                { class: "moving", d: sector(from, to, OUTER + 3, OUTER + 7, gap) },
                h("title", null, `${one.id} moves to ${listed(one.next)}`),
            ),
    ]);
    const strokes = [...positions]
        .filter(([id]) => !node || id === node)
        .map(([id, tokens]) =>
            h("path", {
                class: `positions ${colour.get(id) ?? "c-any"}`,
                d: tokens.map((token) => stroke(Number(BigInt(`0x${token}`)) / 2 ** 64)).join(""),
            }),
        );
    return h("g", null, strokes, arcs);
}

/** The picture, in which one shard may be chosen. */
function circle(page, ring, all, arcs, shard) {
    const [most, band] = bands(ring);
    const chosen = all.find((one) => one.shard.id === shard);
    const choose = (id) => page.keep("ring", { shard: id });
    const step = (event) => {
        const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!way) return;
        event.preventDefault();
        const at = all.findIndex((one) => one.shard.id === page.kept("ring").shard);
        choose(all[(Math.max(at, way > 0 ? -1 : 0) + way + all.length) % all.length].shard.id);
    };
    return h(
        "svg",
        {
            viewBox: `0 0 ${2 * MIDDLE} ${2 * MIDDLE}`,
            class: "circle",
            tabindex: "0",
            role: "group",
            id: "ring",
            "aria-label": `${counted(all.length, "shard")} on ${counted(ring.nodes.length, "node")}; arrow keys go from one to the next`,
            onkeydown: step,
            onclick: (event) => event.target.dataset?.shard && choose(event.target.dataset.shard),
        },
        arcs,
        chosen &&
            h("path", { class: "frame", d: sector(chosen.from, chosen.to, OUTER - most * band + 1, OUTER + 1, 0) }),
        h("text", { x: MIDDLE, y: MIDDLE - 8, class: "big" }, counted(all.length, "shard")),
        h("text", { x: MIDDLE, y: MIDDLE + 18 }, `${count(most)} owners each, epoch ${count(ring.epoch)}`),
    );
}

/** A point of the circle, clockwise from the top. */
const point = (part, radius) =>
    `${(MIDDLE + radius * Math.sin(2 * Math.PI * part)).toFixed(2)} ${(MIDDLE - radius * Math.cos(2 * Math.PI * part)).toFixed(2)}`;

/** A piece of a ring between two radii, with a gap of so many units at its end. */
function sector(from, to, inner, outer, gap) {
    const whole = to - from > 0.99999;
    const ends = (radius) => {
        const less = whole ? 0.00001 : Math.min(gap / (4 * Math.PI * radius), (to - from) / 4);
        return [from + less, to - less];
    };
    const isLarge = to - from > 0.5 ? 1 : 0;
    const [a, b] = ends(outer);
    const [c, d] = ends(inner);
    return `M${point(a, outer)}A${outer} ${outer} 0 ${isLarge} 1 ${point(b, outer)}L${point(d, inner)}A${inner} ${inner} 0 ${isLarge} 0 ${point(c, inner)}Z`;
}

const stroke = (part) => `M${point(part, OUTER + 10)}L${point(part, OUTER + 24)}`;
