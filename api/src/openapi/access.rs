//! Operations on who may do what, and the one that who joins needs.

use super::described::{Answer, Described, document, ok, shown, taking};
use super::groups::{AT_WORK, BODY, CHANGE, DOCUMENT, EDGE, PLAIN, QUERY, ROLES, TABLE, USERS, WHOLE};
use crate::code::Code;
use crate::document::{
    Access, AccessSwitch, AccessSwitched, IssuedToken, PeerAddress, Removed, Role, RoleSpec, TokenSpec, User,
    UserSpec,
};

pub const SHOW: Described = shown(
    "showAccess",
    "Whether access control is on, and what who asks may do; to an admin every user and role too",
    const { &[ok::<Access>()] },
    &[EDGE, AT_WORK, QUERY, PLAIN],
);

pub const SWITCH: Described = taking(
    "switchAccess",
    "Switch access control on or off; with `user`, give that user a token and let it administer everything",
    const { &document::<AccessSwitch>() },
    const { &[Answer { headers: &["Cache-Control"], ..ok::<AccessSwitched>() }] },
    &[EDGE, AT_WORK, QUERY, PLAIN, BODY, DOCUMENT, CHANGE, &[Code::CatalogRefused]],
);

pub const PUT_USER: Described = taking(
    "putUser",
    "Make a user, or give one other roles or another client certificate; its tokens stay",
    const { &document::<UserSpec>() },
    const { &[ok::<User>()] },
    &[EDGE, AT_WORK, QUERY, PLAIN, BODY, DOCUMENT, CHANGE, USERS, ROLES, WHOLE],
);

pub const REMOVE_USER: Described = shown(
    "removeUser",
    "Remove a user and all its tokens",
    const { &[ok::<Removed>()] },
    &[EDGE, AT_WORK, QUERY, PLAIN, CHANGE, USERS],
);

pub const ISSUE_TOKEN: Described = taking(
    "issueToken",
    "Give a user a token, which is shown this once",
    const { &document::<TokenSpec>() },
    const {
        &[Answer {
            status: 201,
            says: "The token; the cluster keeps only what its secret hashes to",
            content: Some(document::<IssuedToken>()),
            headers: &["Cache-Control"],
            leads_to: &[],
        }]
    },
    &[EDGE, AT_WORK, QUERY, PLAIN, BODY, DOCUMENT, CHANGE, USERS],
);

pub const REVOKE_TOKEN: Described = shown(
    "revokeToken",
    "Let a token be none any more",
    const { &[ok::<Removed>()] },
    &[EDGE, AT_WORK, QUERY, PLAIN, CHANGE, &[Code::NoSuchToken, Code::CatalogRefused]],
);

pub const PUT_ROLE: Described = taking(
    "putRole",
    "Make a role, or let one allow something else",
    const { &document::<RoleSpec>() },
    const { &[ok::<Role>()] },
    &[EDGE, AT_WORK, QUERY, PLAIN, BODY, DOCUMENT, CHANGE, TABLE, ROLES, WHOLE],
);

pub const REMOVE_ROLE: Described = shown(
    "removeRole",
    "Remove a role that no user has",
    const { &[ok::<Removed>()] },
    &[EDGE, AT_WORK, QUERY, PLAIN, CHANGE, ROLES],
);

pub const SHOW_PEER_ADDRESS: Described = shown(
    "showPeerAddress",
    "Where this node's peers reach it: what a node that joins must know",
    const { &[ok::<PeerAddress>()] },
    &[EDGE, AT_WORK, QUERY, PLAIN],
);
