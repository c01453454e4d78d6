// The keys of a table, page by page, and the way to one of them.

import { asText, keyOf, ofBase64, ofHex, ofText, shownKey, toBase64 } from "./bytes.js";
import { document as ask, path } from "./ask.js";
import { h } from "./dom.js";
import { button, choices, given, link, mark, nothing, panel, refusal, table } from "./parts.js";
import { bytes, count } from "./text.js";

export const title = ([name]) => (name ? `Keys of ${name}` : "Keys");

export const sources = () => ({ tables: { path: "v1/tables", every: 10000 } });

const PAGE_KEYS = 50;

export const draw = (page) =>
    given(page.look("tables"), ({ tables }) => {
        const [name] = page.names;
        if (tables.length === 0) return nothing("There is no table yet.");
        if (!name) {
            page.replace(["keys", tables[0].name]);
            return null;
        }
        return [
            choices("keys", tables, name),
            panel("One key", null, finder(page, name)),
            panel(
                "Keys in their order",
                null,
                listing(
                    page,
                    name,
                    tables.find((one) => one.name === name),
                ),
            ),
        ];
    });

const FORMS = { text: ["as text", ofText], hex: ["as hexadecimal digits", ofHex], b64: ["as base64url", ofBase64] };

function finder(page, name) {
    const { problem } = page.kept("finder", { problem: null });
    const find = (event) => {
        event.preventDefault();
        const { key, form } = Object.fromEntries(new FormData(event.currentTarget));
        const bytes = FORMS[form][1](key);
        if (!bytes || bytes.length === 0)
            page.keep("finder", {
                problem: bytes ? "A key has at least one byte." : `These are no bytes ${FORMS[form][0]}.`,
            });
        else {
            page.keep("finder", { problem: null });
            page.go(["keys", name, toBase64(bytes)]);
        }
    };
    return h(
        "form",
        { class: "wish", onsubmit: find },
        h(
            "label",
            null,
            "Key ",
            h("input", { name: "key", autocomplete: "off", spellcheck: "false", autocapitalize: "off" }),
        ),
        h(
            "label",
            null,
            h("span", { class: "unseen" }, "Written "),
            h(
                "select",
                { name: "form" },
                Object.entries(FORMS).map(([value, [says]]) => h("option", { value }, says)),
            ),
        ),
        h("button", { type: "submit" }, "Explain"),
        problem && mark("warn", problem),
    );
}

function listing(page, name, table) {
    const isHash = table?.sharding === "hash";
    const state = page.kept(`keys ${name}`, { prefix: "", cursors: [null], heard: null, problem: null, isBusy: false });
    const load = async (cursors, prefix) => {
        page.keep(`keys ${name}`, { cursors, prefix, isBusy: true, problem: null });
        const query = new URLSearchParams({ limit: PAGE_KEYS });
        if (prefix) query.set("prefix", toBase64(ofText(prefix)));
        if (prefix) query.set("enc", "b64");
        if (cursors.at(-1)) query.set("cursor", cursors.at(-1));
        try {
            const heard = await ask(`${path`v1/tables/${name}/keys`}?${query}`);
            page.keep(`keys ${name}`, { heard, isBusy: false });
        } catch (problem) {
            page.keep(`keys ${name}`, { problem, heard: null, isBusy: false });
        }
    };
    if (!state.heard && !state.problem && !state.isBusy)
        queueMicrotask(() => page.kept(`keys ${name}`).isBusy || load([null], state.prefix));
    const search = (event) => {
        event.preventDefault();
        load([null], new FormData(event.currentTarget).get("prefix"));
    };
    return [
        h(
            "form",
            { class: "wish", onsubmit: search },
            h(
                "label",
                null,
                "Only those that begin with ",
                h("input", { name: "prefix", autocomplete: "off", spellcheck: "false", autocapitalize: "off" }),
            ),
            h("button", { type: "submit", disabled: state.isBusy }, "List"),
            h(
                "span",
                { class: "dim" },
                isHash
                    ? "In the order of their tokens; those with a prefix in the order of bytes, for which every key is looked at."
                    : "In the order of their bytes.",
            ),
        ),
        state.problem && refusal(state.problem),
        state.heard && keys(page, name, state, load),
        !state.heard && !state.problem && nothing("Asking …"),
    ];
}

function keys(page, name, state, load) {
    const { items, next_cursor } = state.heard;
    const columns = [
        {
            name: "Key",
            cell: (item) => h("a", { href: `#/keys/${name}/${toBase64(keyOf(item))}` }, shownKey(keyOf(item), 100)),
        },
        { name: "Bytes of the value", right: true, cell: (item) => bytes(item.size) },
        { name: "Version", cell: (item) => h("code", null, item.version) },
        { name: "Form", cell: (item) => (asText(keyOf(item)) === null ? "bytes" : "text") },
    ];
    const { cursors, prefix, isBusy } = state;
    return [
        items.length === 0
            ? nothing(next_cursor ? "This page is empty; the next one may not be." : "There is none.")
            : table(page, `list ${name}`, columns, items, (item) => toBase64(keyOf(item)), "Keys"),
        h(
            "p",
            { class: "acts" },
            button("First page", () => load([null], prefix), { disabled: isBusy || cursors.length < 2 }),
            button("Page before", () => load(cursors.slice(0, -1), prefix), { disabled: isBusy || cursors.length < 2 }),
            button("Next page", () => load([...cursors, next_cursor], prefix), { disabled: isBusy || !next_cursor }),
            h(
                "span",
                { class: "dim" },
                `page ${count(cursors.length)}, ${count(items.length)} keys at the table's level, read when it was asked for`,
            ),
        ),
        h("p", { class: "dim" }, "The table: ", link(["tables", name], name)),
    ];
}
