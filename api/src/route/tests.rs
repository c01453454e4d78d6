use super::*;
use crate::code::Code;
use crate::key::KeyError;
use proptest::prelude::*;

fn asked(method: &Method, path: &str) -> Result<Route, RouteError> {
    Asked::read(method, path, None, 100).map(|asked| asked.route)
}

#[test]
fn every_operation_is_reached_by_its_own_path() {
    for operation in Operation::ALL {
        let names = [
            ("{table}", "t"),
            ("{node}", "n1"),
            ("{job}", "n1-2-3"),
            ("{plan}", "p-n1-1"),
            ("{shard}", "3"),
            ("{file}", "main.js"),
            ("{user}", "ann"),
            ("{role}", "readers"),
            ("{token}", "00000000000000a7"),
            ("{key}", "a/b"),
        ];
        let template = operation.template().to_owned();
        let path = names.iter().fold(template, |path, (name, is)| path.replace(name, is));
        let route = asked(&operation.method(), &path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(route.operation(), *operation);
        let (back, base64) = route.path();
        assert!(!base64);
        assert_eq!(asked(&operation.method(), &back), Ok(route), "the way back");
        if operation.method() == Method::GET {
            assert_eq!(asked(&Method::HEAD, &path).map(|route| route.operation()), Ok(*operation));
        }
    }
}

#[test]
fn what_is_not_served_is_no_route() {
    for path in [
        "",
        "/v1",
        "/v1/",
        "/v2/tables",
        "/v1/tables/",
        "/v1/tables/t/",
        "/v1/tables//keys/a",
        "/v1/tables/t/watch",
        "/v1/tables/t/mget/",
        "/v1/cluster/",
        "/v1/cluster/nodes/",
        "/v1/cluster/nodes/n1/",
        "/v1/cluster/nodes/n1/accept-loss/x",
        "/v1/jobs/",
        "/v1/jobs/n1-2-3/end",
        "/v1/access/",
        "/v1/access/users",
        "/v1/access/users/",
        "/v1/access/users/ann/token",
        "/v1/access/roles/r/tokens",
        "/v1/access/tokens/00000000000000a7/tokens",
        "/health",
        "/health/",
        "/ui/a/b",
        "//",
    ] {
        assert_eq!(asked(&Method::GET, path), Err(RouteError::NoSuchRoute), "{path}");
    }
}

#[test]
fn another_method_is_told_which_ones_there_are() {
    for (method, path, allowed) in [
        (Method::PATCH, "/v1/tables/t/keys/a", "GET,HEAD,PUT,POST,DELETE"),
        (Method::PUT, "/v1/tables", "GET,HEAD,POST"),
        (Method::GET, "/v1/tables/t/mget", "POST"),
        (Method::HEAD, "/v1/tables/t/batch", "POST"),
    ] {
        match asked(&method, path) {
            Err(RouteError::MethodNotAllowed { allow, .. }) => assert_eq!(allow, allowed),
            other => panic!("{method} {path}: {other:?}"),
        }
    }
}

#[test]
fn a_key_is_everything_behind_its_verb() {
    let read = |raw: &str| match asked(&Method::GET, &format!("/v1/tables/t/keys/{raw}")) {
        Ok(Route::Read(on)) => on.key.as_bytes().to_vec(),
        other => panic!("{raw}: {other:?}"),
    };
    assert_eq!(read("/"), b"/");
    assert_eq!(read("keys/keys/"), b"keys/keys/");
    assert_eq!(read("../x/./y"), b"../x/./y");
    let none = asked(&Method::GET, "/v1/tables/t/keys/");
    assert_eq!(none, Err(RouteError::Key(KeyError::Empty)));
}

#[test]
fn table_names_are_plain() {
    let table = |raw: &str| match asked(&Method::GET, &format!("/v1/tables/{raw}")) {
        Ok(Route::DescribeTable(on)) => Ok(on.table),
        Err(error) => Err(error),
        Ok(other) => panic!("{raw}: {other:?}"),
    };
    assert_eq!(table("users").as_deref(), Ok("users"));
    assert_eq!(table("%75sers").as_deref(), Ok("users"));
    for raw in ["Users", "a%2Fb", "%00", "%"] {
        assert_eq!(table(raw).expect_err(raw).code(), Code::NoSuchTable, "{raw}");
    }
}

#[test]
fn a_token_is_named_by_its_id_and_what_is_none_is_not_repeated() {
    let secret = "qrt_00000000000000a7_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for raw in [secret, "00000000000000A7", "a7", "00000000000000a7a"] {
        let error = asked(&Method::DELETE, &format!("/v1/access/tokens/{raw}")).expect_err(raw);
        assert_eq!(error.code(), Code::NoSuchToken);
        assert!(!error.to_string().contains(raw), "{error}");
    }
}

#[test]
fn a_secret_in_a_query_is_refused_by_its_name_alone() {
    for name in ["token", "access_token", "Bearer", "api_key", "t%6Fken"] {
        let query = format!("{name}=hunter2");
        let error = Asked::read(&Method::GET, "/v1/tables", Some(&query), 100).expect_err(name);
        assert_eq!(error.code(), Code::UnknownParameter);
        let sentence = error.to_string();
        assert!(sentence.contains("Authorization: Bearer") && !sentence.contains("hunter2"), "{sentence}");
    }
}

#[test]
fn the_query_is_read_before_the_names() {
    let refused =
        |path: &str, query| Asked::read(&Method::GET, path, Some(query), 100).expect_err(path).code();
    assert_eq!(refused("/v1/tables/T/keys/%", "x=1"), Code::UnknownParameter);
    assert_eq!(refused("/v1/tables/T/keys/%", "r=1"), Code::InvalidKey);
    assert_eq!(refused("/v1/tables/T/keys/a", "r=1"), Code::NoSuchTable);
}

proptest! {
    #[test]
    fn a_route_survives_its_way_through_a_path(key in prop::collection::vec(any::<u8>(), 1..40)) {
        let route = Route::Put(OnKey::new("users", &key));
        let (path, base64) = route.path();
        let query = base64.then_some("enc=b64");
        prop_assert_eq!(Asked::read(&Method::PUT, &path, query, 40).map(|asked| asked.route), Ok(route));
    }

    #[test]
    fn reading_a_path_is_total(path: String, query: String) {
        let _ = Asked::read(&Method::GET, &path, Some(&query), 40);
    }
}
