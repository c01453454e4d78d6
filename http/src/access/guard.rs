//! Recognises who asks, and counts who could not be.

use super::caller::{Credential, Known};
use super::failed::Failed;
use super::token;
use crate::certificate::ClientCertificate;
use crate::ends::Ends;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::metrics::{AuthFailure, Metrics};
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap};
use quorate_api::code::FAILURES_SECONDS;
use quorate_api::token::Token;
use quorate_model::WallTime;
use quorate_ring::Access;
use quorate_ring::catalog::access::TokenId;
use std::sync::Arc;
use std::time::Instant;
use subtle::ConstantTimeEq as _;

/// What an operator has set beside the catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessSetup {
    /// Whether metrics need nothing.
    pub metrics_open: bool,
    /// Whether tokens are taken over connections that others can read.
    pub insecure: bool,
}

/// See the module's sentence.
#[derive(Debug)]
pub struct Guard {
    setup: AccessSetup,
    failed: Failed,
    metrics: Arc<Metrics>,
}

impl Guard {
    /// Of one node.
    pub fn new(setup: AccessSetup, limits: &Limits, metrics: Arc<Metrics>) -> Self {
        let failed = Failed::new(limits.auth_failures_max, limits.auth_failures_all_max);
        Self { setup, failed, metrics }
    }

    /// Whether metrics need nothing.
    pub fn are_metrics_open(&self) -> bool {
        self.setup.metrics_open
    }

    /// Who asks. A token that came counts, right or wrong: a client certificate does not stand in for it.
    pub fn recognise(
        &self,
        access: &Access,
        (headers, extensions): (&HeaderMap, &Extensions),
        ends: Ends,
        now: WallTime,
    ) -> Result<Known, AuthFailure> {
        let mut said = headers.get_all(AUTHORIZATION).iter();
        if let Some(said_first) = said.next() {
            if !self.setup.insecure && !ends.is_protected() {
                return Err(AuthFailure::Exposed);
            }
            let text = said_first.to_str().ok().filter(|_| said.next().is_none());
            let token = text.and_then(bearer).and_then(Token::parse).ok_or(AuthFailure::Malformed)?;
            return of_token(access, &token, now);
        }
        let ClientCertificate(name) = extensions.get::<ClientCertificate>().ok_or(AuthFailure::Missing)?;
        let principal = access.certificate(name).ok_or(AuthFailure::Certificate)?;
        Ok(Known::new(Arc::clone(principal), Credential::Certificate(Arc::clone(name))))
    }

    /// Counts a request of which it is not known who asks; what it is told.
    pub fn failed(&self, why: AuthFailure, ends: Ends) -> Fault {
        self.metrics.auth_failed(why);
        if why == AuthFailure::Missing {
            Fault::Unauthenticated
        } else if self.failed.note(ends.remote, Instant::now()) {
            Fault::TooManyFailures { seconds: FAILURES_SECONDS }
        } else if why == AuthFailure::Exposed {
            Fault::TokenExposed
        } else {
            Fault::Unauthenticated
        }
    }
}

/// The user who has this token. An id that is not known costs as much as one that is.
fn of_token(access: &Access, token: &Token, now: WallTime) -> Result<Known, AuthFailure> {
    let id = TokenId(token.id);
    let known = access.token(id);
    let digest = token::digest(&token.secret);
    let wanted = known.map_or(&[0; 32], |known| &known.digest);
    let is_equal = bool::from(digest.ct_eq(wanted));
    let known = known.filter(|_| is_equal).ok_or(AuthFailure::Token)?;
    if known.has_expired(now) {
        return Err(AuthFailure::Expired);
    }
    Ok(Known::new(Arc::clone(&known.principal), Credential::Token(id)))
}

/// What stands behind the word `Bearer`, in any case.
fn bearer(said: &str) -> Option<&str> {
    let (scheme, token) = said.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use quorate_model::{Epoch, Permission};
    use quorate_ring::catalog::access::{self, Grant, Role, Scope, User};
    use std::net::{IpAddr, Ipv4Addr};

    const HERE: Ends = Ends {
        local: IpAddr::V4(Ipv4Addr::LOCALHOST),
        remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
        is_tls: false,
    };
    const NOW: WallTime = WallTime(100);

    fn drawn(id: u8) -> Token {
        Token { id: id.into(), secret: [id; 32] }
    }

    fn kept(id: u8, expires: Option<u64>) -> access::Token {
        let digest = token::digest(&drawn(id).secret);
        access::Token { id: TokenId(id.into()), digest, created: WallTime(1), expires: expires.map(WallTime) }
    }

    fn known_users() -> Access {
        let grants = vec![Grant { permission: Permission::Read, scope: Scope::Everything }];
        let role = Role { name: "readers".to_owned(), grants, epoch: Epoch(1) };
        let user = |name: &str, certificate: Option<&str>, tokens: Vec<access::Token>| User {
            name: name.to_owned(),
            roles: vec!["readers".to_owned()],
            certificate: certificate.map(str::to_owned),
            tokens,
            epoch: Epoch(1),
        };
        let ann = user("ann", None, vec![kept(1, None), kept(2, Some(100)), kept(3, Some(101))]);
        Access::of(true, [ann, user("bob", Some("bob.example"), Vec::new())], [role])
    }

    fn guard() -> Guard {
        Guard::new(AccessSetup::default(), &Limits::default(), Arc::default())
    }

    fn said(lines: &[&str], certificate: Option<&str>) -> (HeaderMap, Extensions) {
        let mut extensions = Extensions::new();
        if let Some(name) = certificate {
            extensions.insert(ClientCertificate(name.into()));
        }
        let value = |line: &&str| (AUTHORIZATION, HeaderValue::from_str(line).expect("a header"));
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(value) {
            headers.append(name, value);
        }
        (headers, extensions)
    }

    fn who(lines: &[&str], certificate: Option<&str>, ends: Ends) -> Result<String, AuthFailure> {
        let (headers, extensions) = said(lines, certificate);
        let known = guard().recognise(&known_users(), (&headers, &extensions), ends, NOW);
        known.map(|known| known.name().to_owned())
    }

    #[test]
    fn a_user_is_recognised_by_a_token_or_a_certificate() {
        let token = format!("Bearer {}", drawn(1).reveal());
        assert_eq!(who(&[&token], None, HERE), Ok("ann".to_owned()));
        assert_eq!(who(&[&token.replace("Bearer", "bEARER ")], None, HERE), Ok("ann".to_owned()));
        assert_eq!(who(&[], Some("bob.example"), HERE), Ok("bob".to_owned()));
        assert_eq!(who(&[&token], Some("bob.example"), HERE), Ok("ann".to_owned()), "the token counts");
        let last = format!("Bearer {}", drawn(3).reveal());
        assert_eq!(who(&[&last], None, HERE), Ok("ann".to_owned()), "it has one millisecond left");
    }

    #[test]
    fn whatever_is_wrong_is_told_in_the_same_words() {
        let of = |token: &Token| format!("Bearer {}", token.reveal());
        let (right, other) = (of(&drawn(1)), of(&Token { id: 1, secret: [9; 32] }));
        let (expired, unknown) = (of(&drawn(2)), of(&drawn(4)));
        let away = Ends { remote: "10.0.0.1".parse().expect("an address"), ..HERE };
        for (lines, certificate, ends, why) in [
            (vec![], None, HERE, AuthFailure::Missing),
            (vec!["Bearer"], None, HERE, AuthFailure::Malformed),
            (vec!["Basic cm9vdDpyb290"], None, HERE, AuthFailure::Malformed),
            (vec!["Bearer qrt_1_2"], Some("bob.example"), HERE, AuthFailure::Malformed),
            (vec![right.as_str(), right.as_str()], None, HERE, AuthFailure::Malformed),
            (vec![other.as_str()], None, HERE, AuthFailure::Token),
            (vec![unknown.as_str()], None, HERE, AuthFailure::Token),
            (vec![expired.as_str()], None, HERE, AuthFailure::Expired),
            (vec![], Some("ann"), HERE, AuthFailure::Certificate),
            (vec![right.as_str()], None, away, AuthFailure::Exposed),
        ] {
            assert_eq!(who(&lines, certificate, ends), Err(why), "{lines:?}");
            let told = guard().failed(why, ends).to_string();
            assert_eq!(told == Fault::Unauthenticated.to_string(), why != AuthFailure::Exposed, "{told}");
        }
        let tls = Ends { is_tls: true, ..away };
        assert_eq!(who(&[right.as_str()], None, tls), Ok("ann".to_owned()));
    }

    #[test]
    fn who_fails_too_often_is_told_to_wait_and_who_says_nothing_is_not() {
        let limits = Limits { auth_failures_max: 2, ..Limits::default() };
        let guard = Guard::new(AccessSetup::default(), &limits, Arc::default());
        let is_told_to_wait = |why| matches!(guard.failed(why, HERE), Fault::TooManyFailures { .. });
        assert!(!(0..10).any(|_| is_told_to_wait(AuthFailure::Missing)));
        let told: Vec<bool> = (0..3).map(|_| is_told_to_wait(AuthFailure::Token)).collect();
        assert_eq!(told, [false, false, true]);
    }
}
