//! No circle of imports: among the files of a crate, and among its folders.
//!
//! A file that uses another knows what it is for; two that use each other are one thought in two places, and neither can
//! be read first. What counts is what a file says: its `use`s and its paths. A module that declares its children and
//! passes their names on (`pub use child::Name`) does not use them by that, and a file that takes a name from there uses
//! the child that has it. Tests do not count: a unit test looks into what surrounds it.

use super::{ORDER, root, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Crates that are suites of tests.
const SUITES: &[&str] = &["jepsen", "tests"];

/// A module's path within its crate; the crate's root is empty.
type Module = Vec<String>;

/// Which modules each module uses, and by which words.
type Edges = BTreeMap<Module, BTreeMap<Module, String>>;

#[test]
fn no_file_and_no_folder_imports_itself_by_way_of_others() {
    let mut found = Vec::new();
    for (folder, _) in ORDER.iter().filter(|(folder, _)| !SUITES.contains(folder)) {
        let edges = Crate::read(folder).edges();
        found.extend(circle(&edges).map(|circle| format!("{folder}: {circle}")));
        let levels: BTreeSet<&[String]> = edges.keys().map(|module| parent(module)).collect();
        for level in levels {
            let of_folder = circle(&within(&edges, level));
            found.extend(of_folder.map(|circle| format!("{folder}, folders of {}: {circle}", name(level))));
        }
    }
    assert!(found.is_empty(), "imports go in a circle:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_whichever_way_it_is_written() {
    let read = |files: &[(&str, &str)]| {
        let modules = files.iter().map(|(path, text)| (module(Path::new(path)), tokens(text)));
        let edges = Crate { modules: modules.collect() }.edges();
        (circle(&edges).is_some(), circle(&within(&edges, &[])).is_some())
    };
    let facade = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::{B, C as D};");
    assert_eq!(read(&[facade, ("a.rs", "use crate::B;"), ("b.rs", "")]), (false, false));
    assert_eq!(read(&[facade, ("a.rs", "use crate::{x, B};"), ("b.rs", "use super::a;")]), (true, true));
    assert_eq!(
        read(&[facade, ("a.rs", "fn f() { crate::b::g() }"), ("b.rs", "use crate::A;")]),
        (true, true)
    );
    let parent = ("a.rs", "mod c; use c::C; pub struct Own;");
    assert_eq!(read(&[parent, ("a/c.rs", "use super::Own;")]), (true, false));
    assert_eq!(
        read(&[parent, ("a/c.rs", "// use super::Own;\nconst S: &str = \"super::Own\";")]),
        (false, false)
    );
    let elsewhere = ("lib.rs", "mod a; mod b;\n#[cfg(test)]\nmod story;\npub use a::A; pub use b::B;");
    assert_eq!(read(&[elsewhere, ("a.rs", "use crate::B;"), ("b.rs", "use crate::A;")]), (true, true));
    assert_eq!(
        read(&[facade, ("a.rs", "use crate::B;"), ("b.rs", "\n#[cfg(test)]\nmod tests {\nuse crate::A; }")]),
        (false, false)
    );
    // Each file uses another one, and the folders use each other.
    let folders =
        [("a/x.rs", "use crate::b::y;"), ("a/z.rs", ""), ("b/y.rs", ""), ("b/w.rs", "use crate::a::z;")];
    assert_eq!(read(&folders), (false, true));
}

/// A crate's modules, in tokens.
struct Crate {
    modules: BTreeMap<Module, Vec<String>>,
}

impl Crate {
    fn read(folder: &str) -> Self {
        let src = root().join(folder).join("src");
        let is_product = |path: &Path| {
            path.file_name().is_some_and(|name| name != "tests.rs" && name != "main.rs")
                && !path.iter().any(|part| part == "tests" || part == "bin")
        };
        let sources = sources(&format!("{folder}/src"));
        let files = sources.iter().filter_map(|(path, text)| Some((path.strip_prefix(&src).ok()?, text)));
        let files = files.filter(|(path, _)| is_product(path));
        Self { modules: files.map(|(path, text)| (module(path), tokens(text))).collect() }
    }

    fn edges(&self) -> Edges {
        let said: BTreeMap<&Module, Vec<Said>> =
            self.modules.iter().map(|(module, tokens)| (module, said(tokens))).collect();
        let mut passed_on: BTreeMap<(Module, String), Module> = BTreeMap::new();
        for (module, said) in &said {
            for path in said.iter().filter(|said| said.is_passed_on) {
                let Some(path) = self.absolute(module, &path.path) else { continue };
                let Some(last) = path.last().cloned() else { continue };
                passed_on.insert(((*module).clone(), last), path);
            }
        }
        let mut edges = Edges::new();
        for (module, said) in &said {
            let used = edges.entry((*module).clone()).or_default();
            for Said { path, is_passed_on } in said {
                let Some(absolute) = self.absolute(module, path) else { continue };
                let target = self.home(absolute, &passed_on, 0);
                let is_own_child = *is_passed_on && target.starts_with(module);
                if target != **module && !is_own_child {
                    used.entry(target).or_insert_with(|| path.join("::"));
                }
            }
        }
        edges
    }

    /// A path from the crate's root; `None`: it is another crate's.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let first = path.first()?;
        let ups = path.iter().take_while(|part| *part == "super").count();
        let (mut base, rest) = match first.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => (module[..module.len().checked_sub(ups)?].to_vec(), &path[ups..]),
            child => {
                let child = [module.as_slice(), &[child.to_owned()]].concat();
                if !self.modules.contains_key(&child) {
                    return None;
                }
                (module.clone(), path)
            }
        };
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The module that has what a path names.
    fn home(&self, path: Module, passed_on: &BTreeMap<(Module, String), Module>, depth: usize) -> Module {
        let own = (0..=path.len()).rev().find(|len| *len == 0 || self.modules.contains_key(&path[..*len]));
        let (module, rest) = path.split_at(own.unwrap_or(0));
        match rest.first().and_then(|name| passed_on.get(&(module.to_vec(), name.clone()))) {
            Some(elsewhere) if *elsewhere != path && depth < 8 => {
                self.home([elsewhere.as_slice(), &rest[1..]].concat(), passed_on, depth + 1)
            }
            Some(_) | None => module.to_vec(),
        }
    }
}

/// A path that a module says.
struct Said {
    path: Vec<String>,
    /// By `pub use`.
    is_passed_on: bool,
}

fn module(path: &Path) -> Module {
    let path = path.with_extension("");
    if path == Path::new("lib") {
        return Module::new();
    }
    path.iter().map(|part| part.to_string_lossy().into_owned()).collect()
}

fn parent(module: &[String]) -> &[String] {
    module.split_last().map_or(module, |(_, parent)| parent)
}

fn name(module: &[String]) -> String {
    if module.is_empty() { "the crate".to_owned() } else { module.join("::") }
}

/// The edges between the modules right below a folder, each with all that is in it.
fn within(edges: &Edges, folder: &[String]) -> Edges {
    let part = |module: &Module| {
        (module.len() > folder.len() && module.starts_with(folder)).then(|| module[..=folder.len()].to_vec())
    };
    let mut between = Edges::new();
    for (from, used) in edges {
        for (to, by) in used {
            let (Some(from_part), Some(to_part)) = (part(from), part(to)) else { continue };
            if from_part != to_part {
                let by = format!("{} says {by}", name(from));
                between.entry(from_part).or_default().entry(to_part).or_insert(by);
            }
        }
    }
    between
}

/// One circle, as a sentence.
fn circle(edges: &Edges) -> Option<String> {
    fn visit(
        edges: &Edges,
        at: &Module,
        way: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
    ) -> Option<String> {
        if let Some(from) = way.iter().position(|module| module == at) {
            let steps = way[from..].iter().zip(way[from + 1..].iter().chain([at]));
            let steps =
                steps.map(|(from, to)| format!("{} -> {} ({})", name(from), name(to), edges[from][to]));
            return Some(steps.collect::<Vec<_>>().join(", "));
        }
        if !done.insert(at.clone()) {
            return None;
        }
        way.push(at.clone());
        let found = edges.get(at).into_iter().flatten().find_map(|(to, _)| visit(edges, to, way, done));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|module| visit(edges, module, &mut Vec::new(), &mut done))
}

/// Every path of a file's code: of `use`, and in between.
fn said(tokens: &[String]) -> Vec<Said> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token == word);
        if is(at, "use") {
            let is_passed_on = at > 0 && (is(at - 1, "pub") || is(at - 1, ")"));
            let mut paths = Vec::new();
            at = tree(tokens, at + 1, &[], &mut paths);
            all.extend(paths.into_iter().map(|path| Said { path, is_passed_on }));
        } else if is(at + 1, "::") && is_word(&tokens[at]) && !(at > 0 && is(at - 1, "::")) {
            let mut path = vec![tokens[at].clone()];
            while is(at + 1, "::") && tokens.get(at + 2).is_some_and(|token| is_word(token)) {
                at += 2;
                path.push(tokens[at].clone());
            }
            all.push(Said { path, is_passed_on: false });
        }
        at += 1;
    }
    all
}

/// The paths of one tree of a `use`; returns where it ends.
fn tree(tokens: &[String], mut at: usize, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "::" => {}
            "as" => at += 1,
            "{" => {
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = tree(tokens, at + 1, &path, paths);
                }
                return at + 1;
            }
            word if is_word(word) => path.push(token.clone()),
            _ => break,
        }
        at += 1;
    }
    // `self` names the module itself, and behind the last comma there is nothing.
    if path.len() > before.len() {
        if path.len() > 1 {
            path.retain(|part| part != "self" || path_begins_with_self(before, part));
        }
        paths.push(path);
    }
    at
}

/// Whether this `self` is the first word of a path, and not the module before a brace.
fn path_begins_with_self(before: &[String], part: &str) -> bool {
    before.first().is_some_and(|first| first == part)
}

fn is_word(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The words and signs of a file before its tests, without comments and the insides of texts.
fn tokens(text: &str) -> Vec<String> {
    // A module of tests ends the code; one that is elsewhere does not.
    let tests = text.match_indices("\n#[cfg(test)]\n").find(|(at, attribute)| {
        text[at + attribute.len()..].lines().next().is_some_and(|line| line.ends_with('{'))
    });
    let text = tests.map_or(text, |(at, _)| &text[..at]);
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = raw_text(rest) {
            raw
        } else if first == '"' {
            quoted(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else if word > 0 {
            tokens.push(rest[..word].to_owned());
            word
        } else {
            let len = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(rest[..len].to_owned());
            }
            len
        };
        rest = &rest[len..];
    }
    tokens
}

/// The length of a raw text at the beginning, if there is one.
fn raw_text(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix('r')?.bytes().take_while(|byte| *byte == b'#').count();
    let inside = rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    inside.find(&end).map(|at| 2 + hashes + at + end.len())
}

/// The length of a text with escapes.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}
