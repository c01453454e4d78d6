use super::*;
use crate::catalog::access::{
    GRANTS_MAX, Grant, PREFIX_BYTES_MAX, ROLES_PER_USER_MAX, Scope, TOKENS_PER_USER_MAX, Token, TokenId,
};
use crate::catalog::{AddToken, NewAdmin, PutRole, PutUser, SetAccess};
use quorate_model::{Permission, Protocol};

fn token(number: u64) -> Token {
    Token { id: TokenId(number), digest: [number as u8; 32], created: WallTime(5), expires: None }
}

fn switch(enabled: bool) -> Command {
    Command::SetAccess(SetAccess { enabled: Some(enabled), admin: None })
}

fn enable(user: &str, number: u64) -> Command {
    let admin = NewAdmin { user: user.to_owned(), token: token(number) };
    Command::SetAccess(SetAccess { enabled: Some(true), admin: Some(admin) })
}

fn user(name: &str, roles: &[&str]) -> PutUser {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    PutUser { name: name.to_owned(), roles, certificate: None, seen: None }
}

fn role(name: &str, grants: &[(Permission, Scope)]) -> PutRole {
    let grants =
        grants.iter().map(|(permission, scope)| Grant { permission: *permission, scope: scope.clone() });
    PutRole { name: name.to_owned(), grants: grants.collect(), seen: None }
}

fn prefix(table: u32, bytes: &[u8]) -> Scope {
    Scope::Prefix(TableId(table), bytes.to_vec().into())
}

fn refused(catalog: &Catalog, command: &Command) -> AccessRejection {
    match reject(catalog, command) {
        Rejection::Access(rejection) => rejection,
        other => panic!("{other:?}"),
    }
}

/// A cluster with a table `users` (id 1), and access control on: user `root` with token 1.
fn guarded() -> Catalog {
    let made = accept(&founded(3), &Command::CreateTable(NewTable { shards: 4, ..table("users") }));
    accept(&made, &enable("root", 1))
}

#[test]
fn the_first_admin_and_the_switch_are_one_command() {
    let catalog = guarded();
    let access = catalog.access();
    assert!(access.is_on() && access.has_admin());
    let known = access.token(TokenId(1)).expect("its token");
    assert_eq!((known.principal.name(), known.digest), ("root", [1; 32]));
    assert!(
        Permission::ALL.into_iter().all(|permission| known.principal.rights().may_everywhere(permission))
    );
    assert!(catalog.apply(&enable("root", 1)).expect("again").repeated);
    let second = accept(&catalog, &enable("root", 2));
    assert_eq!(second.access().user("root").expect("there").tokens.len(), 2, "a lost token is made good");
    assert!(!accept(&second, &switch(false)).access().is_on());
    let stolen = NewAdmin { user: "other".to_owned(), token: Token { digest: [9; 32], ..token(1) } };
    let stolen = Command::SetAccess(SetAccess { enabled: None, admin: Some(stolen) });
    assert_eq!(refused(&catalog, &stolen), AccessRejection::TokenTaken { id: TokenId(1) });
}

#[test]
fn who_has_lost_every_token_that_there_can_be_gets_one_in_place_of_the_earliest() {
    let last = TOKENS_PER_USER_MAX as u64 + 1;
    let catalog = (2..=last).fold(guarded(), |catalog, number| accept(&catalog, &enable("root", number)));
    let access = catalog.access();
    assert_eq!(access.user("root").expect("there").tokens.len(), TOKENS_PER_USER_MAX);
    assert!(access.token(TokenId(1)).is_none() && access.token(TokenId(last)).is_some());
    assert!(catalog.apply(&enable("root", last)).expect("again").repeated);
}

#[test]
fn before_level_6_there_is_no_access_control() {
    let first = Found { cluster: ClusterId(1), name: "c".to_owned(), node: node(1), level: Some(5) };
    let old = accept(&Catalog::empty(), &Command::Found(first));
    assert_eq!(refused(&old, &enable("root", 1)), AccessRejection::NotEnabled { level: 5 });
    assert_eq!(enable("root", 1).since(), Protocol(7));
    let enabled = accept(&old, &Command::Enable { level: 6 });
    assert_eq!((old.encode()[0], enabled.encode()[0], enabled.protocol()), (5, 6, Protocol(7)));
    assert!(accept(&enabled, &enable("root", 1)).access().is_on());
}

#[test]
fn no_change_locks_all_admins_out() {
    let off = founded(1);
    assert_eq!(refused(&off, &switch(true)), AccessRejection::LastAdmin, "there is none yet");
    let catalog = guarded();
    for command in [
        Command::RemoveUser { name: "root".to_owned() },
        Command::RemoveToken { id: TokenId(1) },
        Command::PutUser(user("root", &[])),
        Command::PutRole(role("admin", &[(Permission::Read, Scope::Everything)])),
    ] {
        assert_eq!(refused(&catalog, &command), AccessRejection::LastAdmin, "{command:?}");
        assert!(accept(&accept(&catalog, &switch(false)), &command).epoch() > catalog.epoch());
    }
    let expiring =
        AddToken { user: "root".to_owned(), token: Token { expires: Some(WallTime(u64::MAX)), ..token(2) } };
    let catalog = accept(&catalog, &Command::AddToken(expiring));
    let revoke = Command::RemoveToken { id: TokenId(1) };
    assert_eq!(refused(&catalog, &revoke), AccessRejection::LastAdmin, "one that expires is none for ever");
    let by_certificate = PutUser { certificate: Some("root@example".to_owned()), ..user("root", &["admin"]) };
    let catalog = accept(&catalog, &Command::PutUser(by_certificate));
    assert_eq!(refused(&catalog, &revoke), AccessRejection::LastAdmin, "no node asks for certificates yet");
    let another = AddToken { user: "root".to_owned(), token: token(3) };
    let catalog = accept(&catalog, &Command::AddToken(another));
    assert!(accept(&catalog, &revoke).access().has_admin());
}

#[test]
fn a_user_may_what_its_roles_allow_together() {
    let catalog = accept(
        &guarded(),
        &Command::PutRole(role("reader", &[(Permission::Read, Scope::Table(TableId(1)))])),
    );
    let catalog = accept(&catalog, &Command::PutRole(role("eu", &[(Permission::Write, prefix(1, b"eu/"))])));
    let catalog = accept(&catalog, &Command::PutUser(user("app", &["reader", "eu", "eu"])));
    let add = AddToken { user: "app".to_owned(), token: token(7) };
    let catalog = accept(&catalog, &Command::AddToken(add.clone()));
    assert!(catalog.apply(&Command::AddToken(add)).expect("again").repeated);
    let may = |catalog: &Catalog, permission, key: &[u8]| {
        let known = catalog.access().token(TokenId(7)).expect("its token");
        known.principal.rights().may_on_key(permission, TableId(1), key)
    };
    assert_eq!(catalog.access().user("app").expect("made").roles, ["eu", "reader"]);
    assert!(may(&catalog, Permission::Read, b"us/1") && may(&catalog, Permission::Write, b"eu/1"));
    assert!(!may(&catalog, Permission::Write, b"us/1"));
    let less = accept(&catalog, &Command::PutUser(user("app", &["eu"])));
    assert!(!may(&less, Permission::Read, b"us/1") && may(&less, Permission::Write, b"eu/1"));
    let wider = accept(&less, &Command::PutRole(role("eu", &[(Permission::Write, Scope::Everything)])));
    assert!(may(&wider, Permission::Write, b"us/1"), "a change of a role is one of its users");
    let gone = accept(&wider, &Command::RemoveToken { id: TokenId(7) });
    assert!(gone.access().token(TokenId(7)).is_none());
}

#[test]
fn a_table_made_again_under_a_name_has_no_grants() {
    let catalog = accept(
        &guarded(),
        &Command::PutRole(role(
            "app",
            &[
                (Permission::Read, Scope::Table(TableId(1))),
                (Permission::Write, prefix(1, b"a")),
                (Permission::Monitor, Scope::Everything),
            ],
        )),
    );
    let dropped = accept(&catalog, &Command::DropTable { table: TableId(1) });
    let left = dropped.access().role("app").expect("the role stays");
    assert_eq!(left.grants, [Grant { permission: Permission::Monitor, scope: Scope::Everything }]);
    assert_eq!(left.epoch, dropped.epoch());
    let again = NewTable { request: RequestId(99), shards: 4, ..table("users") };
    let made = accept(&dropped, &Command::CreateTable(again));
    let id = made.table("users").expect("made").id;
    assert_ne!(id, TableId(1));
    let late = Command::PutRole(role("app", &[(Permission::Read, Scope::Table(TableId(1)))]));
    assert_eq!(reject(&made, &late), Rejection::NoSuchTable { table: TableId(1) });
    assert!(
        made.access().roles().all(|role| role.grants.iter().all(|grant| grant.scope.table() != Some(id)))
    );
}

#[test]
fn who_changes_what_another_has_changed_is_told() {
    let catalog = guarded();
    let seen = |catalog: &Catalog| Some(catalog.access().role("app").map_or(Epoch(0), |role| role.epoch));
    let with =
        |seen, grants: &[(Permission, Scope)]| Command::PutRole(PutRole { seen, ..role("app", grants) });
    let (none, read) = (seen(&catalog), [(Permission::Read, Scope::Everything)]);
    let made = accept(&catalog, &with(none, &[]));
    assert!(made.apply(&with(none, &[])).expect("again").repeated, "it is as it should be");
    let changed = AccessRejection::Changed { what: "role".to_owned(), name: "app".to_owned() };
    assert_eq!(refused(&made, &with(none, &read)), changed, "it is there by now");
    let then = seen(&made);
    let other = accept(&made, &with(then, &read));
    assert_eq!(refused(&other, &with(then, &[])), changed);
    let moved = PutUser { seen: Some(Epoch(1)), ..user("root", &["admin", "app"]) };
    let changed = AccessRejection::Changed { what: "user".to_owned(), name: "root".to_owned() };
    assert_eq!(refused(&other, &Command::PutUser(moved)), changed);
}

#[test]
fn what_can_not_be_is_refused_with_a_way_out() {
    let catalog = guarded();
    let long = vec![b'a'; PREFIX_BYTES_MAX + 1];
    let many = vec!["r"; 2].into_iter().chain(["none"]).collect::<Vec<_>>();
    let catalog = accept(&catalog, &Command::PutRole(role("r", &[])));
    for command in [
        Command::PutUser(user("", &[])),
        Command::PutUser(user("..", &[])),
        Command::PutUser(user("a b", &[])),
        Command::PutUser(user("app", &many)),
        Command::PutUser(PutUser { certificate: Some(String::new()), ..user("app", &[]) }),
        Command::PutUser(PutUser { certificate: Some("a\nb".to_owned()), ..user("app", &[]) }),
        Command::PutRole(role("r", &[(Permission::Monitor, Scope::Table(TableId(1)))])),
        Command::PutRole(role("r", &[(Permission::Admin, prefix(1, b"a"))])),
        Command::PutRole(role("r", &[(Permission::Read, prefix(1, b""))])),
        Command::PutRole(role("r", &[(Permission::Read, prefix(1, &long))])),
        Command::RemoveUser { name: "none".to_owned() },
        Command::RemoveRole { name: "none".to_owned() },
        Command::RemoveRole { name: "admin".to_owned() },
        Command::RemoveToken { id: TokenId(99) },
        Command::AddToken(AddToken { user: "none".to_owned(), token: token(9) }),
    ] {
        assert!(refused(&catalog, &command).to_string().len() > 20, "{command:?}");
    }
    let certificate =
        |name: &str| Command::PutUser(PutUser { certificate: Some("cn".to_owned()), ..user(name, &[]) });
    let catalog = accept(&catalog, &certificate("one"));
    let taken = AccessRejection::CertificateTaken { user: "one".to_owned() };
    assert_eq!(refused(&catalog, &certificate("two")), taken);
    assert!(catalog.apply(&certificate("one")).expect("its own").repeated);
}

#[test]
fn every_list_has_an_end() {
    let mut catalog = accept(&guarded(), &Command::PutUser(user("app", &[])));
    let add = |number| Command::AddToken(AddToken { user: "app".to_owned(), token: token(number) });
    for number in 0..TOKENS_PER_USER_MAX as u64 {
        catalog = accept(&catalog, &add(100 + number));
    }
    assert!(matches!(refused(&catalog, &add(999)), AccessRejection::TooMany { limit: 16, .. }));
    let roles: Vec<String> = (0..=ROLES_PER_USER_MAX).map(|number| format!("r{number}")).collect();
    for name in &roles {
        catalog = accept(&catalog, &Command::PutRole(role(name, &[])));
    }
    let all: Vec<&str> = roles.iter().map(String::as_str).collect();
    assert!(matches!(
        refused(&catalog, &Command::PutUser(user("app", &all))),
        AccessRejection::TooMany { .. }
    ));
    let grants: Vec<(Permission, Scope)> = (0..=GRANTS_MAX)
        .map(|number| (Permission::Read, prefix(1, format!("{number}").as_bytes())))
        .collect();
    let too_many = Command::PutRole(role("r0", &grants));
    assert!(matches!(refused(&catalog, &too_many), AccessRejection::TooMany { limit: 4_096, .. }));
}

#[test]
fn a_snapshot_and_a_note_keep_who_may_do_what() {
    let grants = [(Permission::Read, prefix(1, b"\xff")), (Permission::Admin, Scope::Table(TableId(1)))];
    let catalog = accept(&guarded(), &Command::PutRole(role("app", &grants)));
    let by_certificate = PutUser { certificate: Some("cn".to_owned()), ..user("app", &["app"]) };
    let catalog = accept(&catalog, &Command::PutUser(by_certificate));
    assert_eq!(Catalog::decode(&catalog.encode()), Ok(catalog.clone()));
    let access = catalog.access();
    assert_eq!(Access::decode(&access.encode()).as_ref(), Ok(&**access));
    let bytes = access.encode();
    for length in 0..bytes.len() {
        assert!(Access::decode(&bytes[..length]).is_err(), "cut to {length}");
    }
    assert!(Access::decode(&[&bytes[..], &[0]].concat()).is_err());
}

/// The commands of this file, for the laws of all commands.
pub(super) fn any_change() -> impl Strategy<Value = Command> {
    let name = || prop_oneof![Just("root"), Just("app"), Just("admin"), Just("r")].prop_map(str::to_owned);
    let scope = prop_oneof![
        Just(Scope::Everything),
        (0u32..4).prop_map(|table| Scope::Table(TableId(table))),
        (0u32..4, "[a-c]{0,2}").prop_map(|(table, bytes)| prefix(table, bytes.as_bytes())),
    ];
    let permission = (0usize..4).prop_map(|at| Permission::ALL[at]);
    let grant = (permission, scope).prop_map(|(permission, scope)| Grant { permission, scope });
    let seen = prop::option::of((0u64..30).prop_map(Epoch));
    prop_oneof![
        (name(), 0u64..6, prop::option::of(any::<bool>()), any::<bool>()).prop_map(
            |(user, number, enabled, has_admin)| {
                let admin = has_admin.then(|| NewAdmin { user, token: token(number) });
                Command::SetAccess(SetAccess { enabled, admin })
            }
        ),
        (name(), prop::collection::vec(name(), 0..3), prop::option::of("[ab]"), seen.clone()).prop_map(
            |(name, roles, certificate, seen)| Command::PutUser(PutUser { name, roles, certificate, seen })
        ),
        (name(), prop::collection::vec(grant, 0..4), seen)
            .prop_map(|(name, grants, seen)| Command::PutRole(PutRole { name, grants, seen })),
        name().prop_map(|name| Command::RemoveUser { name }),
        name().prop_map(|name| Command::RemoveRole { name }),
        (name(), 0u64..6)
            .prop_map(|(user, number)| Command::AddToken(AddToken { user, token: token(number) })),
        (0u64..6).prop_map(|id| Command::RemoveToken { id: TokenId(id) }),
    ]
}

/// What was written once never means something else.
pub(super) fn golden() -> Vec<(Command, &'static str)> {
    let certificate =
        PutUser { certificate: Some("cn".to_owned()), seen: Some(Epoch(0)), ..user("u", &["r"]) };
    let expiring = Token { expires: Some(WallTime(6)), ..token(7) };
    vec![
        (
            enable("admin", 7),
            concat!(
                "0182158182f5826561646d696e83075820",
                "0707070707070707070707070707070707070707070707070707070707070707",
                "05"
            ),
        ),
        (Command::PutUser(user("u", &["r"])), "01821681826175816172"),
        (Command::PutUser(certificate), "0182168184617581617262636e00"),
        (Command::RemoveUser { name: "u".to_owned() }, "018217816175"),
        (
            Command::AddToken(AddToken { user: "u".to_owned(), token: expiring }),
            concat!(
                "018218188182617584075820",
                "0707070707070707070707070707070707070707070707070707070707070707",
                "0506"
            ),
        ),
        (Command::RemoveToken { id: TokenId(7) }, "018218198107"),
        (
            Command::PutRole(role("r", &[(Permission::Read, prefix(7, b"eu/"))])),
            "0182181a81826172818201820282074365752f",
        ),
        (Command::RemoveRole { name: "r".to_owned() }, "0182181b816172"),
    ]
}
