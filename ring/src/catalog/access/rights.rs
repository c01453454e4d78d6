//! What one user may do, put together from the grants of its roles: made when they change, asked with each request.

use super::{Grant, Scope};
use quorate_model::{Interval, Permission, SortKey, TableId};
use std::collections::BTreeMap;

/// A user, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    name: String,
    rights: Rights,
}

/// What a user may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    everywhere: Permissions,
    tables: BTreeMap<TableId, OnTable>,
}

/// What a user may do with one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OnTable {
    /// With all of it.
    whole: Permissions,
    /// With keys that begin so.
    prefixes: Vec<(Vec<u8>, Permissions)>,
}

/// A set of permissions, of which `admin` includes all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Permissions(u8);

impl Permissions {
    fn add(&mut self, permission: Permission) {
        self.0 |= Self::bit(permission);
    }

    fn has(self, permission: Permission) -> bool {
        self.0 & (Self::bit(permission) | Self::bit(Permission::Admin)) != 0
    }

    const fn bit(permission: Permission) -> u8 {
        1 << permission as u8
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Principal {
    /// A user of this name.
    pub fn new(name: &str, rights: Rights) -> Self {
        Self { name: name.to_owned(), rights }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may do.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }
}

impl Rights {
    /// What these grants allow together.
    pub fn of<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Self {
        let mut rights = Self::default();
        for Grant { permission, scope } in grants {
            match scope {
                Scope::Everything => rights.everywhere.add(*permission),
                Scope::Table(table) => rights.tables.entry(*table).or_default().whole.add(*permission),
                Scope::Prefix(table, prefix) => {
                    let prefixes = &mut rights.tables.entry(*table).or_default().prefixes;
                    let known = prefixes.iter_mut().find(|(known, _)| known.as_slice() == prefix.as_slice());
                    if let Some((_, known)) = known {
                        known.add(*permission);
                    } else {
                        let mut permissions = Permissions::default();
                        permissions.add(*permission);
                        prefixes.push((prefix.to_vec(), permissions));
                    }
                }
            }
        }
        rights
    }

    /// Whether it is allowed on everything: on the cluster, and on each table, also one that there is not.
    pub fn may_everywhere(&self, permission: Permission) -> bool {
        self.everywhere.has(permission)
    }

    /// Whether it is allowed on all of a table.
    pub fn may_on_table(&self, permission: Permission, table: TableId) -> bool {
        self.may_everywhere(permission) || self.on(table).is_some_and(|on| on.whole.has(permission))
    }

    /// Whether it is allowed on some keys of a table.
    pub fn may_on_part(&self, permission: Permission, table: TableId) -> bool {
        let in_part = |on: &OnTable| on.prefixes.iter().any(|(_, allowed)| allowed.has(permission));
        self.may_on_table(permission, table) || self.on(table).is_some_and(in_part)
    }

    /// Whether it is allowed on a key of a table.
    pub fn may_on_key(&self, permission: Permission, table: TableId, key: &[u8]) -> bool {
        let covers =
            |(prefix, allowed): &(Vec<u8>, Permissions)| allowed.has(permission) && key.starts_with(prefix);
        self.may_on_table(permission, table)
            || self.on(table).is_some_and(|on| on.prefixes.iter().any(covers))
    }

    /// Whether it is allowed on each key of a table that lies in this interval of keys. Where it takes more than one grant
    /// on prefixes to cover the interval, it is not.
    pub fn may_on_range(&self, permission: Permission, table: TableId, range: &Interval) -> bool {
        let covers = |(prefix, allowed): &(Vec<u8>, Permissions)| {
            allowed.has(permission) && of_prefix(prefix).covers(range)
        };
        self.may_on_table(permission, table)
            || self.on(table).is_some_and(|on| on.prefixes.iter().any(covers))
    }

    /// Whether anything is allowed on a table: then it may know of it.
    pub fn sees(&self, table: TableId) -> bool {
        let some = |on: &OnTable| !on.whole.is_empty() || !on.prefixes.is_empty();
        !self.everywhere.is_empty() || self.on(table).is_some_and(some)
    }

    fn on(&self, table: TableId) -> Option<&OnTable> {
        self.tables.get(&table)
    }
}

/// The keys that begin with a prefix, as an interval.
fn of_prefix(prefix: &[u8]) -> Interval {
    let behind = prefix.iter().rposition(|byte| *byte != u8::MAX).map(|kept| {
        let mut behind = prefix[..=kept].to_vec();
        behind[kept] += 1;
        SortKey::new(behind)
    });
    Interval { start: SortKey::new(prefix.to_vec()), end: behind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Permission::{Admin, Monitor, Read, Write};

    const T: TableId = TableId(7);
    const OTHER: TableId = TableId(8);

    fn rights(grants: &[(Permission, Scope)]) -> Rights {
        let grants: Vec<Grant> = grants
            .iter()
            .map(|(permission, scope)| Grant { permission: *permission, scope: scope.clone() })
            .collect();
        Rights::of(&grants)
    }

    fn prefix(bytes: &[u8]) -> Scope {
        Scope::Prefix(T, bytes.to_vec().into())
    }

    fn range(start: &[u8], end: Option<&[u8]>) -> Interval {
        let key = |bytes: &[u8]| SortKey::new(bytes.to_vec());
        Interval { start: key(start), end: end.map(key) }
    }

    #[test]
    fn no_permission_includes_another_but_admin_all() {
        let all = |rights: &Rights| Permission::ALL.map(|permission| rights.may_on_table(permission, T));
        assert_eq!(all(&rights(&[])), [false; 4]);
        assert_eq!(all(&rights(&[(Read, Scope::Table(T))])), [false, true, false, false]);
        assert_eq!(all(&rights(&[(Write, Scope::Everything)])), [false, false, true, false]);
        assert_eq!(all(&rights(&[(Admin, Scope::Table(T))])), [true; 4]);
        assert_eq!(all(&rights(&[(Admin, Scope::Table(OTHER))])), [false; 4]);
        assert!(
            !rights(&[(Admin, Scope::Table(T))]).may_everywhere(Monitor),
            "of a table, not of the cluster"
        );
    }

    #[test]
    fn a_prefix_covers_its_keys_and_no_others() {
        let rights = rights(&[(Read, prefix(b"eu/")), (Write, prefix(b"eu/")), (Read, prefix(b"\xff"))]);
        assert!(rights.may_on_key(Read, T, b"eu/") && rights.may_on_key(Write, T, b"eu/berlin"));
        for key in [&b"eu"[..], b"", b"eu0", b"us/", b"EU/berlin"] {
            assert!(!rights.may_on_key(Read, T, key), "{key:?}");
        }
        assert!(!rights.may_on_key(Read, OTHER, b"eu/berlin"), "another table");
        assert!(
            !rights.may_on_table(Read, T) && rights.may_on_part(Read, T) && !rights.may_on_part(Admin, T)
        );
        assert!(rights.sees(T) && !rights.sees(OTHER));
    }

    #[test]
    fn a_range_must_lie_within_one_prefix() {
        let rights = rights(&[(Read, prefix(b"eu/")), (Read, prefix(b"eu0")), (Read, prefix(b"\xff"))]);
        assert!(rights.may_on_range(Read, T, &range(b"eu/", Some(b"eu0"))), "exactly the prefix");
        assert!(rights.may_on_range(Read, T, &range(b"eu/a", Some(b"eu/b"))));
        assert!(rights.may_on_range(Read, T, &range(b"\xffa", None)), "nothing is behind it");
        for outside in [
            range(b"", None),
            range(b"eu/", None),
            range(b"eu/", Some(b"eu00")),
            range(b"eu", Some(b"eu0")),
            range(b"", Some(b"eu0")),
            range(b"eu/", Some(b"eu1")),
        ] {
            assert!(!rights.may_on_range(Read, T, &outside), "{outside:?}");
        }
        assert!(!rights.may_on_range(Write, T, &range(b"eu/", Some(b"eu0"))));
        let whole = self::rights(&[(Read, Scope::Table(T))]);
        assert!(whole.may_on_range(Read, T, &Interval::everything()));
    }
}
