use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).expect("a header value"));
    }
    headers
}

#[test]
fn no_condition_on_a_write_is_advice() {
    for name in ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"] {
        let error = refuse_conditions(&headers(&[(name, "\"x\"")])).expect_err(name);
        assert_eq!(error.code(), Code::ConditionsNeedConsensus, "{name}");
    }
    assert_eq!(refuse_conditions(&HeaderMap::new()), Ok(()));
}

#[test]
fn none_match_compares_weakly_and_knows_lists() {
    let names = |value: &str, tag: &str| {
        none_match(&headers(&[("if-none-match", value)])).expect("a read").names(tag)
    };
    assert!(names("\"a\"", "\"a\""));
    assert!(names("\"x\", W/\"a\"", "\"a\""));
    assert!(names("*", "\"a\""));
    assert!(!names("\"ab\"", "\"a\""));
    assert!(!none_match(&HeaderMap::new()).expect("no condition").names("\"a\""));
    assert!(none_match(&headers(&[("if-match", "*")])).is_err());
}

#[test]
fn operation_ids_come_once_and_whole() {
    assert_eq!(operation(&HeaderMap::new()), Ok(None));
    let id = operation(&headers(&[("idempotency-key", "app-1:7")])).expect("valid").expect("present");
    assert_eq!((id.client.as_str(), id.sequence), ("app-1", 7));
    for pairs in [&[("idempotency-key", "7")][..], &[("idempotency-key", "a:1"), ("idempotency-key", "a:1")]]
    {
        assert_eq!(operation(&headers(pairs)).expect_err("refused").code(), Code::InvalidHeader);
    }
}

#[test]
fn preferences_are_found_among_others() {
    assert!(prefers_minimal(&headers(&[("prefer", "wait=1, return=minimal")])));
    assert!(!prefers_minimal(&headers(&[("prefer", "return=representation")])));
}

#[test]
fn content_types_can_be_given_back_as_they_came() {
    assert_eq!(content_type(&HeaderMap::new()).as_deref(), Ok(OCTETS));
    let text = "text/plain; charset=utf-8";
    assert_eq!(content_type(&headers(&[("content-type", text)])).as_deref(), Ok(text));
    let long = format!("text/{}", "x".repeat(300));
    for bad in ["text", "/", "text/", "a b/c", "", "te\txt/plain", long.as_str()] {
        let error = content_type(&headers(&[("content-type", bad)])).expect_err(bad);
        assert_eq!(error.code(), Code::UnsupportedMediaType, "{bad}");
    }
    assert!(content_type(&headers(&[("content-encoding", "gzip")])).is_err(), "would be lost");
    assert!(content_type(&headers(&[("content-encoding", "identity")])).is_ok());
}

#[test]
fn a_body_is_framed_and_never_coded() {
    for pairs in [&[][..], &[("transfer-encoding", "Chunked"), ("expect", "100-Continue")]] {
        assert_eq!(expect_framing(&headers(pairs)), Ok(()), "{pairs:?}");
    }
    for pairs in [
        &[("transfer-encoding", "gzip, chunked")][..],
        &[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")],
    ] {
        assert_eq!(expect_framing(&headers(pairs)).expect_err("coded").code(), Code::BadRequest, "{pairs:?}");
    }
    let error = expect_framing(&headers(&[("expect", "foo")])).expect_err("an expectation");
    assert_eq!(error.code(), Code::ExpectationFailed);
}

#[test]
fn documents_say_that_they_are_json() {
    assert_eq!(expect_json(&headers(&[("content-type", "Application/JSON; charset=utf-8")])), Ok(()));
    for pairs in
        [&[][..], &[("content-type", "text/plain")], &[("content-type", "application/x-www-form-urlencoded")]]
    {
        assert_eq!(expect_json(&headers(pairs)).expect_err("refused").code(), Code::UnsupportedMediaType);
    }
}

#[test]
fn the_most_specific_accepted_range_decides() {
    let accepted =
        |value: &str, offered: &str| expect_accepted(&headers(&[("accept", value)]), offered).is_ok();
    assert!(accepted("*/*", "image/png"));
    assert!(accepted("text/html, image/*;q=0.1", "image/png"));
    assert!(accepted("TEXT/plain", "text/plain; charset=utf-8"));
    assert!(!accepted("text/html", "image/png"));
    assert!(!accepted("image/png;q=0, */*", "image/png"));
    assert!(!accepted("image/*;q=0.000", "image/png"));
    assert!(expect_accepted(&HeaderMap::new(), "image/png").is_ok());
}
