//! A real browser without a window, spoken to as its developer tools are: JSON documents, each with a zero byte behind it,
//! over two pipes (`--remote-debugging-pipe`). No port is opened, and nothing has to be installed beside the browser.
//!
//! What a page must never cause is collected while it is used: uncaught exceptions, violations of its policy, dialogs of
//! scripts.

use crate::process::PATIENCE;
use serde_json::{Value as Json, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The names under which systems have it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// How long a page may take to begin before it is loaded again: a browser gives up what it loads when the machine's
/// networks change, as they do while other suites make hosts of their own.
const BEGIN: Duration = Duration::from_secs(10);

/// A key of the keyboard: its name, and its number.
pub type Press = (&'static str, u32);

pub const TAB: Press = ("Tab", 9);
pub const ENTER: Press = ("Enter", 13);
pub const ESCAPE: Press = ("Escape", 27);
pub const RIGHT: Press = ("ArrowRight", 39);

/// One page of a browser, which ends when this is dropped.
pub struct Browser {
    child: Child,
    say: ChildStdin,
    heard: Receiver<Json>,
    number: u64,
    session: Option<String>,
    /// What a page must never cause, as the browser told it.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

/// A page; `None`, and a line that says so: this machine has no browser.
pub fn open() -> Option<Browser> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&str| {
        std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| file.is_file())
    };
    let Some(program) = NAMES.iter().find_map(is_there) else {
        println!("skipped: there is no {} here; `scripts/setup browser` installs one", NAMES.join(", no "));
        return None;
    };
    Some(Browser::start(program))
}

impl Browser {
    fn start(program: PathBuf) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut arguments = vec![
            "--headless",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ];
        if rustix::process::geteuid().is_root() {
            // Its sandbox is not for root.
            arguments.push("--no-sandbox");
        }
        // It listens on its third file and speaks on its fourth.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(program)
            .args(arguments)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let say = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let (send, heard) = channel();
        std::thread::spawn(move || {
            for document in answers.split(0).map_while(Result::ok) {
                let document = serde_json::from_slice(&document).expect("JSON");
                if send.send(document).is_err() {
                    break;
                }
            }
        });
        let mut browser =
            Self { child, say, heard, number: 0, session: None, complaints: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({"targetId": target, "flatten": true}));
        browser.session = Some(attached["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Asks the browser, and waits for its answer.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: &Json) -> Json {
        self.ask(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn ask(&mut self, method: &str, parameters: &Json) -> Result<Json, Json> {
        self.number += 1;
        let mut question = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            question["sessionId"] = session.clone().into();
        }
        self.say.write_all(format!("{question}\0").as_bytes()).expect("it listens");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let said = self.heard.recv_timeout(left).unwrap_or_else(|error| panic!("{method}: {error}"));
            if said["id"] == self.number {
                return if said["error"].is_null() {
                    Ok(said["result"].clone())
                } else {
                    Err(said["error"].clone())
                };
            }
            self.note(&said);
        }
    }

    /// Keeps what a page must never cause.
    fn note(&mut self, said: &Json) {
        let parameters = &said["params"];
        let is_one = match said["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Page.javascriptDialogOpening") => true,
            Some("Log.entryAdded") => matches!(
                parameters["entry"]["source"].as_str(),
                Some("security" | "violation" | "javascript")
            ),
            Some(_) | None => false,
        };
        if is_one {
            self.complaints.push(parameters.to_string());
        }
    }

    /// What an expression of the page comes to.
    #[track_caller]
    pub fn evaluate(&mut self, script: &str) -> Json {
        self.run(script).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same; an error is the page's, or that it is about to be another one.
    fn run(&mut self, script: &str) -> Result<Json, Json> {
        let parameters = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.ask("Runtime.evaluate", &parameters)?;
        if answer["exceptionDetails"].is_null() {
            Ok(answer["result"]["value"].clone())
        } else {
            Err(answer["exceptionDetails"].clone())
        }
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn until(&mut self, script: &str) {
        let deadline = Instant::now() + PATIENCE;
        let script = format!("!!({script})");
        loop {
            let is_so = self.run(&script);
            if is_so == Ok(true.into()) {
                return;
            }
            if Instant::now() > deadline {
                let page = self.run("document.body.innerText");
                panic!("never: {script} ({is_so:?})\n{page:#?}");
            }
        }
    }

    /// Loads a page, and waits until it has begun.
    pub fn load(&mut self, address: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.call("Page.navigate", &json!({"url": "about:blank"}));
            self.call("Page.navigate", &json!({"url": address}));
            let until = Instant::now() + BEGIN;
            while Instant::now() < until {
                let has_begun = "location.href !== 'about:blank' && document.querySelector('h1') !== null";
                if self.run(has_begun) == Ok(true.into()) {
                    return;
                }
            }
            assert!(Instant::now() < deadline, "{address} never begins");
        }
    }

    /// How wide the page is, and whether its reader prefers it dark.
    pub fn look(&mut self, width: u32, is_dark: bool) {
        let metrics = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = json!({"name": "prefers-color-scheme", "value": if is_dark { "dark" } else { "light" }});
        self.call("Emulation.setEmulatedMedia", &json!({"features": [scheme]}));
    }

    /// Presses a key and lets it go.
    pub fn press(&mut self, (key, number): Press) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": number});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Types text where the focus is.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Runs a script in every page that is loaded from now on, before the page's own.
    pub fn before(&mut self, script: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", &json!({"source": script}));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
