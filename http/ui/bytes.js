// Keys and values: bytes that may be anything, as texts that show which bytes they are.

import { h, UNSEEN } from "./dom.js";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text that the bytes are in UTF-8; `null`: they are none. */
export function asText(bytes) {
    try {
        return decoder.decode(bytes);
    } catch {
        return null;
    }
}

/** The bytes of a text. */
export const ofText = (text) => new TextEncoder().encode(text);

/** Base64url without padding. */
export function toBase64(bytes) {
    const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Its inverse, with or without padding; `null`: it is none. */
export function ofBase64(text) {
    try {
        const plain = atob(text.trim().replaceAll("-", "+").replaceAll("_", "/"));
        return Uint8Array.from(plain, (one) => one.charCodeAt(0));
    } catch {
        return null;
    }
}

/** The bytes of pairs of hexadecimal digits; `null`: they are none. */
export function ofHex(text) {
    const digits = text.replace(/[\s:]/g, "");
    if (!/^([0-9a-f]{2})*$/i.test(digits)) return null;
    return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** The bytes of a key in a document: `key`, or `key_b64`. */
export const keyOf = (named) => (named.key_b64 === undefined ? ofText(named.key ?? "") : ofBase64(named.key_b64));

const hex = (byte) => byte.toString(16).padStart(2, "0");

// What a reader of a key could overlook or take for something else.
const ODD = /[\p{C}\\]|[^\S ]|^ | $| (?= )/gu;

/** A key as an element: as text where it is UTF-8, each odd character or byte as an escape of its own colour. */
export function shownKey(bytes, most = 120) {
    const text = asText(bytes);
    const parts = [];
    const escape = (said) => parts.push(h("span", { class: "escape" }, said));
    if (text === null) {
        let plain = "";
        for (const byte of bytes.slice(0, most)) {
            if (byte >= 0x20 && byte < 0x7f && byte !== 0x5c) {
                plain += String.fromCharCode(byte);
                continue;
            }
            if (plain) parts.push(plain);
            plain = "";
            escape(`\\x${hex(byte)}`);
        }
        if (plain) parts.push(plain);
    } else {
        const characters = [...text];
        const short = characters.slice(0, most).join("");
        let from = 0;
        for (const odd of short.matchAll(ODD)) {
            if (odd.index > from) parts.push(short.slice(from, odd.index));
            const number = odd[0].codePointAt(0);
            escape(odd[0] === "\\" ? "\\\\" : number < 0x80 ? `\\x${hex(number)}` : `\\u{${number.toString(16)}}`);
            from = odd.index + odd[0].length;
        }
        if (from < short.length) parts.push(short.slice(from));
    }
    const isCut = (text === null ? bytes.length : [...text].length) > most;
    return h("bdi", { class: "key" }, parts, isCut && h("span", { class: "escape" }, "…"));
}

/** A text as it is, but for what can't be seen in it, each as an escape of its own colour. */
export function shownText(text) {
    const parts = [];
    let from = 0;
    for (const odd of text.matchAll(UNSEEN)) {
        parts.push(text.slice(from, odd.index), h("span", { class: "escape" }, odd[0]));
        from = odd.index + odd[0].length;
    }
    return [...parts, text.slice(from)];
}

/** A bound of a shard: a token, or a key. */
export const shownBound = (bound) =>
    bound === null || bound === undefined
        ? h("span", { class: "dim" }, "the end")
        : typeof bound === "string"
          ? h("code", null, bound)
          : bound.key === "" && bound.key_b64 === undefined
            ? h("span", { class: "dim" }, "the beginning")
            : shownKey(keyOf(bound), 32);

/** Bytes as rows of sixteen: place, digits, characters. */
export function dump(bytes) {
    const rows = [];
    for (let at = 0; at < bytes.length; at += 16) {
        const row = bytes.slice(at, at + 16);
        const digits = Array.from(row, hex).join(" ").padEnd(47);
        const plain = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·"));
        rows.push(`${at.toString(16).padStart(6, "0")}  ${digits}  ${plain.join("")}`);
    }
    return rows.join("\n");
}
