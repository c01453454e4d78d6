//! Everything for which `serve` does not start: one sentence, and a code that is not 0.

use crate::process::{Ended, Running, quorate};
use std::path::Path;
use std::process::Command;

/// The sentence, if that is all there is.
#[track_caller]
fn sentence(ended: &Ended) -> String {
    assert_ne!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.starts_with('{')).collect();
    let [line] = lines.as_slice() else { panic!("not one sentence: {ended:?}") };
    line.strip_prefix("error: ").expect("an error").to_owned()
}

fn serve(data: &Path) -> Command {
    let mut command = quorate();
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--peer-listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ]);
    command.arg("--data").arg(data);
    command
}

#[track_caller]
fn refused(mut command: Command) -> String {
    sentence(&command.output().expect("runs").into())
}

/// A folder in which a cluster named `first` was founded.
fn founded(folder: &Path) {
    let mut command = serve(folder);
    command.args(["--bootstrap", "--cluster-name", "first"]);
    let mut node = Running::start(command);
    node.until_said("the node serves");
    node.terminate().expect_code(0);
}

#[test]
fn an_empty_folder_without_a_word_about_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = refused(serve(folder.path()));
    assert!(said.contains("--bootstrap") && said.contains("--join"), "{said}");
}

#[test]
fn no_folder() {
    let mut command = quorate();
    command.args(["serve", "--bootstrap", "--cluster-name", "c"]);
    assert!(refused(command).contains("--data"));
}

#[test]
fn founding_without_a_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = serve(folder.path());
    command.arg("--bootstrap");
    assert!(refused(command).contains("--cluster-name"));
    assert!(std::fs::read_dir(folder.path()).expect("readable").next().is_none(), "nothing was begun");
}

#[test]
fn founding_under_the_id_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = serve(folder.path());
    command.args(["--bootstrap", "--cluster-name", "c", "--name", "n2"]);
    assert!(refused(command).contains("would mislead"));
    assert!(std::fs::read_dir(folder.path()).expect("readable").next().is_none(), "nothing was begun");
}

#[test]
fn founding_a_cluster_that_lives_already() {
    let (first, emptied) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut command = serve(first.path());
    command.args(["--bootstrap", "--cluster-name", "first"]);
    let mut node = Running::start(command);
    let said: serde_json::Value = serde_json::from_str(&node.until_said("the node serves")).expect("JSON");
    let mut command = serve(emptied.path());
    command
        .args(["--bootstrap", "--cluster-name", "first", "--join"])
        .arg(said["clients"].as_str().expect("text"));
    let refused = refused(command);
    assert!(
        refused.contains("a cluster named first lives already") && refused.contains("--join"),
        "{refused}"
    );
    assert!(std::fs::read_dir(emptied.path()).expect("readable").next().is_none(), "nothing was begun");
    node.terminate().expect_code(0);
}

#[test]
fn a_folder_of_another_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    founded(folder.path());
    let mut command = serve(folder.path());
    command.args(["--bootstrap", "--cluster-name", "second"]);
    let said = refused(command);
    assert!(said.contains("belongs to cluster") && said.contains("(first), not to second"), "{said}");
}

#[test]
fn a_folder_of_a_newer_version() {
    let folder = tempfile::tempdir().expect("a folder");
    founded(folder.path());
    let path = folder.path().join("identity");
    let text = std::fs::read_to_string(&path).expect("the identity");
    let (content, _) = text.split_once("crc32 ").expect("a checksum");
    let newer = content.replace("format 1\n", "format 2\n");
    assert_ne!(newer, content, "the format is in the file");
    std::fs::write(&path, format!("{newer}crc32 {:08x}\n", crc32fast::hash(newer.as_bytes())))
        .expect("written");
    let said = refused(serve(folder.path()));
    assert!(said.contains("format 2") && said.contains("newer version"), "{said}");
}

#[test]
fn a_folder_with_something_else() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("thesis.tex"), "x").expect("written");
    let mut command = serve(folder.path());
    command.args(["--bootstrap", "--cluster-name", "c"]);
    assert!(refused(command).contains("thesis.tex"));
}

#[test]
fn a_port_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = taken.local_addr().expect("bound").to_string();
    for flag in ["--listen", "--peer-listen"] {
        let mut command = quorate();
        command.args(["serve", "--bootstrap", "--cluster-name", "c", "--log-format", "json", flag, &address]);
        let other = if flag == "--listen" { "--peer-listen" } else { "--listen" };
        command.args([other, "127.0.0.1:0"]).arg("--data").arg(folder.path());
        let said = refused(command);
        assert!(said.contains("in use") && said.contains(&address), "{said}");
    }
}

#[test]
fn too_few_open_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = serve(folder.path());
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 256 && exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    let said = refused(command);
    assert!(said.contains("256 files") && said.contains("limits.connections_max"), "{said}");
}

#[test]
fn a_network_without_protection() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |arguments: &[&str]| {
        let mut command = quorate();
        command.arg("serve").args(arguments).arg("--data").arg(folder.path());
        refused(command)
    };
    assert!(of(&["--listen", "192.0.2.1:7400"]).contains("--insecure"));
    assert!(of(&["--peer-listen", "192.0.2.1:7500"]).contains("--secret-file"));
}

#[test]
fn a_secret_that_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    let of = || {
        let mut command = serve(&folder.path().join("data"));
        command.arg("--secret-file").arg(&secret);
        refused(command)
    };
    assert!(of().contains("cannot be used"));
    std::fs::write(&secret, "short\n").expect("written");
    assert!(of().contains("it has 5 bytes"));
}

#[test]
fn names_and_values_without_meaning() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("quorate.toml");
    std::fs::write(&file, "peer-listen = \"127.0.0.1:1\"\n").expect("written");
    let mut command = serve(folder.path());
    command.arg("--config").arg(&file);
    assert!(refused(command).contains("did you mean peer_listen?"));
    let mut command = serve(folder.path());
    command.env("QUORATE_LIMITS_VALUE_BYTE_MAX", "1");
    assert!(refused(command).contains("did you mean QUORATE_LIMITS_VALUE_BYTES_MAX?"));
    let mut command = serve(folder.path());
    command.env("QUORATE_WEIGHT", "heavy");
    assert!(refused(command).contains("QUORATE_WEIGHT cannot be 'heavy'"));
    let mut command = serve(&folder.path().join("data"));
    command.args(["--log-filter", "node=loud"]);
    assert!(refused(command).contains("no filter"));
}
