//! The dashboard of a real cluster in a real browser: every view shows its data, what is stored is never more than text, a
//! node that goes is seen to go, and all of it works by keyboard, on a phone's width, in light and in dark.

use crate::browser::{self, Browser, ENTER, ESCAPE, RIGHT, TAB};
use crate::process::{Dev, PATIENCE};
use serde_json::json;
use std::time::Instant;

/// Every view, and what it shows of the cluster that [`filled`] makes.
const VIEWS: [(&str, &str); 11] = [
    (
        "",
        "[...document.querySelectorAll('.tile .figure')].length === 6 && text('main').includes('every shard has a quorum')",
    ),
    (
        "ring/demo",
        "document.querySelectorAll('#ring .arc').length === 3 * 64 && document.querySelectorAll('#ring .positions').length === 3",
    ),
    (
        "ring/events",
        "document.querySelectorAll('#ring .arc').length === 3 * 3 && text('main').includes('3 shards')",
    ),
    ("nodes", "['n1', 'n2', 'n3', 'z1', 'z2', 'z3'].every((name) => text('tbody').includes(name))"),
    ("nodes/n2", "text('main').includes('256 virtual nodes') && text('main').includes('It may be stopped')"),
    (
        "tables",
        "['demo', 'events'].every((name) => text('tbody').includes(name)) && row('events').includes('3')",
    ),
    (
        "tables/events",
        "document.querySelectorAll('tbody tr').length === 3 && document.querySelector('#heat').width > 100 && text('main').includes('range')",
    ),
    ("keys/events", "text('tbody').includes('alpha')"),
    (
        "keys/events/YWxwaGE",
        "text('#agree').includes('hold the same') && text('#promise').includes('Linearizable') && text('#value') === 'the first'",
    ),
    ("jobs", "text('main').includes('None moves now') && document.querySelector('form.wish')"),
    ("sync", "text('#hints').includes('No hint waits') && row('events').includes('3')"),
];

/// What the tests ask of a page, in its own words.
const WORDS: &str = "
    window.text = (where) => document.querySelector(where)?.innerText ?? '';
    window.row = (name) => [...document.querySelectorAll('tbody tr')].map((row) => row.innerText).find((all) => all.includes(name)) ?? '';
    window.controls = () => [...document.querySelectorAll('a[href], button:not(:disabled), select, input, [tabindex=\"0\"]')]
        .filter((one) => one.getClientRects().length > 0);
";

/// A cluster of three with a range table of three shards and a key in it, and a page of its first node.
fn filled(folder: &std::path::Path) -> Option<(Dev, Browser)> {
    let mut browser = browser::open()?;
    let dev = Dev::start(folder, 3);
    dev.run(0, &["table", "create", "events", "--sharding", "range", "--split-at", "h", "--split-at", "p"])
        .expect_code(0);
    dev.run(0, &["put", "events", "alpha", "the first"]).expect_code(0);
    browser.before(WORDS);
    browser.look(1280, false);
    Some((dev, browser))
}

fn address(dev: &Dev, view: &str) -> String {
    format!("http://{}/ui/#/{view}", dev.endpoint(0))
}

/// Goes to a view of the page that is loaded.
fn go(browser: &mut Browser, view: &str) {
    browser.evaluate(&format!("location.hash = {}", json!(format!("#/{view}"))));
}

#[test]
fn every_view_shows_its_data_in_light_and_dark_on_a_phone_and_by_keyboard() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((dev, mut browser)) = filled(folder.path()) else { return };
    browser.load(&address(&dev, ""));
    for (view, shows) in VIEWS {
        go(&mut browser, view);
        browser.until(shows);
    }
    for is_dark in [false, true] {
        browser.look(390, is_dark);
        let back = browser.evaluate("getComputedStyle(document.documentElement).backgroundColor");
        let sum: u32 = back
            .as_str()
            .expect("a colour")
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse::<u32>().ok())
            .sum();
        assert_eq!(sum < 300, is_dark, "{back}");
        for (view, shows) in VIEWS {
            go(&mut browser, view);
            browser.until(shows);
            let wide = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
            assert!(wide.as_i64() <= Some(0), "{view} is {wide} too wide for a phone");
            let faint = browser.evaluate(FAINT);
            assert_eq!(faint, json!([]), "{view}, dark: {is_dark}");
        }
    }
    browser.look(1280, false);
    for view in ["", "ring/demo", "tables/events", "keys/events", "jobs"] {
        go(&mut browser, view);
        browser.until(VIEWS.iter().find(|(name, _)| *name == view).expect("a view").1);
        by_keyboard(&mut browser, view);
    }
    go(&mut browser, "ring/demo");
    browser.until("document.querySelector('#ring')");
    browser.evaluate("document.querySelector('#ring').focus()");
    browser.press(RIGHT);
    browser.until("text('[aria-live]').includes('demo/0')");
    browser.press(RIGHT);
    browser.until("text('[aria-live]').includes('demo/1')");
    assert_eq!(browser.complaints, [""; 0]);
}

/// Texts that are too faint on what is behind them, as WCAG counts it: 4.5 to 1 at least.
const FAINT: &str = "(() => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = numbers(colour).map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (one) => {
        while (one && numbers(getComputedStyle(one).backgroundColor)[3] === 0) one = one.parentElement;
        return getComputedStyle(one ?? document.documentElement).backgroundColor;
    };
    const says = (one) => [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    return [...document.querySelectorAll('body *')]
        .filter((one) => says(one) && one.getClientRects().length > 0 && !one.closest('svg, :disabled, .skip, select'))
        .filter((one) => {
            const [more, less] = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
            return (more + 0.05) / (less + 0.05) < 4.5;
        })
        .map((one) => `${one.className}: ${one.textContent.slice(0, 30)}`);
})()";

/// Every control is reached with the tabulator, and it can be seen where one is.
fn by_keyboard(browser: &mut Browser, view: &str) {
    browser.evaluate("window.reached = new Set(); document.activeElement?.blur(); true");
    let deadline = Instant::now() + PATIENCE;
    while browser.evaluate("controls().some((one) => !reached.has(one))") == true {
        browser.press(TAB);
        let is_seen = browser.evaluate(
            "(() => { const one = document.activeElement; if (one === document.body) return true; reached.add(one); \
             const style = getComputedStyle(one); return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0; })()",
        );
        assert_eq!(
            is_seen,
            true,
            "{view}: the focus can't be seen at {}",
            browser.evaluate("document.activeElement.outerHTML")
        );
        assert!(
            Instant::now() < deadline,
            "{view}: never reached: {}",
            browser
                .evaluate("controls().filter((one) => !reached.has(one)).map((one) => one.outerHTML).join()")
        );
    }
}

#[test]
fn a_hostile_key_or_value_is_shown_as_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((dev, mut browser)) = filled(folder.path()) else { return };
    browser.load(&address(&dev, ""));
    // Bytes as a list of numbers: what can't be text in a script can be sent so.
    let store = "(async () => {
        const script = '<script>window.owned = 1</script><img src=x onerror=\"window.owned = 1\">';
        const of = (text) => [...new TextEncoder().encode(text)];
        const hostile = [of(script), of('a\"b\\'c'), of('ctl\\u0000\\u001b[31m\\r\\n\\u202eend'), [255, 254, 60, 98, 62, 128]];
        window.hostile = hostile.map((bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''));
        for (const [at, name] of hostile.entries()) {
            const key = window.hostile[at];
            const body = new Uint8Array(name);
            const how = { method: 'PUT', body, headers: { 'Content-Type': 'text/html' } };
            const answer = await fetch(`../v1/tables/events/keys/${key}?enc=b64`, how);
            if (!answer.ok) throw new Error(await answer.text());
        }
        return window.hostile;
    })()";
    let keys = browser.evaluate(store);
    let dumped = format!("000000  {:47}  ··<b>·", "ff fe 3c 62 3e 80");
    let shown = [
        (
            "<script>window.owned = 1</script><img src=x onerror=\"window.owned = 1\">",
            "<script>window.owned = 1</script><img src=x onerror=\"window.owned = 1\">",
        ),
        ("a\"b'c", "a\"b'c"),
        ("ctl\\x00\\x1b[31m\\x0d\\x0a\\u{202e}end", "ctl\\u{0}\\u{1b}[31m\\u{d}\n\\u{202e}end"),
        ("\\xff\\xfe<b>\\x80", dumped.as_str()),
    ];
    go(&mut browser, "keys/events");
    for (key, _) in shown {
        browser.until(&format!("text('tbody').includes({})", json!(key)));
    }
    for (name, (key, value)) in keys.as_array().expect("a list").iter().zip(shown) {
        go(&mut browser, &format!("keys/events/{}", name.as_str().expect("text")));
        browser.until(&format!("document.querySelector('#key')?.textContent === {}", json!(key)));
        browser.until(&format!("document.querySelector('#value')?.textContent === {}", json!(value)));
        assert_eq!(
            browser.evaluate("document.querySelectorAll('main script, main b b, main img').length"),
            0
        );
    }
    assert_eq!(browser.evaluate("window.owned ?? null"), json!(null));
    assert_eq!(browser.evaluate("document.querySelectorAll('script').length"), 1);
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn a_node_that_is_killed_is_seen_to_go_and_a_plan_is_carried_out_after_a_question() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((dev, mut browser)) = filled(folder.path()) else { return };
    // In a table of fewer copies than nodes a plan has something to move.
    dev.run(0, &["table", "create", "few", "--n", "2", "--shards", "8"]).expect_code(0);
    browser.load(&address(&dev, ""));
    browser.until("row('n3').includes('up')");
    for _ in 0..3 {
        dev.run(1, &["put", "demo", "k", "v"]).expect_code(0);
    }
    // What the second node answers is told by the first.
    go(&mut browser, "nodes/n2");
    browser.until("text('main').includes('Writes') && /done [1-9]/.test(text('main'))");
    go(&mut browser, "");
    let killed = Instant::now();
    dev.disturb("kill", "n3").expect_code(0);
    browser.until("text('#health').includes('n3 down') && row('n3').includes('down')");
    assert!(killed.elapsed() < PATIENCE / 3, "{:?}", killed.elapsed());
    go(&mut browser, "ring/demo");
    browser.until("document.querySelectorAll('#ring .arc.down').length === 64");
    dev.run(0, &["put", "demo", "missed", "x"]).expect_code(0);
    go(&mut browser, "sync");
    browser.until("/hints? for n3/.test(text('#hints'))");
    dev.disturb("start", "n3").expect_code(0);
    browser.until("text('#hints').includes('No hint waits')");

    go(&mut browser, "jobs");
    browser.until("document.querySelector('select[name=kind]')");
    browser.evaluate(
        "(() => { const kind = document.querySelector('select[name=kind]'); kind.value = 'weight'; \
         kind.dispatchEvent(new Event('change')); })()",
    );
    browser.until("document.querySelector('input[name=weight]')");
    browser.evaluate("document.querySelector('input[name=weight]').value = '2'; document.querySelector('form.wish').requestSubmit()");
    browser.until("location.hash.startsWith('#/plans/') && text('main').includes('Meanwhile')");
    // Who only presses Enter has said no, and so has who presses Escape.
    for no in [ENTER, ESCAPE] {
        browser.evaluate("document.querySelector('main button.main').click()");
        browser.until("document.querySelector('dialog[open]')?.innerText.includes('Carry out this plan?')");
        browser.press(no);
        browser.until("!document.querySelector('dialog')");
    }
    let jobs = dev.run(0, &["job", "list", "--output", "json"]).expect_code(0);
    assert!(!jobs.text().contains("\"weight\""), "{jobs:?}");
    browser.evaluate("document.querySelector('main button.main').click()");
    browser.until("document.querySelector('dialog[open]')");
    browser.evaluate("document.querySelector('dialog button.main').click()");
    browser.until("location.hash === '#/jobs' && text('main').includes('weight')");
    assert!(dev.run(0, &["job", "list", "--output", "json"]).expect_code(0).text().contains("\"weight\""));

    // The node that serves the page goes too: the page says so, and since when its figures are.
    go(&mut browser, "");
    browser.until("row('n2').includes('up')");
    dev.disturb("kill", "n1").expect_code(0);
    browser.until("text('#silence').includes('n1 does not answer') && /The figures are of [0-9:]{8}/.test(text('#silence'))");
    dev.disturb("start", "n1").expect_code(0);
    browser.until("!document.querySelector('#silence')");
    assert_eq!(browser.complaints, [""; 0]);
}

/// A node that takes requests with one token only, as the page meets it.
const GUARD: &str = "(() => {
    const real = window.fetch;
    window.wrong = 0;
    window.fetch = (to, how) => {
        if (how?.headers?.Authorization === 'Bearer right') return real(to, how);
        window.wrong += 1;
        return Promise.resolve(new Response('{\"status\":401,\"code\":\"unauthenticated\"}', { status: 401 }));
    };
})()";

#[test]
fn where_a_token_is_wanted_it_asks_for_one_and_keeps_it_in_the_tab() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut browser) = browser::open() else { return };
    let dev = Dev::start(folder.path(), 1);
    browser.before(WORDS);
    browser.before(GUARD);
    browser.load(&address(&dev, "nodes"));
    browser.until("text('main').includes('wants a token')");
    assert_eq!(browser.evaluate("window.wrong"), 1, "one question is enough to know");
    for (token, says) in [("wrong", "did not take this token"), ("right", "n1")] {
        browser.evaluate(
            "document.querySelector('#token').value = ''; document.querySelector('#token').focus()",
        );
        browser.write(token);
        browser.press(ENTER);
        browser.until(&format!("text('main').includes({})", json!(says)));
    }
    browser.until("row('n1').includes('up')");
    assert_eq!(browser.evaluate("window.wrong"), 2);
    assert_eq!(browser.evaluate("localStorage.length + document.cookie.length"), 0);
    browser.evaluate(
        "[...document.querySelectorAll('button')].find((one) => one.innerText === 'Log out').click()",
    );
    browser.until("text('main').includes('wants a token') && sessionStorage.length === 0");
    assert_eq!(browser.complaints, [""; 0]);
}
