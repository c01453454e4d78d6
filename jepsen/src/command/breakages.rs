//! `quorate-jepsen breakages`: would the suite notice?

use std::process::ExitCode;

use quorate_jepsen::breakage::{self, Hunt};
use quorate_jepsen::campaign;
use quorate_jepsen::cluster;

use super::{Failure, ground, must_be_new, run_record};
use crate::arguments::{BreakagesArguments, HostsKind};

/// The subcommand.
pub const NAME: &str = "breakages";

/// Looks for rules that a broken build breaks.
pub async fn run(arguments: &BreakagesArguments) -> Result<ExitCode, Failure> {
    let folder = arguments.folder.clone().unwrap_or_else(|| cluster::run_folder(NAME));
    must_be_new(&folder)?;
    let ground = ground((&arguments.binary, None), HostsKind::Namespaces, folder, &breakage::whole())?;
    let mut record = run_record(&ground, format!("scripts/jepsen {NAME}"), arguments.seed);
    record.suite = Some(NAME.to_owned());
    let mut hunt = Hunt::new(arguments.seed, &arguments.only, &ground.machine);
    campaign::run(&ground, record, &mut hunt, None).await?;
    let missed = hunt.missed();
    if missed == 0 {
        println!("PASS: every breakage was found");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{missed} were missed");
    Ok(ExitCode::from(1))
}
