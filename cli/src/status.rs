//! `quorate status`: one screen that says what is wrong, what that means, and what to do.
//!
//! [`asked`] asks the cluster and every member, [`diagnosis`] judges, and this module shows it: the worst problem on
//! the first line, the others below it, then the members.

mod asked;
mod diagnosis;
mod facts;

use crate::columns::{left, name, right};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, Word, printable};
use crate::quantity::{bytes, count, counted, span};
use asked::{Asked, Said};
use clap::Args;
use diagnosis::{Problem, Severity, all_well, diagnose};
use facts::{Answer, Facts, Member, Stays};
use quorate_client::Client;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

/// How long the node that is asked for all of it may take, unless `--timeout` says otherwise: it answers from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often `--watch` looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// So many problems are shown; the others are counted.
const PROBLEMS_SHOWN_MAX: usize = 8;

/// So many of the node's own sentences about tables are shown.
const RISKS_SHOWN_MAX: usize = 4;

/// `quorate status`.
#[derive(Args, Debug)]
#[command(
    after_help = "The first line says what is wrong and what to do; further problems follow, the worst first.\n\n\
    Examples:\n  \
      quorate status --watch\n  \
      quorate status --check || page-operator        # 8: unhealthy, 5: no node answers\n  \
      quorate --output json status | jq '.problems'"
)]
pub struct Status {
    /// Look again every second, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// End with code 8 if something is wrong: a node that is not ready, or a shard without a quorum.
    #[arg(long, conflicts_with = "watch")]
    check: bool,
}

/// What is known of the cluster at one moment, and the judgement.
struct Screen {
    asked: Asked,
    facts: Facts,
    problems: Vec<Problem>,
}

impl Status {
    /// Shows it, once or again and again.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client_within(ANSWER_TIMEOUT)?;
        if self.watch {
            let interrupted = tokio::signal::ctrl_c();
            return tokio::select! {
                ended = watch(context, &client) => ended,
                _ = interrupted => context.output.bytes(b""),
            };
        }
        let screen = Screen::of(&client).await?;
        screen.show(&context.output)?;
        if self.check && !screen.is_healthy() {
            let failure = Failure::new(Exit::Unhealthy, screen.sentence());
            // The screen has said it to a person.
            return Err(if context.output.is_json() { failure } else { failure.said() });
        }
        Ok(())
    }
}

/// Looks every second. On a terminal each screen is drawn over the one before, line by line, so that nothing flickers.
async fn watch(context: &Context, client: &Client) -> Result<(), Failure> {
    let output = &context.output;
    let draws = !output.is_json() && std::io::stdout().is_terminal();
    let mut interval = tokio::time::interval(WATCH_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_first = true;
    loop {
        interval.tick().await;
        match Screen::of(client).await {
            Ok(screen) if draws => output.bytes(redrawn(&screen.text(output), is_first).as_bytes())?,
            Ok(screen) => screen.show(output)?,
            // A cluster that cannot be reached for a while is what an operator who watches wants to see.
            Err(failure) if draws => output.bytes(redrawn(&failure.text(), is_first).as_bytes())?,
            Err(failure) => output.failure(&failure),
        }
        is_first = false;
    }
}

/// What draws a screen over the last one: each line clears its rest, the end clears what is below.
fn redrawn(text: &str, is_first: bool) -> String {
    const HOME: &str = "\x1b[H";
    const CLEAR: &str = "\x1b[2J";
    let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("{}{HOME}{lines}\x1b[J", if is_first { CLEAR } else { "" })
}

impl Screen {
    async fn of(client: &Client) -> Result<Self, Failure> {
        let asked = Asked::of(client).await?;
        let facts = asked.facts();
        let problems = diagnose(&facts);
        Ok(Self { asked, facts, problems })
    }

    fn is_healthy(&self) -> bool {
        !self.problems.iter().any(|problem| problem.severity.is_unhealthy())
    }

    /// The first line, without its mark. What is only good to know does not take the place of "all is well".
    fn sentence(&self) -> String {
        match self.problems.first() {
            Some(problem) if problem.severity != Severity::Note => problem.sentence(),
            Some(_) | None => all_well(&self.facts),
        }
    }

    fn show(&self, output: &Output) -> Result<(), Failure> {
        if output.is_json() { output.json(&self.json()) } else { output.line(&self.text(output)) }
    }

    fn json(&self) -> Json {
        let problems: Vec<Json> = self
            .problems
            .iter()
            .map(|problem| json!({ "severity": problem.severity.as_str(), "what": problem.what, "do": problem.then }))
            .collect();
        json!({
            "healthy": self.is_healthy(),
            "health": self.sentence(),
            "problems": problems,
            "cluster": self.asked.cluster.json,
            "nodes": self.asked.documents(),
        })
    }

    fn text(&self, output: &Output) -> String {
        let severity = self.problems.first().map_or(Severity::Note, |problem| problem.severity);
        let (tone, mark) = match severity {
            Severity::Broken | Severity::Degraded => (Tone::Bad, "!!"),
            Severity::Warning => (Tone::Bad, "! "),
            Severity::Note => (Tone::Good, "ok"),
        };
        let wrapped = output.wrapped(&format!("{mark}  {}", self.sentence()), "    ");
        let mut lines = vec![format!("{}{}", output.toned(tone, mark), &wrapped[mark.len()..])];
        let said = usize::from(severity != Severity::Note);
        let rest = self.problems.get(said..).unwrap_or_default();
        lines.extend(
            rest.iter()
                .take(PROBLEMS_SHOWN_MAX)
                .map(|problem| output.wrapped(&format!("  - {}", problem.sentence()), "    ")),
        );
        if rest.len() > PROBLEMS_SHOWN_MAX {
            lines.push(format!(
                "  - and {}",
                counted((rest.len() - PROBLEMS_SHOWN_MAX) as u64, "more problem")
            ));
        }
        lines.extend(self.risks(output));
        lines.push(String::new());
        if !self.facts.members.is_empty() {
            lines.push(self.table(output));
            lines.extend(self.reasons(output));
            lines.push(String::new());
        }
        lines.push(output.toned(Tone::Faint, &self.asked.summary()));
        lines.join("\n")
    }

    /// Which tables lack owners, in the node's own words.
    fn risks(&self, output: &Output) -> Vec<String> {
        let risks = &self.facts.at_risk;
        let mut lines: Vec<String> = risks
            .iter()
            .filter(|risk| risk.starts_with("table "))
            .take(RISKS_SHOWN_MAX)
            .map(|risk| output.wrapped(&format!("    {risk}"), "      "))
            .collect();
        if risks.len() > RISKS_SHOWN_MAX {
            lines.push(format!("    and {} more", count((risks.len() - RISKS_SHOWN_MAX) as u64)));
        }
        lines
    }

    /// Why members are not ready, below the table: their own words, or what happened to the question.
    fn reasons(&self, output: &Output) -> Vec<String> {
        let reason = |(member, said): (&Member, &Said)| {
            let why = match &member.answer {
                Answer::Ready => return None,
                // The tables that lack owners stand above.
                Answer::NotReady { code, .. } if code == "unavailable" && !self.facts.at_risk.is_empty() => {
                    return None;
                }
                Answer::NotReady { why, .. } | Answer::Silent(why) => why,
            };
            let silent = said.node.read.silent_ms.filter(|_| !member.is_heard);
            let since = silent.map_or_else(String::new, |ms| {
                format!(", not heard for {}", span(Duration::from_millis(ms)))
            });
            Some(output.wrapped(&format!("{}: {why}{since}", member.id), "    "))
        };
        self.facts.members.iter().zip(&self.asked.members).filter_map(reason).collect()
    }

    fn table(&self, output: &Output) -> String {
        let mut columns = vec![name("NODE"), name("NAME"), name("ZONE"), left("STATE"), left("ROLE")];
        columns.extend([name("ADDRESS"), right("SHARDS"), right("DATA"), right("FREE"), right("HINTS")]);
        columns.push(left("VERSION"));
        let members = &self.facts.members;
        let known: BTreeSet<&String> = members.iter().filter_map(|member| member.version.as_ref()).collect();
        let names = members.iter().any(|member| member.name != member.id);
        let versions = output.wide || known.len() > 1;
        let shown = |column: usize| match column {
            1 => names,
            10 => versions,
            _ => true,
        };
        let kept = |cells: Vec<Word>| -> Vec<Word> {
            cells.into_iter().enumerate().filter(|(column, _)| shown(*column)).map(|(_, cell)| cell).collect()
        };
        let rows: Vec<Vec<Word>> =
            members.iter().zip(&self.asked.members).map(|(member, asked)| kept(row(member, asked))).collect();
        let columns: Vec<_> =
            columns.into_iter().enumerate().filter(|(at, _)| shown(*at)).map(|(_, column)| column).collect();
        output.table(&columns, &rows)
    }
}

/// A member's row.
fn row(member: &Member, asked: &Said) -> Vec<Word> {
    let node = &asked.node.read;
    let role = if node.leader {
        "leader"
    } else if node.voter {
        "voter"
    } else {
        "learner"
    };
    let or_dash = |text: Option<String>| Word::from(text.unwrap_or_else(|| "-".to_owned()));
    vec![
        member.id.as_str().into(),
        member.name.as_str().into(),
        printable(&node.zone).into(),
        state(member),
        role.into(),
        member.address.as_str().into(),
        count(node.shards).into(),
        or_dash(node.bytes.map(bytes)),
        or_dash(member.free_bytes.map(bytes)),
        count(member.hints).into(),
        or_dash(member.version.clone()),
    ]
}

/// One word for a member.
fn state(member: &Member) -> Word {
    let (is_ready, heard) = (member.answer == Answer::Ready, member.is_heard);
    match (member.stays, &member.answer) {
        (Stays::Banned, _) => return Word::toned(Tone::Bad, "banned"),
        (Stays::Leaving, _) if is_ready && heard => return "leaving".into(),
        (Stays::Joining, _) if is_ready && heard => return "joining".into(),
        (Stays::Drained, Answer::Ready | Answer::NotReady { .. }) if heard && member.is_well() => {
            return "drained".into();
        }
        (Stays::Yes | Stays::Joining | Stays::Drained | Stays::Leaving, _) => {}
    }
    match &member.answer {
        Answer::Ready if member.is_heard => Word::toned(Tone::Good, "ready"),
        Answer::Ready => Word::toned(Tone::Bad, "unheard"),
        Answer::Silent(_) if member.is_heard => Word::toned(Tone::Bad, "silent"),
        Answer::Silent(_) => Word::toned(Tone::Bad, "down"),
        Answer::NotReady { .. } if member.doubt.is_some() => Word::toned(Tone::Bad, "doubtful"),
        Answer::NotReady { .. } if member.healing.is_some() => Word::toned(Tone::Bad, "filling"),
        Answer::NotReady { .. } if member.disk_full => Word::toned(Tone::Bad, "disk full"),
        Answer::NotReady { code, .. } if code == "starting" || code == "draining" => {
            Word::toned(Tone::Bad, code.as_str())
        }
        Answer::NotReady { .. } => Word::toned(Tone::Bad, "not ready"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_drawn_over_the_last_one() {
        assert_eq!(redrawn("a\nb", false), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert!(redrawn("a", true).starts_with("\x1b[2J"), "what was there before goes once");
    }
}
