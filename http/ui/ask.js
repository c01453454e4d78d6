// Questions to the node that served this page, and to no other: addresses are relative to it.
//
// A token that was given stays in this tab's session storage and goes into one header. What the node refuses is a
// `Refused` with its own sentence; a node that says nothing is `Silent`.

const TOKEN = "quorate-token";
const PATIENCE_MS = 8000;

/** A refusal: a problem document, or at least a status. */
export class Refused extends Error {
    constructor(status, problem) {
        super(problem.detail ?? problem.title ?? `the node answered ${status}`);
        this.status = status;
        this.code = problem.code ?? "";
        this.title = problem.title ?? "";
        this.outcome = problem.outcome ?? "";
    }
}

/** No answer. */
export class Silent extends Error {}

export const token = {
    get: () => sessionStorage.getItem(TOKEN),
    set: (text) => sessionStorage.setItem(TOKEN, text),
    forget: () => sessionStorage.removeItem(TOKEN),
};

/** A request; the response is one that the node did not refuse. */
export async function ask(path, { method = "GET", document } = {}) {
    const headers = {};
    if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
    if (document !== undefined) headers["Content-Type"] = "application/json";
    const body = document === undefined ? undefined : JSON.stringify(document);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    let response;
    try {
        response = await fetch(`../${path}`, { method, headers, body, signal, cache: "no-store", redirect: "error" });
    } catch (error) {
        throw new Silent(error.name === "TimeoutError" ? "no answer within 8 s" : "no connection");
    }
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw new Refused(response.status, problem);
}

/** The document that a request is answered with. */
export async function document(path, how) {
    const response = await ask(path, how);
    try {
        return await response.json();
    } catch {
        throw new Silent("the answer broke off");
    }
}

/** A path with names in it, each escaped. */
export const path = (parts, ...names) =>
    parts.reduce((all, part, at) => all + encodeURIComponent(names[at - 1]) + part);
