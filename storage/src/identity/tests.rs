use super::*;
use std::fs;

fn identity() -> Identity {
    Identity {
        cluster: ClusterId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        cluster_name: "production in Köln".into(),
        node: NodeId(3),
        incarnation: 2,
        stage: Stage::Member,
        accepted: None,
    }
}

#[test]
fn an_identity_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("not/made/yet");
    assert_eq!(Identity::read(&inside).expect("no folder is no error"), None);
    for (stage, accepted) in
        Stage::ALL.into_iter().zip([None, None, Some(WallTime(0)), Some(WallTime(1_764_390_000_000))])
    {
        let identity = Identity { stage, accepted, ..identity() };
        identity.write(&inside).expect("written");
        assert_eq!(Identity::read(&inside).expect("readable"), Some(identity));
    }
    let names: Vec<_> =
        fs::read_dir(&inside).expect("readable").map(|entry| entry.expect("entry").file_name()).collect();
    assert_eq!(names, ["identity"], "nothing is left beside it");
}

#[test]
fn an_empty_folder_has_no_identity_and_a_strange_one_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(Identity::read(folder.path()).expect("empty"), None);
    for name in ["lost+found", "identity.new", "joining"] {
        fs::create_dir(folder.path().join(name)).expect("made");
    }
    assert_eq!(Identity::read(folder.path()).expect("an interrupted founding"), None);
    fs::write(folder.path().join("holiday\n.jpg"), b"").expect("written");
    let error = Identity::read(folder.path()).expect_err("another program's folder");
    assert!(matches!(&error, IdentityError::Foreign { found, .. } if found == "holiday\\n.jpg"), "{error}");
}

#[test]
fn data_without_an_identity_are_never_founded_anew() {
    for name in DATA {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(name)).expect("made");
        let error = Identity::read(folder.path()).expect_err("the identity was lost");
        assert!(matches!(&error, IdentityError::Lost { found, .. } if *found == name), "{error}");
    }
}

#[test]
fn any_flipped_bit_and_any_cut_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    identity().write(folder.path()).expect("written");
    let path = folder.path().join(FILE);
    let whole = fs::read(&path).expect("readable");
    let last = whole.len() - 1;
    for at in 0..last {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            // The checksum is read as a number: the case of its digits says nothing.
            if damaged[at].eq_ignore_ascii_case(&whole[at]) {
                continue;
            }
            fs::write(&path, &damaged).expect("written");
            let read = Identity::read(folder.path());
            assert!(matches!(read, Err(IdentityError::Corrupt { .. })), "bit {bit} of byte {at}: {read:?}");
        }
        fs::write(&path, &whole[..at]).expect("written");
        let read = Identity::read(folder.path());
        assert!(matches!(read, Err(IdentityError::Corrupt { .. })), "cut at {at}: {read:?}");
    }
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = identity().encode().replace("format 1", "format 2");
    let content = &text[..text.find("crc32").expect("its last line")];
    let text = format!("{content}crc32 {:08x}\n", crc32fast::hash(content.as_bytes()));
    fs::write(folder.path().join(FILE), text).expect("written");
    let error = Identity::read(folder.path()).expect_err("newer");
    assert!(matches!(error, IdentityError::Newer { found: 2, .. }), "{error}");
}

#[test]
fn another_clusters_folder_is_refused_by_name() {
    let folder = Path::new("data");
    assert!(identity().check_cluster(folder, identity().cluster).is_ok());
    let error = identity().check_cluster(folder, ClusterId(7)).expect_err("another cluster");
    assert!(error.to_string().contains("production in Köln"), "{error}");
}
