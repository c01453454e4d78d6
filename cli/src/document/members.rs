//! Members of the cluster in the words of people: what part one has in the catalog, how well it is, whether it stays.

use quorate_api::form::Membership;
use serde_json::{Map, Value as Json};

/// A member with `role` and with the one word for its `state`; anything else as it is. `has_owners`: some member owns
/// something.
pub fn with_words(members: &Map<String, Json>, has_owners: bool) -> Map<String, Json> {
    with_membership(with_health(with_role(members)), has_owners)
}

/// Whether a member that stays owns nothing yet, while others do.
pub fn is_joining(membership: Option<&str>, drained: bool, shards: u64, has_owners: bool) -> bool {
    let stays = membership.is_none_or(|word| word.parse() == Ok(Membership::Member));
    has_owners && stays && !drained && shards == 0
}

/// What part it has in the catalog.
fn with_role(members: &Map<String, Json>) -> Map<String, Json> {
    let mut members = members.clone();
    let is = |name: &str| members.get(name).and_then(Json::as_bool);
    let role = match (is("leader"), is("voter")) {
        (Some(true), _) => "leader",
        (_, Some(true)) => "voter",
        (_, Some(false)) => "learner",
        (_, None) => return members,
    };
    members.insert("role".to_owned(), role.into());
    members
}

/// One that is up, and does not answer for all of its shards, in the word for that.
fn with_health(mut members: Map<String, Json>) -> Map<String, Json> {
    if members.get("state") != Some(&"up".into()) {
        return members;
    }
    let is_there = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
    let count =
        |name: &str| members.get("healing").and_then(|healing| healing.get(name)).and_then(Json::as_u64);
    let whole = count("whole").zip(count("shards")).map(|(whole, shards)| format!("{whole}/{shards}"));
    let state = if is_there("doubt") { Some("doubtful") } else { whole.as_ref().map(|_| "filling") };
    members.extend(state.map(|state| ("state".to_owned(), state.into())));
    members.extend(whole.map(|whole| ("whole".to_owned(), whole.into())));
    members
}

/// One that comes, goes or is kept out, in the word for that. That it is down or not well says more.
fn with_membership(mut members: Map<String, Json>, has_owners: bool) -> Map<String, Json> {
    let text = |name: &str| members.get(name).and_then(Json::as_str);
    let (state, membership) = (text("state"), text("membership"));
    let drained = members.get("drained").and_then(Json::as_bool) == Some(true);
    let shards = members.get("shards").and_then(Json::as_u64);
    let word = match (membership.map(str::parse), state) {
        (Some(Ok(Membership::Banned)), _) => "banned",
        (Some(Ok(Membership::Leaving)), Some("up")) => "leaving",
        (_, Some("up")) if drained => "drained",
        // Only of a member it is known where it stands.
        (Some(Ok(Membership::Member)), Some("up"))
            if is_joining(membership, drained, shards.unwrap_or(1), has_owners) =>
        {
            "joining"
        }
        (Some(Ok(Membership::Member | Membership::Leaving) | Err(_)) | None, _) => return members,
    };
    members.insert("state".to_owned(), word.into());
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(node: Json) -> String {
        let node = node.as_object().expect("an object").clone();
        with_words(&node, true)["state"].as_str().expect("a word").to_owned()
    }

    #[test]
    fn a_member_that_comes_or_goes_has_a_word() {
        let node = |state: &str, membership: &str, drained: bool, shards: u64| json!({"state": state, "membership": membership, "drained": drained, "shards": shards});
        assert_eq!(state(node("up", "member", false, 64)), "up");
        assert_eq!(state(node("up", "member", false, 0)), "joining");
        assert_eq!(state(node("up", "member", true, 64)), "drained");
        assert_eq!(state(node("up", "leaving", false, 3)), "leaving");
        assert_eq!(state(node("down", "leaving", false, 3)), "down");
        assert_eq!(state(node("down", "banned", false, 3)), "banned");
        let empty = node("up", "member", false, 0).as_object().expect("an object").clone();
        assert_eq!(with_words(&empty, false)["state"], "up", "no member owns anything");
    }
}
