// Numbers and times for people, in the words of the command line: the same figure reads the same in both.

/** Bytes in at most three digits before the unit: `3.2 GiB`; 1,000 of a unit are said in the next one. */
export function bytes(count) {
    if (count === null || count === undefined) return "–";
    if (count < 1000) return `${count} B`;
    const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let value = count / 1024;
    let unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
        value /= 1024;
        unit += 1;
    }
    return `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

/** A count with a comma at each thousand. */
export const count = (number) =>
    number === null || number === undefined ? "–" : Math.round(number).toLocaleString("en-US");

/** A count and what is counted: `1 node`, `3 nodes`. */
export const counted = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;

/** A rate: small ones with a digit after the point. */
export function rate(number) {
    if (number === null || number === undefined) return "–";
    return number !== 0 && number < 9.95 ? number.toFixed(1) : count(number);
}

/** A length of time in its two largest units: `140 ms`, `3.2 s`, `3 m 12 s`, `2 d 4 h`. */
export function span(ms) {
    const seconds = Math.floor(ms / 1000);
    const pair = (large, of, small, than) => (small === 0 ? `${large} ${of}` : `${large} ${of} ${small} ${than}`);
    if (seconds < 1) return `${Math.max(0, Math.round(ms))} ms`;
    if (seconds < 10) return `${(ms / 1000).toFixed(1)} s`;
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return pair(Math.floor(seconds / 60), "m", seconds % 60, "s");
    if (seconds < 86400) return pair(Math.floor(seconds / 3600), "h", Math.floor(seconds / 60) % 60, "m");
    return pair(Math.floor(seconds / 86400), "d", Math.floor(seconds / 3600) % 24, "h");
}

/** How long a request took, from microseconds, in at most three digits. */
export function latency(micros) {
    if (micros === null || micros === undefined) return "–";
    if (micros < 1000) return `${Math.round(micros)} µs`;
    const ms = micros / 1000;
    if (ms < 9.95) return `${ms.toFixed(1)} ms`;
    return ms < 1000 ? `${Math.round(ms)} ms` : span(ms);
}

/** How long ago a moment of RFC 3339 was, or in how long it will be. */
export function ago(moment) {
    if (!moment) return "–";
    const ms = Date.now() - Date.parse(moment);
    if (Math.abs(ms) < 1000) return "now";
    return ms > 0 ? `${span(ms)} ago` : `in ${span(-ms)}`;
}

/** A moment as a clock of this place shows it: `14:03:12`, with the day where it is another one. */
export function clock(moment) {
    const at = new Date(moment);
    const time = at.toLocaleTimeString("en-GB");
    return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

/** Names in a sentence: `n1`, `n1 and n2`, `n1, n2 and n3`. */
export const listed = (names) =>
    names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** A text as a sentence: with a full stop, and a capital letter unless it begins with a name such as `n3`. */
export function sentence(text) {
    if (!text) return "";
    const begin = /^[a-z]+\b(?![-/0-9])/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
    return /[.!?]$/.test(begin) ? begin : `${begin}.`;
}
