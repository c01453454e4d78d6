//! Which rule of the protocol this process breaks on purpose: none, in every build for use.
//!
//! A suite that finds nothing may be blind. So the binary `quorate-broken` is the real program with one
//! [`Mutant`](quorate_model::Mutant) that `QUORATE_BREAK` names when it starts, and the suites have to find it. It
//! exists with the feature `mutants` alone, which a release build refuses to compile, and it says what it is: on
//! standard error, in its log, and in both health pages.
//!
//! What is left out: breaking more than one rule, or another one while the process runs. A suite learns nothing
//! from either.

#[cfg(feature = "mutants")]
use quorate_model::Mutant;
use quorate_model::Rules;
#[cfg(feature = "mutants")]
use std::io::Write as _;
#[cfg(feature = "mutants")]
use std::sync::OnceLock;

/// The environment variable that names the rule, in a build that knows one.
pub const VARIABLE: Option<&str> = if cfg!(feature = "mutants") { Some(NAME) } else { None };

const NAME: &str = "QUORATE_BREAK";

/// The value of it that breaks nothing: the same build, to compare with.
#[cfg(feature = "mutants")]
const NOTHING: &str = "none";

/// Chosen once, before anything starts.
#[cfg(feature = "mutants")]
static BROKEN: OnceLock<Mutant> = OnceLock::new();

/// Takes the choice from the environment; the error says what can be chosen. Once per process.
#[cfg(feature = "mutants")]
pub fn choose() -> Result<(), String> {
    let asked = std::env::var(NAME).unwrap_or_default();
    if asked == NOTHING {
        return Ok(());
    }
    let Some(mutant) = Mutant::named(&asked) else {
        let names: Vec<String> = Mutant::ALL.into_iter().map(Mutant::name).collect();
        return Err(format!(
            "this build breaks one rule of the protocol on purpose: set {NAME} to one of {NOTHING}, {}",
            names.join(", ")
        ));
    };
    // Standard error is closed: that cannot be told, either.
    let _unread = writeln!(
        std::io::stderr().lock(),
        "THIS BUILD IS BROKEN ON PURPOSE ({asked}): its answers are wrong, never keep data in it"
    );
    assert!(BROKEN.set(mutant).is_ok(), "a process chooses once");
    Ok(())
}

/// The rules as they hold in this process.
#[cfg(feature = "mutants")]
pub fn rules() -> Rules {
    BROKEN.get().map_or(Rules::INTACT, |mutant| Rules::breaking(*mutant))
}

/// The rules as they hold in this process.
#[cfg(not(feature = "mutants"))]
pub const fn rules() -> Rules {
    Rules::INTACT
}

/// The name of the rule that is broken; `None`: all hold.
#[cfg(feature = "mutants")]
pub fn broken() -> Option<String> {
    BROKEN.get().map(|mutant| mutant.name())
}

/// The name of the rule that is broken; `None`: all hold.
#[cfg(not(feature = "mutants"))]
pub const fn broken() -> Option<String> {
    None
}
