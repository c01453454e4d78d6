// What is asked again and again: each source at its own pace while the page is seen, nothing while it is hidden, and
// more rarely while the node is silent. What was heard last stays, with the moment at which it was true.

import { document as ask, Silent } from "./ask.js";

const PACE_MS = 2000;
const PACE_MAX_MS = 16000;
const AGAIN_MS = 400;

export class Poll {
    /** `changed` is called after each round. */
    constructor(changed) {
        this.changed = changed;
        this.looks = new Map();
        this.sources = {};
        this.silent = null;
        this.failures = 0;
        this.round = 0;
        globalThis.document.addEventListener("visibilitychange", () => this.go());
    }

    /** From now on these are asked: a path and a pace by name. What is not named is forgotten. */
    want(sources) {
        for (const [name, look] of this.looks) if (sources[name]?.path !== look.path) this.looks.delete(name);
        this.sources = sources;
        this.go();
    }

    /** What is known of a source: `data` and `at`, and `problem` while the last question was refused. */
    look(name) {
        return this.looks.get(name) ?? {};
    }

    /** Asks what is due now; with `all`, everything. */
    async go(all = false) {
        clearTimeout(this.timer);
        if (globalThis.document.hidden || this.isStopped) return;
        this.round += 1;
        const round = this.round;
        const now = Date.now();
        const due = Object.entries(this.sources).filter(([name, source]) => {
            const asked = this.looks.get(name)?.asked;
            return all || asked === undefined || now - asked >= (source.every ?? PACE_MS) - 100;
        });
        const heard = await Promise.all(due.map(([name, source]) => this.ask(name, source)));
        if (round !== this.round) {
            this.changed();
            return;
        }
        const silence = heard.find((problem) => problem instanceof Silent);
        if (silence) {
            this.failures += 1;
            if (this.failures === 1) this.failed = now;
            // One question may be lost; two are a silence.
            else this.silent = { since: this.failed, why: silence.message };
        } else if (heard.length > 0) {
            this.failures = 0;
            this.silent = null;
        }
        this.changed();
        const pace = Math.min(PACE_MS * 2 ** Math.max(0, this.failures - 2), PACE_MAX_MS);
        this.timer = setTimeout(() => this.go(), this.failures === 1 ? AGAIN_MS : pace);
    }

    async ask(name, { path }) {
        const look = this.looks.get(name) ?? { path };
        this.looks.set(name, look);
        look.asked = Date.now();
        try {
            look.data = await ask(path);
            look.at = Date.now();
            look.problem = null;
            return null;
        } catch (problem) {
            if (!(problem instanceof Silent)) look.problem = problem;
            else look.asked = undefined;
            return problem;
        }
    }

    /** Asks nothing more until `go`. */
    stop(isStopped) {
        this.isStopped = isStopped;
        if (!isStopped) this.go(true);
    }
}
