//! What surrounds a service: broken outputs, signals, terminals, the rights of its folder, variables that no person
//! wrote.

use crate::process::{Ended, PATIENCE, Running, free_ports, quorate, run, signal};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A node that founds a cluster, on ports that are free.
fn serve(data: &Path, port: u16) -> Command {
    let mut command = quorate();
    serving(&mut command, data, port);
    command
}

fn serving(command: &mut Command, data: &Path, port: u16) {
    let (http, peers) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", port + 1));
    command.args(["serve", "--bootstrap", "--cluster-name", "alone", "--listen", &http]);
    command.args(["--peer-listen", &peers]).arg("--data").arg(data);
}

/// A child, killed if it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Killed {
    fn signal(&self, name: &str) {
        signal(&self.0.id().to_string(), name);
    }

    fn ends_with(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("waited for") {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::yield_now();
        }
    }
}

/// Waits until a node is ready.
#[track_caller]
fn is_ready(port: u16) {
    until(port, &["status", "--check"], |ended| ended.code == 0);
}

#[track_caller]
fn until(port: u16, arguments: &[&str], good: impl Fn(&Ended) -> bool) -> Ended {
    let endpoint = format!("127.0.0.1:{port}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ended = run(&[&["--endpoint", endpoint.as_str()], arguments].concat());
        if good(&ended) {
            return ended;
        }
        assert!(Instant::now() < deadline, "{arguments:?}: {ended:?}");
    }
}

fn page(port: u16, path: &str) -> String {
    let url = format!("http://127.0.0.1:{port}{path}");
    let output = Command::new("curl").args(["-s", &url]).output().expect("curl runs");
    String::from_utf8(output.stdout).expect("text")
}

fn metric(port: u16, name: &str) -> u64 {
    let page = page(port, "/metrics");
    let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{page}"));
    line.trim().parse().expect("a number")
}

#[test]
fn a_node_whose_log_has_no_room_serves_counts_what_it_drops_and_stops_in_order() {
    let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
    let port = ports.port(0);
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a device of every Linux");
    let node =
        Killed(serve(folder.path(), port).stdout(Stdio::null()).stderr(full).spawn().expect("it starts"));
    is_ready(port);
    assert!(metric(port, "quorate_log_lines_dropped_total") > 0);
    node.signal("TERM");
    assert_eq!(node.ends_with(), 0);
}

#[test]
fn a_node_whose_log_nobody_reads_any_more_serves_and_stops_in_order() {
    let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
    let port = ports.port(0);
    let mut command = serve(folder.path(), port);
    let mut node = Killed(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts"));
    is_ready(port);
    drop(node.0.stderr.take());
    // It says something.
    node.signal("USR1");
    let deadline = Instant::now() + PATIENCE;
    while metric(port, "quorate_log_lines_dropped_total") == 0 {
        assert!(Instant::now() < deadline, "nothing is dropped");
    }
    is_ready(port);
    node.signal("TERM");
    assert_eq!(node.ends_with(), 0);
}

#[test]
fn a_development_cluster_whose_outputs_have_no_room_serves_and_stops_in_order() {
    let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
    let port = ports.port(0);
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("a device of every Linux");
    let mut command = quorate();
    command.args(["dev", "--nodes", "1", "--port", &port.to_string(), "--data"]).arg(folder.path());
    let dev = Killed(command.stdout(full()).stderr(full()).spawn().expect("it starts"));
    until(port, &["table", "describe", "demo"], |ended| ended.code == 0);
    dev.signal("TERM");
    assert_eq!(dev.ends_with(), 0);
}

#[test]
fn data_that_finds_no_room_is_an_error_and_a_reader_that_has_gone_is_none() {
    let into = |stdout: Stdio| {
        let output = quorate().args(["config", "init"]).stdout(stdout).output().expect("it runs");
        Ended::from(output)
    };
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a device of every Linux");
    let ended = into(full.into()).expect_code(1);
    assert!(ended.stderr.contains("No space left"), "{ended:?}");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended = into(writer.into()).expect_code(141);
    assert_eq!(ended.stderr, "", "nothing to tell");
}

#[test]
fn no_signal_but_those_that_stop_it_ends_a_node() {
    let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
    let port = ports.port(0);
    // Without a terminal, as under a service manager.
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(quorate().get_program());
    serving(&mut command, folder.path(), port);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QUORATE_")) {
        command.env_remove(name);
    }
    let mut node = Running::start(command);
    node.until_said("the node serves");
    let pid = pid_of(folder.path());
    for name in ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT", "PIPE"] {
        signal(&pid, name);
    }
    node.until_said("SIGSTKFLT means nothing");
    signal(&pid, "HUP");
    node.until_said("no log file to open anew");
    is_ready(port);
    signal(&pid, "TERM");
    node.until_said("the node has stopped");
}

/// The process that serves this folder.
fn pid_of(data: &Path) -> String {
    let data = data.display().to_string();
    let is_it = |pid: &str| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.first().is_some_and(|program| program.ends_with(b"/quorate"))
            && words.contains(&data.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").expect("a listing");
    let mut names = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.find(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()) && is_it(pid)).expect("it runs")
}

#[test]
fn a_terminal_that_is_closed_stops_a_node_in_order() {
    let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
    let port = ports.port(0);
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let mut node = quorate();
    serving(&mut node, &data, port);
    let words = node.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let line = format!("{} {words} 2>{}", node.get_program().to_string_lossy(), log.display());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let terminal = Killed(terminal.spawn().expect("script runs"));
    is_ready(port);
    drop(terminal);
    let deadline = Instant::now() + PATIENCE;
    let said = || std::fs::read_to_string(&log).expect("a log");
    while !said().contains("the node has stopped") {
        assert!(Instant::now() < deadline, "{}", said());
    }
    assert!(said().contains("SIGHUP: stopping"), "{}", said());
}

#[test]
fn the_log_of_a_development_cluster_goes_on_in_a_new_file_once_it_was_moved_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(quorate().get_program());
    command.args(["--output", "jsonl", "dev", "--nodes", "1", "--port", "0", "--data"]).arg(folder.path());
    let mut dev = Running::start(command);
    dev.line();
    let log = folder.path().join("dev.log");
    std::fs::rename(&log, folder.path().join("dev.log.1")).expect("moved");
    let pid = pid_of(folder.path());
    signal(&pid, "HUP");
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains("opened anew")) {
        assert!(Instant::now() < deadline, "no new log");
    }
    signal(&pid, "TERM");
    dev.until_said("stopped; the data is kept");
}

#[test]
fn no_other_user_reads_a_nodes_folder_new_or_old() {
    let above = tempfile::tempdir().expect("a folder");
    let (data, ports) = (above.path().join("data"), free_ports());
    let port = ports.port(0);
    let rights = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let run = || {
        let mut node = Running::start(serve(&data, port));
        node.until_said("the node serves");
        let mut open = vec![data.clone()];
        while let Some(folder) = open.pop() {
            assert_eq!(rights(&folder), 0o700, "{}", folder.display());
            for entry in std::fs::read_dir(&folder).expect("a listing") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    assert_eq!(rights(&path), 0o600, "{}", path.display());
                }
            }
        }
        node.terminate().expect_code(0)
    };
    assert!(!run().stderr.contains("could read"));
    // As an older version has left it.
    for (path, mode) in [(data.clone(), 0o755), (data.join("db"), 0o755), (data.join("db/CURRENT"), 0o644)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    assert!(run().stderr.contains("could read"));
}

#[test]
fn a_folder_that_is_not_a_nodes_own_is_refused_and_its_rights_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = |mode| std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode));
    let rights = || std::fs::metadata(folder.path()).expect("it is there").permissions().mode() & 0o7777;
    set(0o1777).expect("it is ours");
    let ports = free_ports();
    let ended = Ended::from(serve(folder.path(), ports.port(0)).output().expect("it runs")).expect_code(1);
    assert!(ended.stderr.contains("1777") && ended.stderr.contains("chmod 0700"), "{ended:?}");
    assert_eq!(rights(), 0o1777);
    set(0o755).expect("it is ours");
    File::create(folder.path().join("letters")).expect("made");
    Ended::from(serve(folder.path(), ports.port(0)).output().expect("it runs")).expect_code(1);
    assert_eq!(rights(), 0o755);
}

#[test]
fn links_to_services_are_one_warning_and_a_slip_is_an_error() {
    let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
    let port = ports.port(0);
    let mut command = serve(folder.path(), port);
    command.env("QUORATE_PORT", "tcp://10.0.0.9:7400").env("QUORATE_SERVICE_HOST", "10.0.0.9");
    command.env("QUORATE_PORT_7400_TCP", "tcp://10.0.0.9:7400").env("QUORATE_PEERS_SERVICE_HOST", "10.0.0.9");
    let mut node = Running::start(command);
    node.until_said("the node serves");
    let ended = node.terminate().expect_code(0);
    assert_eq!(ended.stderr.matches("enableServiceLinks").count(), 1, "{ended:?}");
    let slip = serve(folder.path(), port).env("QUORATE_ZONNE", "a").output().expect("it runs");
    assert!(Ended::from(slip).expect_code(2).stderr.contains("QUORATE_ZONE?"));
}

#[test]
fn what_clients_do_wrong_does_not_make_the_log_grow() {
    let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
    let port = ports.port(0);
    let mut node = Running::start(serve(folder.path(), port));
    node.until_said("the node serves");
    is_ready(port);
    // Reads of no table, and changes that no cluster of one node can make.
    let each = |number: u32| format!("http://127.0.0.1:{port}/v1/tables/none/keys/{number}");
    let urls: Vec<String> = (0..300).map(each).collect();
    let read = Command::new("curl").arg("-s").args(&urls).output().expect("curl runs");
    assert!(read.status.success());
    assert!(
        metric(port, "quorate_requests_total{operation=\"get\",level=\"none\",outcome=\"not_found\"}") >= 300
    );
    let ended = node.terminate().expect_code(0);
    assert!(ended.stderr.lines().count() < 40, "{ended:?}");
}
