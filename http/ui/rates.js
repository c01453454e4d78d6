// Rates and latencies of the cluster, from what its members count: two looks at a counter make a rate.
//
//   /v1/cluster/nodes ── traffic of each member: counts since its process began ──> this look less the one before
//
// A member that began anew, or did not answer, is left out of that one difference. The page remembers five minutes.

const KEPT_MS = 5 * 60 * 1000;

/** Latencies are those of about so long: of a single look too few would be slow ones. */
const WINDOW_MS = 10_000;

const KINDS = ["reads", "writes", "scans"];

/** Outcomes that are no fault of the client, in the words of the page. */
export const CAUSES = {
    unavailable: "too few owners",
    overloaded: "too much at work",
    timeout: "read not in time",
    unknown: "write of unknown outcome",
    bug: "bug",
};

export class Rates {
    looks = [];
    history = [];

    /** Takes the members' document, as it was heard at that moment. */
    take(nodes, at) {
        const last = this.looks.at(-1);
        if (last && at - last.at < 500) return;
        const counts = new Map();
        for (const node of nodes) if (node.traffic) counts.set(node.id, node.traffic);
        this.looks.push({ at, counts });
        this.looks = this.looks.filter((look) => at - look.at <= WINDOW_MS + 4000);
        this.hasAny = counts.size > 0;
        if (!last) return;
        if (at - last.at > 3 * WINDOW_MS) this.history.push({ at: at - 1, gap: true });
        this.history.push({ at, ...this.between(last, this.looks.at(-1), null) });
        this.history = this.history.filter((point) => at - point.at <= KEPT_MS);
    }

    /** The latest figures of the cluster; `null`: there was one look only. */
    get now() {
        const point = this.history.at(-1);
        return point && !point.gap ? point : null;
    }

    /** The latest figures of one member. */
    of(id) {
        const [before, now] = [this.looks.at(-2), this.looks.at(-1)];
        return before && now.counts.has(id) && before.counts.has(id) ? this.between(before, now, id) : null;
    }

    between(before, now, only) {
        const seconds = (now.at - before.at) / 1000;
        const point = { errors: {}, failed: 0, refused: 0, total: 0 };
        for (const cause of Object.keys(CAUSES)) point.errors[cause] = 0;
        const window = this.looks[0];
        for (const kind of KINDS) {
            const outcomes = sum(before, now, only, (traffic) => Object.entries(traffic[kind].outcomes));
            const all = [...outcomes.values()].reduce((a, b) => a + b, 0);
            point[kind] = all / seconds;
            point.total += point[kind];
            for (const cause of Object.keys(CAUSES)) point.errors[cause] += (outcomes.get(cause) ?? 0) / seconds;
            point.refused += (outcomes.get("refused") ?? 0) / seconds;
            const pairs = (traffic) => traffic[kind].latencies.map((one) => [one.up_to_us, one.count]);
            const latencies = sum(window, now, only, pairs);
            point[`${kind}P50`] = quantile(latencies, 0.5);
            point[`${kind}P99`] = quantile(latencies, 0.99);
        }
        point.failed = Object.values(point.errors).reduce((a, b) => a + b, 0);
        return point;
    }
}

/** By name, how much more members count now than before. */
function sum(before, now, only, pairs) {
    const all = new Map();
    for (const [id, traffic] of now.counts) {
        const former = before.counts.get(id);
        if (!former || (only !== null && only !== id)) continue;
        const less = new Map(pairs(former));
        const more = pairs(traffic).map(([name, count]) => [name, count - (less.get(name) ?? 0)]);
        if (more.some(([, count]) => count < 0)) continue;
        for (const [name, count] of more) if (count > 0) all.set(name, (all.get(name) ?? 0) + count);
    }
    return all;
}

/** The least bound in microseconds that so large a part is not above; `null`: there is nothing. */
export function quantile(counts, part) {
    const total = [...counts.values()].reduce((a, b) => a + b, 0);
    if (total === 0) return null;
    let seen = 0;
    const bounds = [...counts.keys()].sort((a, b) => a - b);
    for (const bound of bounds) {
        seen += counts.get(bound);
        if (seen >= total * part) return bound;
    }
    return bounds.at(-1);
}
