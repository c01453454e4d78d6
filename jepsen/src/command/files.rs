//! `quorate-jepsen judge`, `report`: from files that a run has left.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use quorate_jepsen::record::RunFolder;
use quorate_jepsen::rejudge;

use super::{Failure, exit_code, write_report};
use crate::arguments::JudgeArguments;

/// Judges a history file again.
pub fn judge(arguments: &JudgeArguments) -> Result<ExitCode, Failure> {
    let judgement = rejudge::judge_file(&arguments.history, &arguments.workload)?;
    let verdict = rejudge::verdict(&judgement);
    let mut out = std::io::stdout();
    writeln!(out, "{}\n{}", verdict.word(), judgement.text)?;
    for reason in &judgement.void {
        writeln!(out, "  {reason}")?;
    }
    for measure in &judgement.measures {
        writeln!(out, "  {}: {:.1} {}", measure.name, measure.value, measure.unit)?;
    }
    Ok(exit_code(verdict))
}

/// Makes the report of a run's folder.
pub fn report(folder: &Path) -> Result<ExitCode, Failure> {
    write_report(&RunFolder::new(folder))?;
    Ok(ExitCode::SUCCESS)
}
