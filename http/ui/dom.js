// A page as a function of what is known: `h` describes an element, `patch` makes the document like the description and
// touches only what differs, so that focus, selection and scrolling stay as they are.
//
// There is no way to markup here: what a child says becomes a text node, what an attribute says is set as its value,
// and in both a character that can't be seen, or that turns the text around it, is shown by its number.

const SVG = "http://www.w3.org/2000/svg";

/** Controls (but tab and line feed), what has no width, what changes the direction of text, halves of pairs. */
export const UNSEEN =
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu;

/** The text, with each character that can't be seen as `\u{number}`. */
export const visible = (text) => String(text).replace(UNSEEN, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);

/** An element: a tag, its attributes, and its children: elements, texts, lists of these, or nothing. */
export function h(tag, attributes, ...children) {
    const there = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
    return { tag, attributes: attributes ?? {}, children: there };
}

/** What each node of the document was last made like. */
const made = new WeakMap();

/** Makes the children of a node like these. */
export function patch(parent, children) {
    const keyed = new Map();
    const loose = [];
    for (const node of parent.childNodes) {
        const key = made.get(node)?.attributes?.key;
        if (key === undefined) loose.push(node);
        else keyed.set(key, node);
    }
    const take = (child) => {
        const key = child.attributes?.key;
        if (key !== undefined) {
            const node = keyed.get(key);
            return node && isLike(node, child) ? node : create(parent, child);
        }
        const at = loose.findIndex((node) => isLike(node, child));
        return at < 0 ? create(parent, child) : loose.splice(0, at + 1).at(-1);
    };
    const nodes = children.map(take);
    const kept = new Set(nodes);
    for (const node of [...parent.childNodes]) if (!kept.has(node)) node.remove();
    let at = parent.firstChild;
    for (const node of nodes) {
        if (node === at) at = at.nextSibling;
        else parent.insertBefore(node, at);
    }
    nodes.forEach((node, index) => update(node, children[index]));
}

const isLike = (node, child) =>
    child.tag === undefined ? node.nodeType === Node.TEXT_NODE : node.localName === child.tag;

function create(parent, child) {
    if (child.tag === undefined) return document.createTextNode("");
    const isSvg = child.tag === "svg" || (parent.namespaceURI === SVG && parent.localName !== "foreignObject");
    return isSvg ? document.createElementNS(SVG, child.tag) : document.createElement(child.tag);
}

function update(node, child) {
    const before = made.get(node);
    // A description that is kept means the same as the last time: a large picture is compared once.
    if (before === child && child.tag !== undefined) return;
    made.set(node, child);
    if (child.tag === undefined) {
        const text = visible(child);
        if (node.data !== text) node.data = text;
        return;
    }
    const former = before?.attributes ?? {};
    for (const name of Object.keys(former)) if (!(name in child.attributes)) set(node, name, null);
    for (const [name, value] of Object.entries(child.attributes)) if (former[name] !== value) set(node, name, value);
    patch(node, child.children);
    child.attributes.ref?.(node);
}

function set(node, name, value) {
    if (name === "key" || name === "ref") return;
    if (name.startsWith("on")) node[name] = value;
    else if (name === "style") {
        // Not the attribute: the page's policy allows none.
        for (const [property, of] of Object.entries(value ?? {})) node.style.setProperty(property, of);
    } else if (name === "value") {
        if (value !== null && node.value !== String(value)) node.value = value;
    } else if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? "" : visible(value));
}
