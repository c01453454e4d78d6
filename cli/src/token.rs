//! By what a command is recognised: a token in a file, or in a variable. It is no option: what stands on a command line, every
//! user of the machine can read.

use crate::exit::{Exit, Failure};
use crate::output::Output;
use quorate_client::{Bearer, Endpoint};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The variable with a token.
const TOKEN: &str = "QUORATE_TOKEN";

/// The variable with the path of a file that has one.
const TOKEN_FILE: &str = "QUORATE_TOKEN_FILE";

/// Longest file that is read for a token, in bytes: a token has 64.
const BYTES_MAX: u64 = 4 * 1024;

/// The token: of the file that the command line names, else of the environment. `None`: there is none.
pub fn find(file: Option<&Path>, output: &Output) -> Result<Option<Bearer>, Failure> {
    let of_environment = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(file) = file {
        return read(file, output).map(Some);
    }
    if let Some(token) = of_environment(TOKEN) {
        return Ok(Some(Bearer::new(&token.to_string_lossy())));
    }
    of_environment(TOKEN_FILE).map(|file| read(&PathBuf::from(file), output)).transpose()
}

fn read(path: &Path, output: &Output) -> Result<Bearer, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Usage, format!("the token file {} can't be read: {error}", path.display()))
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        output.note(&format!("warning: other users can read the token file {path}: `chmod 600 {path}`"));
    }
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        let sentence = format!("the token file {} does not hold one token and nothing else", path.display());
        return Err(Failure::new(Exit::Usage, sentence));
    }
    Ok(Bearer::new(token))
}

/// Warns where a token is about to go over a network that others can read.
pub fn warn_of_readers(endpoints: &[Endpoint], output: &Output) {
    let is_here = |endpoint: &&Endpoint| {
        let host = endpoint.host().trim_matches(['[', ']']);
        host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    };
    if let Some(away) = endpoints.iter().find(|endpoint| !is_here(endpoint)) {
        output.note(&format!(
            "warning: the token goes to {away} unencrypted: others who can read the network between can use it"
        ));
    }
}

/// A file for a token that is about to be made, for this user alone. Dropped before it has one, it is gone again.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: File,
    is_written: bool,
}

impl NewFile {
    /// Makes it. One that exists is not touched.
    pub fn begin(path: &Path) -> Result<Self, Failure> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = opened.map_err(|error| {
            let sentence = format!("the file {} can't be made: {error}; nothing was changed", path.display());
            Failure::new(Exit::Usage, sentence)
        })?;
        Ok(Self { path: path.to_owned(), file, is_written: false })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_written {
            // An empty file that stays does no harm.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Puts a token where its owner wants it: into the file, else on standard output and nothing beside it.
pub fn hand_over(output: &Output, token: &str, file: Option<NewFile>) -> Result<(), Failure> {
    let Some(mut new) = file else { return output.line(token) };
    let written = new.file.write_all(format!("{token}\n").as_bytes()).and_then(|()| new.file.sync_all());
    written.map_err(|error| {
        let sentence = format!("the token was made, and {} can't be written: {error}", new.path.display());
        Failure::new(Exit::Other, sentence).next("revoke it, and make another one: `quorate auth token list`")
    })?;
    new.is_written = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_client::Client;

    #[test]
    fn a_file_holds_one_token_and_nothing_else() {
        let (output, folder) = (Output::piped(false), tempfile::tempdir().expect("a folder"));
        let path = folder.path().join("token");
        for (text, is_one) in [("qrt_1_2\n", true), ("", false), ("\n", false), ("qrt_1_2 qrt_3_4", false)] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(read(&path, &output).is_ok(), is_one, "{text:?}");
        }
        let missing = find(Some(&folder.path().join("none")), &output).expect_err("it is not there");
        assert_eq!(missing.exit, Exit::Usage);
    }

    #[test]
    fn a_token_is_saved_for_its_owner_alone_and_over_no_other_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        drop(NewFile::begin(&path).expect("made"));
        let file = NewFile::begin(&path).expect("the empty one is gone");
        hand_over(&Output::piped(false), "qrt_1_2", Some(file)).expect("written");
        let bearer = read(&path, &Output::piped(false)).expect("read");
        assert_eq!(bearer, Bearer::new("qrt_1_2"));
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        NewFile::begin(&path).expect_err("it is there");
        let options = quorate_client::Options { token: Some(bearer), ..quorate_client::Options::default() };
        Client::new(options).expect("it can be sent");
    }
}
