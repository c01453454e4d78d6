//! The rules of the protocol: each has its function, its sentence, its number and its mutants, and the page that lists
//! them says what the code says.

use super::{ORDER, code, root, sources};
use quorate_model::Mutant;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// The folders of the rules.
const FOLDERS: &[&str] = &["coordinator/src/rules", "ring/src/rules", "storage/src/rules"];

/// The page of the rules.
const PAGE: &str = "docs/rules.md";

/// The head of the page's table, which is written from the code.
const HEAD: &str = "| rule | what holds | where | broken by |\n|---|---|---|---|\n";

/// Where a mutant is asked for.
const ASKS: &str = ".broken(Mutant::";

/// One function of a rules folder that breaks rules or says which it is.
#[derive(Debug, Default)]
struct Rule {
    /// `file.rs`, from the top of the tree.
    file: String,
    name: String,
    /// The first paragraph of its comment.
    sentence: String,
    /// The number on the page; `None`: its comment does not say.
    number: Option<u32>,
    mutants: Vec<String>,
}

/// The functions of one file, in their order.
fn rules_of(file: &str, text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut open: Option<Rule> = None;
    for line in text.lines().take_while(|line| line.trim() != "#[cfg(test)]") {
        if let Some(rule) = &mut open {
            rule.mutants.extend(asked(line));
            if line == "}" {
                rules.extend(open.take());
            }
        } else if let Some(words) = line.strip_prefix("///") {
            comment.push(words.trim());
        } else if let Some(name) = function(line) {
            let paragraphs: Vec<String> =
                comment.split(|line| line.is_empty()).map(|lines| lines.join(" ")).collect();
            let number = paragraphs.iter().find_map(|paragraph| number(paragraph));
            let sentence = paragraphs.first().cloned().unwrap_or_default();
            open = Some(Rule { file: file.into(), name, sentence, number, mutants: asked(line).collect() });
        } else if !line.starts_with("#[") {
            comment.clear();
        }
    }
    rules
}

/// The mutants that a line asks for.
fn asked(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split(ASKS).skip(1).map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect())
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<String> {
    let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    let rest = line.strip_prefix("fn ").filter(|_| !line.starts_with(' '))?;
    Some(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

/// The number of a paragraph that begins with "Rule 7.".
fn number(paragraph: &str) -> Option<u32> {
    paragraph.strip_prefix("Rule ")?.split('.').next()?.parse().ok()
}

/// All rules, by number.
fn all() -> Vec<Rule> {
    let mut rules = Vec::new();
    for folder in FOLDERS {
        for (path, text) in sources(folder) {
            let file = path.strip_prefix(root()).expect("below the top").display().to_string();
            rules.extend(rules_of(&file, &text));
        }
    }
    // Helpers that name no mutant and no number are no rules.
    rules.retain(|rule| rule.number.is_some() || !rule.mutants.is_empty());
    rules.sort_by_key(|rule| rule.number);
    rules
}

fn is_rules(path: &Path) -> bool {
    FOLDERS.iter().any(|folder| path.starts_with(root().join(folder)))
}

#[test]
fn every_mutant_breaks_one_rule() {
    let mut broken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for rule in all() {
        for mutant in &rule.mutants {
            broken.entry(mutant.clone()).or_default().push(format!("{}: {}", rule.file, rule.name));
        }
    }
    for mutant in Mutant::ALL {
        let places = broken.remove(&format!("{mutant:?}")).unwrap_or_default();
        assert_eq!(places.len(), 1, "{mutant:?} breaks {places:?}");
    }
    assert!(broken.is_empty(), "no such mutants: {broken:?}");
}

#[test]
fn nothing_but_a_rule_asks_whether_it_is_broken() {
    for (folder, _) in ORDER {
        for (path, text) in sources(&format!("{folder}/src")) {
            let is_mutants_own = path.ends_with("model/src/mutant.rs");
            if is_rules(&path) || is_mutants_own {
                continue;
            }
            for (number, line) in code(&path, &text) {
                assert!(
                    !line.contains(ASKS),
                    "{}:{number} breaks a rule outside of {FOLDERS:?}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_page_of_the_rules_says_what_the_code_says() {
    let path = root().join(PAGE);
    let page = std::fs::read_to_string(&path).expect("the page of the rules");
    let (prose, table) = page.split_once(HEAD).expect("a table of rules");
    let numbered: BTreeSet<u32> =
        prose.lines().filter_map(|line| line.split_once(". **")?.0.parse().ok()).collect();
    let mut written = String::new();
    for rule in all() {
        let Rule { file, name, sentence, number, mutants } = &rule;
        let number = number.unwrap_or_else(|| panic!("{file}: {name} does not end with \"Rule 7.\""));
        assert!(numbered.contains(&number), "{file}: {name} says rule {number}, which {PAGE} does not have");
        assert!(sentence.ends_with('.'), "{file}: {name} does not begin with the rule's sentence");
        let named = |mutant: &String| {
            let mutant = Mutant::ALL.into_iter().find(|known| format!("{known:?}") == *mutant);
            format!("`{}`", mutant.expect("every mutant exists").name())
        };
        let mutants: Vec<String> = mutants.iter().map(named).collect();
        let sentence = sentence.replace('|', "\\|");
        writeln!(written, "| {number} | {sentence} | `{file}`: `{name}` | {} |", mutants.join(", "))
            .expect("writing into memory");
    }
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(&path, format!("{prose}{HEAD}{written}")).expect("the page of the rules");
        return;
    }
    assert_eq!(table, written, "{PAGE} differs from the code: UPDATE_GOLDENFILES=1 writes it anew");
}
