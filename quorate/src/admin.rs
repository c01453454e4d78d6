//! The token of an admin who is made by the start of a node: the first one of a cluster that is founded, or one in place of
//! those whose tokens are lost.
//!
//! It is on the disk, or about to be printed, before the catalog knows it. A start that was cut short takes the same token
//! again from its file; one that was to be printed is drawn anew, and the one before is known to no one.

use crate::config::Config;
use quorate_api::token::Token;
use quorate_cli::{Exit, Failure};
use quorate_http::access::{draw, new_token};
use quorate_model::WallTime;
use quorate_ring::NewAdmin;
use quorate_storage::{Identity, Stage};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The user.
const NAME: &str = "admin";

/// An admin that is to be made.
pub struct Wanted {
    /// What the catalog is told.
    pub admin: NewAdmin,
    /// The token, where it is to be printed.
    pub printed: Option<Token>,
}

/// The admin that the configuration asks for at this start of this folder; `None`: none.
pub fn wanted(config: &Config, folder: &Path) -> Result<Option<Wanted>, Failure> {
    // What can't be read is said when the node opens its folder.
    let stage = Identity::read(folder).ok().flatten().map(|identity| identity.stage);
    let is_wanted = match stage {
        None | Some(Stage::Founding) => config.bootstrap && config.access,
        Some(Stage::Joining | Stage::Replacing | Stage::Member) => config.reset_admin,
    };
    if !is_wanted {
        return Ok(None);
    }
    let (token, is_printed) = match &config.admin_token_file {
        Some(file) => (in_file(file)?, false),
        None => (drawn()?, true),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let created = WallTime(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    let admin = NewAdmin { user: NAME.to_owned(), token: new_token(&token, created, None) };
    Ok(Some(Wanted { admin, printed: is_printed.then_some(token) }))
}

/// Prints a token, once, and nothing beside it: words go to the log.
pub fn print(token: &Token) -> Result<(), Failure> {
    tracing::warn!(
        "the token of the user {NAME} is on standard output: it is printed this once, and no node keeps it"
    );
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{}", token.reveal()).and_then(|()| stdout.flush());
    written.map_err(|error| {
        Failure::new(Exit::Other, format!("the token of {NAME} can't be printed: {error}"))
            .next("start the node once more with --reset-admin and --admin-token-file FILE")
    })
}

fn drawn() -> Result<Token, Failure> {
    draw().ok_or_else(|| Failure::new(Exit::Other, "the operating system has no random bits yet: try again"))
}

/// The token in a file; one that is not there is made, with a token in it, durably.
fn in_file(path: &Path) -> Result<Token, Failure> {
    let unusable = |why: String| {
        Failure::new(Exit::Usage, format!("the admin token file {} can't be used: {why}", path.display()))
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Token::parse(text.trim()).ok_or_else(|| {
            unusable("it holds no token, such as `quorate auth token create` makes".to_owned())
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = drawn()?;
            make(path, &token).map_err(|error| unusable(error.to_string()))?;
            Ok(token)
        }
        Err(error) => Err(unusable(error.to_string())),
    }
}

fn make(path: &Path, token: &Token) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", token.reveal())?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::{ClusterId, NodeId};
    use std::os::unix::fs::PermissionsExt as _;

    fn identity(folder: &Path, stage: Stage) {
        let identity = Identity {
            cluster: ClusterId(1),
            cluster_name: "c".to_owned(),
            node: NodeId(1),
            incarnation: 1,
            stage,
            accepted: None,
        };
        identity.write(folder).expect("written");
    }

    #[test]
    fn an_admin_is_made_where_a_cluster_is_founded_or_where_it_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let is_wanted = |config: &Config| wanted(config, folder.path()).expect("fine").is_some();
        let founding = Config { bootstrap: true, access: true, ..Config::default() };
        let reset = Config { reset_admin: true, ..Config::default() };
        assert!(is_wanted(&founding) && !is_wanted(&reset), "an empty folder");
        assert!(!is_wanted(&Config { access: false, ..founding.clone() }));
        assert!(!is_wanted(&Config { bootstrap: false, ..founding.clone() }), "it joins");
        identity(folder.path(), Stage::Founding);
        assert!(is_wanted(&founding), "that was cut short");
        identity(folder.path(), Stage::Member);
        assert!(!is_wanted(&founding) && is_wanted(&reset), "a node");
    }

    #[test]
    fn a_token_file_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("admin.token");
        let token = in_file(&path).expect("made");
        assert_eq!(in_file(&path).expect("read"), token);
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "secret").expect("written");
        assert_eq!(in_file(&path).expect_err("no token").exit, Exit::Usage);
    }
}
