use super::sample::{example, sample, show};
use super::settings::SETTINGS;
use super::validate::validate;
use super::*;
use quorate_client::Endpoint;
use quorate_http::InForce;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn flags(pairs: &[(&'static str, &str)]) -> Given {
    pairs.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn sentence(result: Result<Resolved, Error>) -> String {
    result.and_then(|resolved| validate(&resolved.config)).expect_err("a refusal").to_string()
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let file = file("zone = \"file\"\nname = \"file\"\nweight = 0.5\n[limits]\nvalue_bytes_max = \"2MiB\"\n");
    let environment =
        environment(&[("QUORATE_ZONE", "environment"), ("QUORATE_NAME", "environment"), ("HOME", "/")]);
    let resolved =
        Resolved::of(Some(file.path()), environment, &flags(&[("zone", "flag")])).expect("a configuration");
    assert_eq!(resolved.config.zone, "flag");
    assert_eq!(resolved.config.name.as_deref(), Some("environment"));
    assert_eq!(resolved.config.weight.thousandths(), 500);
    assert_eq!(resolved.config.limits.value_bytes_max, 2 << 20);
    assert_eq!(resolved.config.listen, Config::default().listen);
    let shown = show(&resolved);
    assert!(
        shown.lines().any(|line| line.starts_with("zone = \"flag\"") && line.ends_with("# flag")),
        "{shown}"
    );
}

#[test]
fn lists_are_arrays_in_files_and_commas_in_the_environment() {
    let expected: Vec<Endpoint> = vec![Endpoint::new("a", 7400), Endpoint::new("b", 1)];
    let file = file("join = [\"a\", \"b:1\"]");
    let resolved = Resolved::of(Some(file.path()), Vec::new(), &Given::new()).expect("a configuration");
    assert_eq!(resolved.config.join, expected);
    let resolved = Resolved::of(None, environment(&[("QUORATE_JOIN", "a, b:1")]), &Given::new())
        .expect("a configuration");
    assert_eq!(resolved.config.join, expected);
}

#[test]
fn an_unknown_name_is_an_error_wherever_it_stands() {
    for (text, expected) in [
        ("peer-listen = \"127.0.0.1:1\"", "did you mean peer_listen?"),
        ("colour = 1", "colour in "),
        ("[limits]\nvalue_byte_max = 1", "did you mean limits.value_bytes_max?"),
        ("[timing]\nagain = \"1s\"", "did you mean timing.resend_after?"),
        ("[timing]\npatience = \"1s\"", "did you mean timing.give_up_after?"),
        ("[log]\nformat = \"json\"", "log in "),
    ] {
        let file = file(text);
        let error =
            Resolved::of(Some(file.path()), Vec::new(), &Given::new()).expect_err("unknown").to_string();
        assert!(error.contains(expected) && error.contains("has no meaning"), "{error}");
    }
    let error =
        Resolved::of(None, environment(&[("QUORATE_ZONNE", "a")]), &Given::new()).expect_err("unknown");
    assert!(
        error.to_string().contains("QUORATE_ZONNE has no meaning (did you mean QUORATE_ZONE?)"),
        "{error}"
    );
}

#[test]
fn unknown_variables_are_told_to_commands_that_read_no_settings() {
    let told = super::unknown_variables(environment(&[
        ("QUORATE_ZONNE", "a"),
        ("QUORATE_ENDPOINT", "a:7400"),
        ("QUORATE_FRUIT", "a"),
        // What has a meaning, or is not ours.
        ("QUORATE_ZONE", "a"),
        ("QUORATE_ENDPOINTS", "a:7400"),
        ("QUORATE_CONFIG", ""),
        ("QUORATE_SERVICE_HOST", "10.0.0.9"),
        ("HOME", "/"),
    ]));
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("QUORATE_ENDPOINT has no meaning (did you mean QUORATE_ENDPOINTS?)"),
        "{told:?}"
    );
    assert!(told[1].contains("QUORATE_FRUIT has no meaning;"), "{told:?}");
    assert!(told[2].contains("QUORATE_ZONNE has no meaning (did you mean QUORATE_ZONE?)"), "{told:?}");
}

#[test]
fn links_to_services_are_passed_over_and_named() {
    let names = |pairs: &[(&str, &str)]| {
        let resolved = Resolved::of(None, environment(pairs), &Given::new()).expect("links are no error");
        (resolved.links.clone(), links::warning(&resolved.links), resolved.config.name)
    };
    let of_kubernetes = [
        ("QUORATE_PORT", "tcp://10.0.0.9:7400"),
        ("QUORATE_PORT_7400_TCP", "tcp://10.0.0.9:7400"),
        ("QUORATE_PORT_7400_TCP_ADDR", "10.0.0.9"),
        ("QUORATE_PORT_7400_TCP_PORT", "7400"),
        ("QUORATE_PORT_7400_TCP_PROTO", "tcp"),
        ("QUORATE_SERVICE_HOST", "10.0.0.9"),
        ("QUORATE_SERVICE_PORT", "7400"),
        ("QUORATE_SERVICE_PORT_HTTP", "7400"),
        ("QUORATE_PEERS_SERVICE_HOST", "fd00::9"),
        ("QUORATE_PEERS_PORT", "udp://[fd00::9]:7500"),
        // A service whose name begins like a setting.
        ("QUORATE_LISTEN_SERVICE_HOST", "10.0.0.9"),
        ("QUORATE_DATA_PORT_1_SCTP_PORT", "1"),
    ];
    for link in of_kubernetes {
        assert_eq!(names(&[link]).0, [link.0]);
    }
    let of_docker = [("QUORATE_NAME", "/web/quorate"), ("QUORATE_ENV_PATH", "/bin")];
    let (links, warning, name) = names(&[&of_kubernetes[..], &of_docker[..]].concat());
    assert_eq!((links.len(), name), (of_kubernetes.len() + 2, None), "{links:?}");
    let warning = warning.expect("one warning");
    assert!(warning.contains("QUORATE_SERVICE_HOST") && warning.contains("enableServiceLinks"), "{warning}");
    assert_eq!(names(&[("QUORATE_NAME", "db-0")]), (Vec::new(), None, Some("db-0".to_owned())));
}

#[test]
fn what_only_looks_a_little_like_a_link_is_an_error() {
    for (name, value) in [
        ("QUORATE_PORT", "7400"),
        ("QUORATE_HTTP_PORT", "7400"),
        ("QUORATE_SERVICE_HOST", "db"),
        ("QUORATE_SERVICE_PORTS", "7400"),
        ("QUORATE_SERVICE_PORT", "many"),
        ("QUORATE_PORT_HTTP_TCP", "tcp://10.0.0.9:7400"),
        ("QUORATE_PORT_7400_TCP_ZONNE", "1"),
        ("QUORATE_NODE_NAME", "db-0"),
    ] {
        let error = Resolved::of(None, environment(&[(name, value)]), &Given::new()).expect_err(name);
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// Else a link could change a setting, or a setting be passed over as a link.
#[test]
fn no_setting_has_the_name_of_a_link() {
    for setting in SETTINGS {
        let name = setting.environment();
        for value in ["7400", "10.0.0.9", "tcp://10.0.0.9:7400"] {
            assert!(!links::is_link(&name, value), "{name}={value}");
        }
        // Of these no value has a slash.
        assert!(name.ends_with("NAME") || !links::is_link(&name, "/web/quorate"), "{name}");
    }
}

#[test]
fn a_value_that_cannot_be_is_refused_with_what_it_could_be() {
    for (setting, value, expected) in [
        ("listen", "7400", "IP address and a port"),
        ("join", "a:b", "host:port"),
        ("weight", "heavy", "from 0.01 to 100"),
        ("weight", "0", "from 0.01 to 100"),
        ("log_format", "xml", "auto, text or json"),
        ("zone", "", "empty"),
    ] {
        let error =
            Resolved::of(None, Vec::new(), &flags(&[(setting, value)])).expect_err(setting).to_string();
        assert!(error.contains(expected) && error.contains("--"), "{error}");
    }
    let file = file("insecure = \"maybe\"");
    let error =
        Resolved::of(Some(file.path()), Vec::new(), &Given::new()).expect_err("no switch").to_string();
    assert!(error.contains("true or false") && error.contains("insecure in "), "{error}");
}

#[test]
fn unsafe_binds_and_contradictions_are_refused_in_one_sentence() {
    let refused = |pairs: &[(&'static str, &str)]| sentence(Resolved::of(None, Vec::new(), &flags(pairs)));
    assert!(refused(&[("listen", "10.0.0.1:7400")]).contains("--insecure"));
    assert!(refused(&[("peer_listen", "10.0.0.1:7500")]).contains("--secret-file"));
    assert!(refused(&[("listen", "0.0.0.0:7400"), ("insecure", "true")]).contains("--advertise"));
    assert!(refused(&[("peer_listen", "[::]:7500"), ("secret_file", "s")]).contains("--peer-advertise"));
    assert!(refused(&[("listen", "127.0.0.1:7500")]).contains("a port each"));
    assert!(refused(&[("bootstrap", "true")]).contains("--cluster-name"));
    assert!(refused(&[("bootstrap", "true"), ("cluster_name", "My Cluster")]).contains("cluster_name has"));
    assert!(refused(&[("name", "a b")]).contains("name has"));
    assert!(refused(&[("advertise", "0.0.0.0:7400")]).contains("advertise 0.0.0.0 is no address"));
    assert!(refused(&[("peer_advertise", "[::]:7500")]).contains("peer_advertise :: is no address"));
    for host in ["*", "*.example", "a/b", "u@h", "a b"] {
        assert!(refused(&[("allowed_hosts", host)]).contains("no wildcards"), "{host}");
    }
    assert!(refused(&[("log_filter", "a=b")]).contains("no filter"));
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    for (text, expected) in [
        ("value_bytes_max = \"17MiB\"", "limits.value_bytes_max"),
        ("value_bytes_max = \"2MiB\"\nbodies_bytes_max = \"1MiB\"", "limits.bodies_bytes_max"),
        ("request_timeout = \"30s\"\nrequest_timeout_max = \"20s\"", "limits.request_timeout "),
        ("request_timeout_max = \"2m\"", "the hard limit"),
        ("connections_max = 0", "limits.connections_max"),
        ("head_bytes_max = 100", "limits.head_bytes_max"),
        ("value_bytes_max = 0", "from 1B to 16MiB"),
        ("request_timeout = \"500us\"", "from 1ms to 1m"),
        ("operations_bytes_max = 1000", "limits.value_bytes_max"),
        ("answers_bytes_max = \"2MiB\"", "limits.batch_bytes_max"),
        ("[peers]\nframe_bytes_max = \"1MiB\"", "peers.frame_bytes_max"),
        ("[peers]\nkeepalive = \"2s\"", "peers.keepalive"),
        ("[peers]\nbackoff_min = \"2s\"", "peers.backoff_max"),
        ("[timing]\nresend_after = \"1s\"", "timing.give_up_after"),
        ("[replica]\nhint_bytes_per_owner_max = \"2GiB\"", "replica.hint_bytes_max"),
        ("[replica]\nfree_bytes_min = \"32MiB\"", "rocksdb.memtable_bytes"),
        ("[replay]\nbatch_items_max = 1025", "replay.batch_items_max"),
        ("[sync]\nbytes_per_second_max = 1000", "sync.bytes_per_second_max"),
        ("[fill]\nbytes_per_second_max = 1000", "fill.bytes_per_second_max"),
        ("[committer]\nqueue_items_max = 0", "committer.queue_items_max"),
        ("[reads]\nwaiting_max = 8", "reads.running_max"),
        ("[rocksdb]\nopen_files_max = 1", "rocksdb.open_files_max"),
        ("[rocksdb]\nblock_cache_bytes = 0", "rocksdb.block_cache_bytes"),
    ] {
        let file = file(&format!("[limits]\n{text}"));
        let error = sentence(Resolved::of(Some(file.path()), Vec::new(), &Given::new()));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_defaults_are_valid() {
    validate(&Config::default()).expect("a node with nothing said is sound");
}

/// The sample with every value uncommented is the defaults, and an example where there is none.
#[test]
fn the_sample_says_every_setting_and_its_default() {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_assignment = |text: &str| text.split_once(" = ").is_some_and(|(name, _)| is_name(name));
    let uncommented: Vec<String> = sample()
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_assignment(rest)).unwrap_or(line).to_owned())
        .collect();
    let uncommented = uncommented.join("\n");
    let file = file(&uncommented);
    let mut resolved =
        Resolved::of(Some(file.path()), Vec::new(), &Given::new()).expect("the sample is sound");
    let defaults = Config::default();
    for setting in SETTINGS {
        assert_ne!(resolved.origin(setting), &Origin::Default, "{} is not in the sample", setting.name);
        let expected = setting.show(&defaults).unwrap_or_else(|| example(setting.name).to_owned());
        assert_eq!(setting.show(&resolved.config).as_deref(), Some(expected.as_str()), "{}", setting.name);
    }
    resolved.config = Config::default();
    assert!(sample().lines().all(|line| line.len() <= 120), "a line of the sample is too long");
}

/// The names of a struct's fields, as its `Debug` shows them.
fn fields(section: &str, limits: &impl fmt::Debug) -> Vec<String> {
    let shown = format!("{limits:#?}");
    let of_line = |line: &str| {
        let name = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '))?.split_once(": ")?.0;
        Some(format!("{section}.{name}"))
    };
    shown.lines().filter_map(of_line).collect()
}

/// Every limit of every struct can be configured, and nothing else is called one: a field that is added without a
/// setting fails here.
#[test]
fn every_limit_has_a_setting() {
    let Config { limits, peer_limits, storage, replay, sync, fill, purge, shards, timing, .. } =
        Config::default();
    let mut expected: Vec<String> = [
        fields("limits", &limits),
        fields("peers", &peer_limits),
        fields("timing", &timing),
        fields("replica", &storage.replica),
        fields("replay", &replay),
        fields("sync", &sync),
        fields("fill", &fill),
        fields("purge", &purge),
        fields("shards", &shards),
        fields("committer", &storage.committer),
        fields("reads", &storage.reads),
        fields("rocksdb", &storage.rocks),
    ]
    .concat();
    // How the free space is asked for is no number, and which protocol is the newest that is spoken, no limit.
    expected.retain(|name| name != "rocksdb.free_bytes");
    let mut settings: Vec<String> =
        SETTINGS.iter().filter(|s| s.name.contains('.')).map(|s| s.name.to_owned()).collect();
    expected.sort();
    settings.sort();
    assert_eq!(expected, settings);
}

#[test]
fn every_limit_is_a_number_with_its_unit() {
    let config = Config::default();
    for setting in SETTINGS.iter().filter(|setting| setting.name.contains('.')) {
        let InForce { section, name, value } = setting.limit(&config).expect(setting.name);
        let unit = name.strip_prefix(setting.name.rsplit('.').next().expect("a name"));
        assert!(matches!(unit, Some("" | "_ms")), "{section}.{name}");
        assert!(value > 0, "{} is 0 by default", setting.name);
    }
}

#[test]
fn sizes_and_times_are_shown_as_they_are_written() {
    assert_eq!(values::bytes("1MiB"), Ok(1 << 20));
    assert_eq!(values::bytes("17"), Ok(17));
    assert_eq!(values::duration("250ms"), Ok(Duration::from_millis(250)));
    assert!(values::duration("5").is_err(), "a time without a unit is a guess");
    let mut config = Config::default();
    config.limits.value_bytes_max = 1500;
    let setting = settings::find("limits.value_bytes_max").expect("a setting");
    assert_eq!(setting.show(&config).as_deref(), Some("\"1500B\""));
}

/// Every setting as a row of the reference in the documentation.
fn reference() -> String {
    let defaults = Config::default();
    let mut text = String::from("| setting | flag | default | meaning |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let flag = setting.flag().map(|flag| format!("`--{flag}`")).unwrap_or_default();
        let default = setting.show(&defaults).map(|value| format!("`{value}`")).unwrap_or_default();
        writeln!(text, "| `{}` | {flag} | {default} | {} |", setting.name, setting.meaning)
            .expect("a String takes every write");
    }
    text
}

/// With `UPDATE_GOLDENFILES=1` the table is written instead of compared.
#[test]
fn the_reference_has_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(&path).expect("the reference");
    let (before, rest) = text.split_once("<!-- settings -->\n").expect("the table's beginning is marked");
    let (table, after) = rest.split_once("<!-- end of settings -->").expect("the table's end is marked");
    if std::env::var_os("UPDATE_GOLDENFILES").is_some_and(|update| update == "1") {
        let text = format!("{before}<!-- settings -->\n{}<!-- end of settings -->{after}", reference());
        std::fs::write(&path, text).expect("a writable reference");
    } else {
        assert!(
            table == reference(),
            "docs/configuration.md differs from the settings: UPDATE_GOLDENFILES=1 mends it"
        );
    }
}
