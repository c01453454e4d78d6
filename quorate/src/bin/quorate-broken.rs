//! The `quorate` binary with one rule of the protocol broken, for suites that must show that they would notice.
//!
//! `QUORATE_BREAK` names the rule, or `none`. Everything else is as in `quorate`. A release build of it does not
//! compile.

use std::io::Write as _;
use std::process::ExitCode;

/// As in `quorate`: a broken build should differ in the one rule alone.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit code of wrong usage.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    if let Err(error) = quorate::breakage::choose() {
        // Standard error may be closed: the exit code says it, too.
        let _unread = writeln!(std::io::stderr().lock(), "error: {error}");
        return USAGE.into();
    }
    quorate_client::install_crypto_provider();
    quorate::program::main()
}
