//! Questions: whether something may be done, and for the name of what is lost, which `--yes` does not answer.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use std::io::{IsTerminal, Write};

/// Asks whether to go on, on a terminal, unless `--yes` has said so. A script has said so by the command itself.
pub fn by_yes(question: &str, context: &Context) -> Result<(), Failure> {
    if context.yes || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let mut stderr = std::io::stderr().lock();
    let asked = write!(stderr, "\n{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| std::io::stdin().read_line(&mut answer).map(|_| ()));
    match (read, answer.trim().to_ascii_lowercase().as_str()) {
        (Ok(()), "y" | "yes") => Ok(()),
        (Ok(()) | Err(_), _) => Err(Failure::new(Exit::Declined, "nothing was changed")),
    }
}

/// What is about to be lost.
pub struct Loss<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is about to happen, as the beginning of a sentence.
    pub doing: String,
    /// The same for the question; whole sentences.
    pub question: String,
    /// What is said of a refusal: that nothing has happened.
    pub nothing: &'static str,
}

/// Asks for the name, on a terminal; elsewhere it must have been given.
pub fn by_name(loss: &Loss<'_>, given: Option<&str>, context: &Context) -> Result<(), Failure> {
    let Loss { name, doing, question, nothing } = loss;
    let declined = |sentence: String| {
        Err(Failure::new(Exit::Declined, sentence)
            .next(format!("to do it without a question: --accept-data-loss={name}")))
    };
    if let Some(given) = given {
        return if given == *name {
            Ok(())
        } else {
            declined(format!("--accept-data-loss names {given}, and not {name}; {nothing}"))
        };
    }
    if context.yes || !std::io::stdin().is_terminal() {
        let why =
            if context.yes { "--yes does not answer for data" } else { "there is no terminal to ask at" };
        return declined(format!("{doing}, and {why}; {nothing}"));
    }
    let mut stderr = std::io::stderr().lock();
    let asked = write!(stderr, "{question} Type its name to go on: ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| std::io::stdin().read_line(&mut answer).map(|_| ()));
    if read.is_ok() && answer.trim_end_matches(['\r', '\n']) == *name {
        Ok(())
    } else {
        declined(format!("that is not its name; {nothing}"))
    }
}
