// A question before something is changed, as the command line asks it: who only presses Enter has said no.

import { h } from "./dom.js";
import { button, refusal } from "./parts.js";

export function dialog(asked, page) {
    if (!asked) return null;
    const { question, what, yes, isGrave, act, then, problem, isBusy } = asked;
    const close = () => page.confirm(null);
    const go = async () => {
        page.confirm({ ...asked, isBusy: true, problem: null });
        try {
            await act();
            close();
            then?.();
            page.refresh();
        } catch (problem) {
            page.confirm({ ...asked, problem, isBusy: false });
        }
    };
    return h(
        "dialog",
        { key: "dialog", "aria-labelledby": "question", onclose: close, ref: (node) => node.open || node.showModal() },
        h("h2", { id: "question" }, question),
        h("p", { class: "dim" }, what),
        problem && refusal(problem),
        h(
            "p",
            { class: "acts" },
            button(yes, go, { class: isGrave ? "grave" : "main", disabled: isBusy }),
            button("Cancel", close, { autofocus: true }),
        ),
    );
}
