//! Programs of the system: `ip`, `nft`, `tc`, `mount` and the like, run to their end.
//!
//! What a fault does to a machine is done by the same commands that a person would type, so that a failing one can be
//! tried by hand: an error says the whole command and what it answered. Programs are looked for in the places for
//! administration too, which are not on everybody's path.

use std::io::Write as _;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Folders for programs of administration, looked at after `PATH`.
const MORE_PLACES: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// A command that could not be run, or that failed. What it was to change is not changed, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{command}`: {said}")]
pub struct Error {
    /// The whole command.
    pub command: String,
    /// What came of it.
    pub said: String,
}

/// Where a program is; `None` if the machine does not have it.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(MORE_PLACES.map(PathBuf::from))
        .map(|place| place.join(program))
        .find(|file| file.is_file())
}

/// A command that has not been started, of a program wherever it is.
pub fn command(program: &str) -> Command {
    Command::new(find(program).unwrap_or_else(|| Path::new(program).to_owned()))
}

/// A process that goes on beside this one, reads nothing and writes nothing; killed when this is dropped.
#[derive(Debug)]
pub struct Background(Child);

impl Background {
    /// Starts a command.
    pub fn start(command: &mut Command) -> std::io::Result<Background> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Background)
    }

    /// The same, with what it writes on standard output for the one who started it.
    pub fn start_with_output(command: &mut Command) -> std::io::Result<Background> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map(Background)
    }
}

impl Deref for Background {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Background {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail only if it is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command to its end, and gives what it wrote on standard output.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, Error> {
    run_with(program, arguments, "")
}

/// The same, with something on its standard input.
pub fn run_with(program: &str, arguments: &[&str], input: &str) -> Result<String, Error> {
    let failed = |said: String| Error { command: words(program, arguments), said };
    let mut child = command(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut stdin = child.stdin.take().expect("it was asked for");
    // A program that does not read its input closes it: its exit status says whether that was right.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("{}: {}", output.status, said.trim())))
}

fn words(program: &str, arguments: &[&str]) -> String {
    std::iter::once(program).chain(arguments.iter().copied()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_given_and_input_is_read() {
        assert_eq!(run_with("cat", &[], "some words").as_deref(), Ok("some words"));
    }

    #[test]
    fn a_failure_says_the_command_and_what_it_answered() {
        let error = run("ls", &["/there/is/no/such/folder"]).expect_err("it is not there");
        assert!(error.to_string().contains("`ls /there/is/no/such/folder`"), "{error}");
        assert!(error.said.contains("No such file"), "{error}");
    }

    #[test]
    fn what_the_machine_does_not_have_is_not_found() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
        assert!(run("no-such-program-anywhere", &[]).is_err());
    }
}
