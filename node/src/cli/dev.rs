//! `quorate dev`.
use super::Context;
use super::exit::Failure;
use clap::Args;
/// `quorate dev`.
#[derive(Args, Debug)]
pub struct Dev {}
impl Dev {
    /// Runs it.
    pub fn run(self, _context: &Context) -> Result<(), Failure> {
        Ok(())
    }
}
