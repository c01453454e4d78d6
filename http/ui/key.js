// One key: what each owner holds of it, and what a quorum answers. A value is shown as text where it is text, else by
// its bytes; never as what it says it is.

import { ask, path, Refused } from "./ask.js";
import { asText, dump, ofBase64, shownBound, shownKey, shownText, toBase64 } from "./bytes.js";
import { h } from "./dom.js";
import { facts, given, link, mark, nothing, panel, refusal, table, tag } from "./parts.js";
import { ago, bytes, clock, count, counted, listed, sentence } from "./text.js";

export const title = ([name]) => `A key of ${name}`;

export const sources = ([name, key]) => ({
    explain: { path: `${path`v1/tables/${name}/explain/${key}`}?enc=b64`, every: 4000 },
});

/** So much of a value is shown. */
const SHOWN_BYTES = 64 * 1024;

export function draw(page) {
    const [name, encoded] = page.names;
    const key = ofBase64(encoded);
    if (!key || toBase64(key) !== encoded) return nothing("This address names no key.");
    return [
        h("p", { class: "lead" }, link(["keys", name], `Keys of ${name}`)),
        panel(
            "The key",
            null,
            h("p", { class: "whole", id: "key" }, shownKey(key, 2048)),
            h("p", { class: "dim" }, `${counted(key.length, "byte")}; base64url `, h("code", null, encoded)),
        ),
        given(page.look("explain"), (explained) => [owners(page, explained), place(explained)]),
        panel("What an answer would be", null, answer(page, name, encoded)),
    ];
}

function owners(page, explained) {
    const silent = explained.replicas.filter((one) => one.error !== undefined);
    const held = explained.replicas.filter((one) => one.error === undefined);
    const order = explained.owners.map((owner) => owner.node);
    const newest = held
        .map((one) => one.version)
        .filter(Boolean)
        .sort(byNumber)
        .at(-1);
    const isStale = (one) => one.error === undefined && (one.version ?? null) !== (newest ?? null);
    const verdict = explained.agree
        ? mark(
              "good",
              newest ? "All owners answered and hold the same." : "All owners answered, and none holds anything.",
          )
        : mark("warn", [
              silent.length > 0 && `${listed(silent.map((one) => one.node))} did not answer. `,
              held.some(isStale)
                  ? "Owners hold different states: a read at quorum finds the newest and brings it to the others."
                  : "Those that answered hold the same.",
          ]);
    const columns = [
        {
            name: "Owner",
            cell: (one) => [
                link(["nodes", one.node], one.node),
                order.includes(one.node)
                    ? h("span", { class: "dim" }, ` ${order.indexOf(one.node) + 1}.`)
                    : tag("receives it"),
            ],
        },
        {
            name: "Holds",
            cell: (one) =>
                one.error !== undefined
                    ? mark("bad", one.error)
                    : isStale(one)
                      ? mark("warn", "another state")
                      : what(one),
        },
        { name: "Version", cell: (one) => h("code", null, one.version ?? "–") },
        { name: "Bytes", right: true, cell: (one) => (one.version ? bytes(one.size) : "–") },
        {
            name: "Written",
            cell: (one) => (one.written_at ? h("span", { title: one.written_at }, ago(one.written_at)) : "–"),
        },
        {
            name: "Expires",
            cell: (one) => (one.expires_at ? h("span", { title: one.expires_at }, ago(one.expires_at)) : "–"),
        },
        { name: "Digest", cell: (one) => h("code", null, one.digest ?? "–") },
        { name: "Keeps a hint for", cell: (one) => (one.hints_for?.length > 0 ? one.hints_for.join(", ") : "–") },
    ];
    const rows = explained.replicas.toSorted((a, b) => rank(order, a.node) - rank(order, b.node));
    return panel(
        "What each owner holds",
        null,
        h("p", { id: "agree" }, verdict),
        table(page, "owners", columns, rows, (one) => one.node, "What each owner holds"),
        explained.hints_elsewhere.length > 0 &&
            h(
                "p",
                null,
                mark(
                    "warn",
                    `${listed(explained.hints_elsewhere.map((one) => one.node))} ${explained.hints_elsewhere.length === 1 ? "keeps" : "keep"} a hint of it for an owner.`,
                ),
            ),
    );
}

const rank = (order, node) => (order.includes(node) ? order.indexOf(node) : order.length);

/** Versions by their number. */
const byNumber = (a, b) => Number(BigInt(a.split("-")[0]) - BigInt(b.split("-")[0])) || (a < b ? -1 : 1);

function what(one) {
    if (!one.version) return "nothing";
    if (one.tombstone) return "that it was deleted";
    return one.expired ? "that it has expired" : "a value";
}

const place = (explained) =>
    panel(
        "Where it lives",
        null,
        facts([
            ["Token", h("code", null, explained.token)],
            [
                "Shard",
                explained.shard,
                ", from ",
                shownBound(explained.start),
                " to ",
                shownBound(explained.end),
                `, epoch ${count(explained.shard_epoch)}`,
            ],
            [
                "Owners in order",
                explained.owners.map((owner, at) => [
                    at > 0 && ", ",
                    link(["nodes", owner.node], owner.node),
                    ` (${owner.zone ?? "no zone"}${owner.up ? "" : ", down"})`,
                ]),
            ],
            explained.next?.length > 0 && ["Moves to", listed(explained.next.map((owner) => owner.node))],
            explained.sync && ["Owners compared", sentence(explained.sync.says)],
            explained.accepted_losses?.length > 0 && [
                "Accepted losses",
                `${count(explained.accepted_losses.length)}: answers about it say eventual`,
            ],
        ]),
    );

const LEVELS = ["quorum", "one", "all"];

function answer(page, name, encoded) {
    const of = `${name}/${encoded}`;
    const none = { level: "quorum", heard: null, isBusy: false };
    const last = () => (page.kept("answer").of === of ? page.kept("answer") : none);
    const { level, heard, isBusy } = last();
    const read = async (level) => {
        page.keep("answer", { ...last(), of, level, isBusy: true });
        const heard = await reading(name, encoded, level);
        if (page.kept("answer").of === of) page.keep("answer", { heard, isBusy: false });
    };
    if (!heard && !isBusy) queueMicrotask(() => last().isBusy || read(level));
    return [
        h(
            "form",
            {
                class: "wish",
                onsubmit: (event) => {
                    event.preventDefault();
                    read(new FormData(event.currentTarget).get("level"));
                },
            },
            h(
                "label",
                null,
                "A read at ",
                h(
                    "select",
                    { name: "level" },
                    LEVELS.map((one) => h("option", { value: one, selected: one === level }, one)),
                ),
            ),
            h("button", { type: "submit", disabled: isBusy }, "Read again"),
            heard &&
                h(
                    "span",
                    { class: "dim" },
                    `Read at ${clock(heard.at)}. As any read does, it brings owners that are behind up to date.`,
                ),
        ),
        heard?.problem && refusal(heard.problem),
        heard?.promise && promise(heard),
        heard?.value && value(heard),
    ];
}

/** A read of the key, as what came of it. */
async function reading(name, encoded, level) {
    const at = Date.now();
    try {
        const response = await ask(`${path`v1/tables/${name}/keys/${encoded}`}?enc=b64&consistency=${level}`);
        const header = (name) => response.headers.get(name);
        const { bytes, isWhole } = await first(response.body, SHOWN_BYTES);
        return {
            at,
            promise: header("Quorate-Consistency"),
            version: header("Quorate-Version"),
            kind: header("Content-Type"),
            size: Number(header("Content-Length")),
            expires: header("Expires"),
            value: bytes,
            isWhole,
        };
    } catch (problem) {
        if (problem instanceof Refused && problem.code === "no-such-key")
            return { at, promise: "", none: problem.message };
        return { at, problem };
    }
}

/** The first bytes of a body; the rest is not taken. */
async function first(body, most) {
    const reader = body.getReader();
    const parts = [];
    let size = 0;
    for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        parts.push(value);
        size += value.length;
        if (size > most) {
            reader.cancel().catch(() => {});
            break;
        }
    }
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
        bytes.set(part, at);
        at += part.length;
    }
    return { bytes: bytes.slice(0, most), isWhole: size <= most };
}

const GUARANTEES = {
    linearizable: "linearizable: it has seen every write acknowledged before it began",
    regular: "regular: it has seen every write acknowledged before it began, and perhaps one that another read has not",
    eventual: "eventual: it may be older than what was acknowledged",
};

function promise({ promise, version, kind, size, expires }) {
    const [guarantee, ...counts] = promise.split(";").map((part) => part.trim());
    return facts([
        [
            "Promise",
            h("span", { id: "promise" }, sentence(GUARANTEES[guarantee] ?? guarantee)),
            h("span", { class: "dim" }, ` ${counts.join(", ")}`),
        ],
        ["Version", h("code", null, version ?? "none")],
        ["Media type", h("code", null, kind ?? "none")],
        ["Value", bytes(size)],
        expires && ["Expires", expires],
    ]);
}

function value({ value, isWhole }) {
    const text = asText(value) ?? (isWhole ? null : cutText(value));
    return [
        h(
            "pre",
            { id: "value", tabindex: "0", "aria-label": "The value", class: text === null ? "bytes" : "" },
            text === null ? dump(value.slice(0, 4096)) : shownText(text),
        ),
        text === null && value.length > 4096 && h("p", { class: "dim" }, "The first 4 KiB of it."),
        !isWhole && h("p", { class: "dim" }, `The first ${bytes(SHOWN_BYTES)} of it.`),
        value.length === 0 && nothing("The value has no byte."),
    ];
}

/** Text that was cut within a character. */
function cutText(bytes) {
    for (let less = 0; less < 4; less += 1) {
        const text = asText(bytes.slice(0, bytes.length - less));
        if (text !== null) return text;
    }
    return null;
}
