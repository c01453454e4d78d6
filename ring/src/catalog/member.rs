//! Which member an operator means, who says its id or its name.
//!
//! A name may have the form of another member's id: who joins does not know yet which id it gets. Then `n2` can mean two
//! members, and a guess could accept the loss of the one that is well, or replace the one that has all that is left. So
//! what is ambiguous is refused, with both members and the words that can mean one of them only.
//!
//! ```text
//!   n2   2         an id, or a name
//!   id:n2   id:2   the id alone
//!   name:n2        the name alone; no name has a colon
//! ```

use super::{Catalog, Node};
use quorate_model::NodeId;
use std::sync::Arc;
use thiserror::Error;

/// What an operator calls a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Called<'a> {
    /// The id that it may be.
    id: Option<NodeId>,
    /// The name that it may be.
    name: Option<&'a str>,
}

/// The id of one member and the name of another.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "\"{text}\" can mean two members: {id} (its name is {name}), or {other} (its name is {text}); nothing was changed; \
     say id:{id} or id:{other}"
)]
pub struct AmbiguousMember {
    /// What was said; a label, as names are.
    pub text: String,
    /// Whose id it is.
    pub id: NodeId,
    /// That member's name.
    pub name: String,
    /// Whose name it is.
    pub other: NodeId,
}

impl<'a> Called<'a> {
    /// What this can mean. Any text is allowed; most mean no member.
    pub fn of(text: &'a str) -> Self {
        match text.split_once(':') {
            Some(("id", id)) => Self { id: id_of(id), name: None },
            Some(("name", name)) => Self { id: None, name: Some(name) },
            Some(_) => Self { id: None, name: None },
            None => Self { id: id_of(text), name: Some(text) },
        }
    }

    /// Whether it can be the member of this id.
    pub fn can_be_id(&self, id: NodeId) -> bool {
        self.id == Some(id)
    }

    /// Whether it can be the member of this name.
    pub fn can_be_name(&self, name: &str) -> bool {
        self.name == Some(name)
    }
}

impl Catalog {
    /// The member that an operator calls so; `None`: there is none. What is the id of one and the name of another is
    /// an error.
    pub fn member_called(&self, text: &str) -> Result<Option<&Arc<Node>>, AmbiguousMember> {
        let Called { id, name } = Called::of(text);
        let by_id = id.and_then(|id| self.node(id));
        let by_name = name.and_then(|name| self.node_by_name(name));
        match (by_id, by_name) {
            (Some(one), Some(other)) if one.id != other.id => Err(AmbiguousMember {
                text: other.name.clone(),
                id: one.id,
                name: one.name.clone(),
                other: other.id,
            }),
            (Some(node), _) | (None, Some(node)) => Ok(Some(node)),
            (None, None) => Ok(None),
        }
    }
}

/// `n2` and `2`, but not `n02` or `+2`: an id has one number.
fn id_of(text: &str) -> Option<NodeId> {
    let number = text.strip_prefix('n').unwrap_or(text);
    let id: u64 = number.parse().ok()?;
    (id.to_string() == number).then_some(NodeId(id))
}

#[cfg(test)]
mod tests {
    use super::super::tests::node;
    use super::super::{Command, NewNode};
    use super::*;
    use quorate_model::ClusterId;

    /// A cluster of n1, n2 and n3 with these names.
    fn three_called([first, second, third]: [&str; 3]) -> Catalog {
        let new = |number, name: &str| NewNode { name: name.to_owned(), ..node(number) };
        let founded = Catalog::bootstrap("test", ClusterId(7), new(1, first)).expect("founded");
        [new(2, second), new(3, third)]
            .into_iter()
            .fold(founded, |catalog, node| catalog.apply(&Command::AddNode(node)).expect("accepted").catalog)
    }

    fn id(catalog: &Catalog, text: &str) -> Option<u64> {
        catalog.member_called(text).expect("one member at most").map(|node| node.id.0)
    }

    #[test]
    fn a_member_is_found_by_its_id_and_by_its_name() {
        let catalog = three_called(["db-1", "n2", "7"]);
        for (text, expected) in [
            ("n1", Some(1)),
            ("1", Some(1)),
            ("db-1", Some(1)),
            ("id:1", Some(1)),
            ("name:db-1", Some(1)),
            // Its own id is its name.
            ("n2", Some(2)),
            ("name:n2", Some(2)),
            // No member has the id n7.
            ("7", Some(3)),
            ("id:7", None),
            ("name:n1", None),
            ("id:db-1", None),
            ("n01", None),
            ("+1", None),
            ("nn1", None),
            ("zone:n1", None),
            ("id:id:1", None),
            ("", None),
        ] {
            assert_eq!(id(&catalog, text), expected, "{text}");
        }
    }

    #[test]
    fn what_can_mean_two_members_means_none_until_it_says_which() {
        let catalog = three_called(["db-1", "n3", "2"]);
        for (text, of, other) in [("n3", 3, 2), ("2", 2, 3)] {
            let said = catalog.member_called(text).expect_err("ambiguous");
            assert_eq!((said.id, said.other), (NodeId(of), NodeId(other)));
            let (mine, others) = (format!("id:n{of}"), format!("id:n{other}"));
            assert!(said.to_string().contains(&format!("say {mine} or {others}")), "{said}");
            assert_eq!((id(&catalog, &mine), id(&catalog, &others)), (Some(of), Some(other)));
            assert_eq!(id(&catalog, &format!("name:{text}")), Some(other));
        }
        // An id in another form is no member's name.
        assert_eq!((id(&catalog, "3"), id(&catalog, "n2")), (Some(3), Some(2)));
    }
}
