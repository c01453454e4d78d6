// Jobs that run, those that are remembered, and the plans that the node keeps. What may be done to a job is what the
// command line does, after a question in the same words.

import { ask, path } from "./ask.js";
import { h } from "./dom.js";
import { newPlan } from "./wish.js";
import { bar, button, figure, given, link, mark, missing, nothing, panel, table, tag, word } from "./parts.js";
import { ago, bytes, count, counted, sentence } from "./text.js";

export const title = () => "Jobs and plans";

export const sources = () => ({
    jobs: { path: "v1/jobs", every: 2000 },
    plans: { path: "v1/cluster/plans", every: 4000 },
    tables: { path: "v1/tables", every: 10000 },
});

export const draw = (page) => [
    given(page.look("jobs"), (jobs) => [
        jobs.unanswered.length > 0 && h("p", null, missing(jobs.unanswered.map((one) => one.node))),
        moves(page, jobs.moves),
    ]),
    given(page.look("plans"), (plans) => kept(page, plans)),
    given(page.look("jobs"), (jobs) => panel("Comparing what owners hold", null, compared(page, jobs.jobs))),
];

/** Whether a job of either kind goes on. */
export const isRunning = (job) =>
    "ended_epoch" in job ? job.ended_epoch === null : ["waiting", "running"].includes(job.state);

const STATES = {
    done: "good",
    aborted: "off",
    paused: "warn",
    gathering: "warn",
    incomplete: "warn",
    running: "busy",
    waiting: "busy",
    aborting: "busy",
};

/** A job that goes on, in a few lines. */
export function progress(job) {
    const [part, text] =
        "ended_epoch" in job
            ? [
                  job.shards_done / Math.max(1, job.shards),
                  `${count(job.shards_done)} of ${counted(job.shards, "shard")}, ${bytes(job.bytes_done)} of ${bytes(job.bytes)}`,
              ]
            : [
                  (job.equal + job.brought + job.differing) / Math.max(1, job.shards),
                  `${count(job.equal + job.brought + job.differing)} of ${counted(job.shards, "shard")}`,
              ];
    return h(
        "div",
        { class: "job", key: `job ${job.id}` },
        h(
            "p",
            null,
            mark(STATES[job.state] ?? "busy", h("b", null, job.type), ` ${job.state}`),
            " ",
            h("code", { class: "dim" }, job.id),
        ),
        bar(part, text),
        h("p", { class: "dim" }, sentence(job.says)),
    );
}

function moves(page, jobs) {
    const running = jobs.filter(isRunning);
    const ended = jobs.filter((job) => !isRunning(job));
    const columns = [
        { name: "Job", cell: (job) => [job.type, " ", h("code", { class: "dim" }, job.id.slice(0, 12), "…")] },
        { name: "State", cell: (job) => mark(STATES[job.state] ?? "busy", job.state) },
        { name: "Shards", right: true, cell: (job) => `${count(job.shards_done)} of ${count(job.shards)}` },
        { name: "Data", right: true, cell: (job) => bytes(job.bytes_done) },
        { name: "What came of it", cell: (job) => sentence(job.says) },
    ];
    return panel(
        "Shards that move",
        null,
        running.length === 0 && nothing("None moves now."),
        running.map((job) => [progress(job), waiting(page, job), orders(page, job)]),
        ended.length > 0 && table(page, "moves", columns, ended, (job) => job.id, "Jobs that moved shards"),
    );
}

function waiting(page, job) {
    if (job.waiting.length === 0) return null;
    const columns = [
        { name: "Shard", cell: (one) => one.shard },
        { name: "Owners", cell: (one) => one.owners.join(", ") },
        { name: "Next", cell: (one) => one.next.join(", ") },
        { name: "Waits", cell: (one) => one.waits_for ?? "for nothing: it is about to be there" },
    ];
    return table(page, `waiting ${job.id}`, columns, job.waiting, (one) => one.shard, "Shards at work");
}

const ORDERS = {
    pause: [
        "Pause",
        "Pause this job? No further shard starts to move; those at work stay with both sets of owners. `resume` lets it go on.",
    ],
    resume: ["Resume", "Let this job go on? Its shards move again."],
    abort: [
        "Abort",
        "Abort this job? Shards at work go back, those that have moved stay where they are. Nothing is lost.",
    ],
};

function orders(page, job) {
    const names = { running: ["pause", "abort"], gathering: ["abort"], paused: ["resume", "abort"] }[job.state] ?? [];
    return h(
        "p",
        { class: "acts" },
        names.map((name) => {
            const [text, question] = ORDERS[name];
            return button(text, () =>
                page.confirm({
                    question,
                    what: `${job.type} ${job.id}`,
                    yes: text,
                    isGrave: name === "abort",
                    act: () => ask(`${path`v1/jobs/${job.id}`}/${name}`, { method: "POST" }),
                }),
            );
        }),
    );
}

function kept(page, { kept_by, plans }) {
    const columns = [
        { name: "Plan", cell: (plan) => link(["plans", plan.id], plan.id) },
        { name: "For", cell: (plan) => plan.type },
        { name: "Moves", right: true, cell: (plan) => counted(plan.moves, "copy").replace("copys", "copies") },
        { name: "Data", right: true, cell: (plan) => bytes(plan.bytes) },
        { name: "Made", cell: (plan) => ago(plan.made_at) },
        { name: "Kept", cell: (plan) => ago(plan.kept_until) },
        {
            name: "To know",
            cell: (plan) => (plan.warnings.length > 0 ? tag(counted(plan.warnings.length, "warning")) : "–"),
        },
    ];
    return panel(
        "Plans",
        h("span", { class: "dim" }, `kept by ${kept_by}; each node keeps its own for an hour`),
        plans.length === 0
            ? nothing(
                  "It keeps none. A plan says what a change would move and cost; nothing moves before it is applied.",
              )
            : table(page, "plans", columns, plans, (plan) => plan.id, "Plans"),
        newPlan(page),
    );
}

function compared(page, jobs) {
    const columns = [
        { name: "Job", cell: (job) => [job.type, " ", h("code", { class: "dim" }, job.id)] },
        { name: "State", by: (job) => job.state, cell: (job) => mark(STATES[job.state] ?? "busy", job.state) },
        { name: "Table", by: (job) => job.table ?? "", cell: (job) => job.table ?? "all" },
        word("Cause", (job) => job.cause),
        { name: "Ordered", by: (job) => -Date.parse(job.ordered_at), cell: (job) => ago(job.ordered_at) },
        figure("Differing", (job) => job.differing),
        { name: "What came of it", cell: (job) => sentence(job.says) },
    ];
    return jobs.length === 0
        ? nothing("None is remembered.")
        : table(page, "compared", columns, jobs, (job) => job.id, "Jobs that compare owners");
}
