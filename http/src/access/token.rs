//! Tokens that this program draws.

use quorate_api::token::{SECRET_BYTES, Token};
use quorate_model::WallTime;
use quorate_ring::catalog::access::{self, Digest, TokenId};
use sha2::{Digest as _, Sha256};

/// What the secret of a token hashes to. It has 256 random bits, so that one round is enough.
pub(super) fn digest(secret: &[u8; SECRET_BYTES]) -> Digest {
    Sha256::digest(secret).into()
}

/// Draws a token; `None`: the operating system has no random bits yet.
pub fn draw() -> Option<Token> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).ok()?;
    Some(Token { id: getrandom::u64().ok()?, secret })
}

/// What the catalog keeps of a token.
pub fn new_token(token: &Token, created: WallTime, expires: Option<WallTime>) -> access::Token {
    access::Token { id: TokenId(token.id), digest: digest(&token.secret), created, expires }
}
