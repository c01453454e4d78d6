use super::*;
use crate::code::Code;
use proptest::prelude::*;
use quorate_model::{Mode, Sharding, TableId};

fn table() -> Table {
    Table {
        id: TableId(1),
        name: "t".to_owned(),
        sharding: Sharding::Hash,
        n: 3,
        r: Level::Quorum,
        w: Level::Quorum,
        mode: Mode::Register,
        durability: Durability::Os,
        ttl_ms: None,
        shard_bytes_max: None,
    }
}

fn refused(raw: &str, takes: &[Parameter]) -> Code {
    let outcome = Query::parse(Some(raw), takes).and_then(|query| {
        query.durability(&Table { durability: Durability::Sync, ..table() })?;
        if takes.contains(&Parameter::R) { query.read_level(&table()) } else { query.write_level(&table()) }
    });
    outcome.expect_err(raw).code()
}

#[test]
fn a_retry_is_recognised_whatever_else_is_said() {
    for raw in
        ["retry=true", "w=9&retry=true&colour=red", "%72etry=tru%65", "%&retry=true", "retry=no&retry=true"]
    {
        assert!(Query::says_retry(Some(raw)), "{raw}");
    }
    for raw in [None, Some(""), Some("retry"), Some("retry=false"), Some("retry=true%"), Some("x=retry=true")]
    {
        assert!(!Query::says_retry(raw), "{raw:?}");
    }
}

#[test]
fn a_typo_never_weakens_a_read() {
    for raw in ["consistncy=quorum", "R=2", "r%00=1", "x", "durability=sync", "ttl=1s", "retry=true"] {
        assert_eq!(refused(raw, READ), Code::UnknownParameter, "{raw}");
    }
    let contradictions = [
        "r=0",
        "r=4",
        "r=-1",
        "r=two",
        "r=",
        "consistency=Quorum",
        "consistency=any",
        "consistency=local_quorum",
        "r=2&r=2",
        "consistency=one&r=2",
        "consistency=quorum&r=3",
        "w=2",
        "consistency=quorum&consistency=quorum",
    ];
    for raw in contradictions {
        assert_eq!(refused(raw, READ), Code::InvalidConsistency, "{raw}");
    }
    assert_eq!(refused("r=1", WRITE), Code::InvalidConsistency);
}

#[test]
fn broken_values_are_refused() {
    let broken = [
        "timeout=0s",
        "timeout=5",
        "timeout=-1s",
        "timeout=1.5s",
        "timeout=",
        "ttl=0ms",
        "ttl=99999999999999999999s",
        "ttl=36501d",
        "ttl=18446744073709551615d",
        "durability=disk",
        "durability=os",
        "retry=yes",
        "retry",
        "trace=1",
        "enc=hex",
        "timeout=1s&timeout=1s",
        "ttl=%zz",
        "ttl=%f0",
        "ttl=1 s",
    ];
    for raw in broken {
        assert_eq!(refused(raw, WRITE), Code::InvalidParameter, "{raw}");
    }
}

#[test]
fn a_page_has_a_limit_in_keys_and_in_bytes() {
    let scan = |raw: &str| Query::parse(Some(raw), SCAN).map(|query| query.scan);
    let parsed = scan("bytes=65536&limit=10&count=false").expect("both");
    assert_eq!((parsed.bytes, parsed.limit), (Some(65_536), Some(10)));
    for raw in ["bytes=0", "bytes=-1", "bytes=64KiB", "bytes=", "bytes=1.5", "bytes=1&bytes=1"] {
        assert_eq!(scan(raw).expect_err(raw).code(), Code::InvalidParameter, "{raw}");
    }
    for raw in ["bytes=1&count=true", "count=true&bytes=1"] {
        assert_eq!(scan(raw).expect_err(raw).code(), Code::UnknownParameter, "{raw}");
    }
    assert_eq!(refused("bytes=1", READ), Code::UnknownParameter);
}

#[test]
fn levels_come_from_the_request_or_else_from_the_table() {
    let level = |raw| Query::parse(Some(raw), READ).expect(raw).read_level(&table()).expect(raw);
    assert_eq!(level(""), Level::Quorum);
    assert_eq!(level("r=3"), Level::Count(3));
    assert_eq!(level("consistency=all"), Level::All);
    assert_eq!(level("consistency=quorum&r=2"), Level::Count(2), "equal is no contradiction");
    assert_eq!(level("consistency=%6fne"), Level::One);
}

#[test]
fn durability_may_only_rise() {
    let query = Query::parse(Some("durability=sync"), WRITE).expect("valid");
    assert_eq!(query.durability(&table()), Ok(Durability::Sync));
    assert_eq!(Query::default().durability(&table()), Ok(Durability::Os));
}

#[test]
fn timeouts_are_cut_to_the_servers_own() {
    let (default, max) = (Duration::from_secs(2), Duration::from_secs(60));
    let timeout = |raw| Query::parse(Some(raw), READ).expect(raw).timeout(default, max);
    assert_eq!(timeout(""), Duration::from_secs(2));
    assert_eq!(timeout("timeout=250ms"), Duration::from_millis(250));
    assert_eq!(timeout("timeout=1h"), Duration::from_secs(60));
}

#[test]
fn ttls_have_units() {
    for (raw, millis) in
        [("250ms", 250), ("60s", 60_000), ("10m", 600_000), ("1h", 3_600_000), ("1d", 86_400_000)]
    {
        let query = Query::parse(Some(&format!("ttl={raw}")), WRITE).expect(raw);
        assert_eq!(query.ttl, Some(TimeToLive::Millis(millis)), "{raw}");
    }
    let none = Query::parse(Some("ttl=none"), WRITE).expect("a value may live until it is deleted");
    assert_eq!(none.ttl, Some(TimeToLive::Unlimited));
}

proptest! {
    #[test]
    fn parsing_is_total_and_strict(raw in "[a-z0-9&=%+._-]{0,60}|.{0,40}") {
        if let Ok(query) = Query::parse(Some(&raw), WRITE) {
            // What is understood is what was said: nothing of it may be left over.
            let said = raw.split('&').filter(|pair| !pair.is_empty()).count();
            let understood = usize::from(query.consistency.is_some())
                + usize::from(query.w.is_some())
                + usize::from(query.timeout.is_some())
                + usize::from(query.durability.is_some())
                + usize::from(query.ttl.is_some());
            let flags = ["retry", "trace", "enc"].iter().filter(|flag| raw.contains(**flag)).count();
            prop_assert!(said <= understood + flags, "{raw}");
        }
    }
}
