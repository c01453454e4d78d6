// The way in where the cluster wants a token. It stays in this tab: session storage, and one header.

import { token } from "./ask.js";
import { h } from "./dom.js";
import { mark } from "./parts.js";

/** What may stand in the header. */
const PLAIN = /^[\x21-\x7e]+$/;

export function login(page, wasRefused) {
    const { problem } = page.kept("login", { problem: null });
    const enter = (event) => {
        event.preventDefault();
        const text = new FormData(event.currentTarget).get("token").trim();
        if (!PLAIN.test(text)) {
            page.keep("login", { problem: "A token is one word of letters, digits and signs." });
            return;
        }
        page.keep("login", { problem: null });
        token.set(text);
        page.enter();
    };
    return h(
        "form",
        { class: "login", onsubmit: enter },
        h("h1", { tabindex: "-1" }, "This cluster wants a token"),
        h("p", null, "It is kept in this tab alone, until you log out or close it."),
        h(
            "label",
            null,
            "Token ",
            h("input", {
                name: "token",
                id: "token",
                type: "password",
                autocomplete: "current-password",
                spellcheck: "false",
                required: true,
            }),
        ),
        h("button", { type: "submit", class: "main" }, "Log in"),
        h(
            "p",
            { role: "alert" },
            problem ? mark("warn", problem) : wasRefused && mark("bad", "The node did not take this token."),
        ),
    );
}
