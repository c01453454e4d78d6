//! What is wrong with a cluster, the worst first: what happened, what it means for reads and writes, what to do.
//!
//! ```text
//!   documents of /v1/cluster and of every member ──> Facts ──> diagnose ──> Problems ──> the screen, --check, JSON
//! ```
//!
//! This module asks no node and prints nothing. It claims only what the facts say: a node that is asked sees its peers
//! through its own connections, and this machine sees the members through other ones, so both are told apart.

mod losses;
mod notes;

use super::facts::{Answer, Facts, Job, Member, Refusing, Stays};
use crate::quantity::{bytes, count, counted, listed};

/// A disk with less than this many times the space at which writes stop is nearly full.
const NEARLY_FULL_TIMES: u64 = 8;

/// How much a problem matters. The order is that of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Requests are refused.
    Broken,
    /// Nothing is refused, but one more failure may change that, or an operator has to decide.
    Degraded,
    /// All is well, and will not stay so by itself.
    Warning,
    /// Good to know.
    Note,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// What happened, and what that means.
    pub what: String,
    /// What to do about it.
    pub then: String,
}

impl Severity {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Broken => "broken",
            Severity::Degraded => "degraded",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }

    /// Whether a cluster with such a problem is unhealthy.
    pub fn is_unhealthy(self) -> bool {
        match self {
            Severity::Broken | Severity::Degraded => true,
            Severity::Warning | Severity::Note => false,
        }
    }
}

impl Problem {
    fn new(severity: Severity, what: String, then: impl Into<String>) -> Self {
        Self { severity, what, then: then.into() }
    }

    /// The whole sentence.
    pub fn sentence(&self) -> String {
        format!("{}; {}", self.what, self.then)
    }
}

/// All problems, the worst first; none: all is well.
pub fn diagnose(facts: &Facts) -> Vec<Problem> {
    if facts.members.is_empty() {
        let what = "the node that was asked does not know its cluster yet".to_owned();
        let then = "wait a moment; if it stays so, its log says what it waits for";
        return vec![Problem::new(Severity::Broken, what, then)];
    }
    let mut problems = Vec::new();
    let is_cut_off = facts.is_asked_cut_off();
    if is_cut_off {
        problems.push(facts.cut_off());
    } else {
        let short = facts.too_few_owners();
        let doubtful = facts.members.iter().filter_map(Member::doubtful);
        // Where shards lack owners, those that are doubtful are named with what to do.
        problems.extend(doubtful.filter(|_| short.is_none()));
        problems.extend(facts.members.iter().filter(|_| short.is_none()).filter_map(Member::filling));
        problems.extend(short);
        problems.extend(facts.full_disks());
        problems.extend(facts.catalog());
        problems.extend(facts.down());
        problems.extend(facts.unheard().filter(|_| facts.is_serving()).map(|member| facts.cut(member)));
    }
    problems.extend(facts.members.iter().filter_map(|member| facts.not_ready(member, is_cut_off)));
    problems.extend(facts.members.iter().filter_map(|member| facts.nearly_full(member)));
    problems.extend(facts.members.iter().filter_map(Member::overflow));
    problems.extend(facts.members.iter().filter_map(|member| facts.misleading(member)));
    problems.extend(facts.versions());
    problems.extend(facts.catching_up());
    problems.extend(facts.accepted_losses());
    problems.extend(facts.recoveries());
    let note = |job: &Job| Problem::new(Severity::Note, job.says.clone(), job.then.as_str());
    problems.extend(facts.jobs.iter().map(note));
    problems.extend(facts.purge_held_back());
    problems.extend(facts.joining());
    problems.extend(facts.leaving());
    problems.extend(facts.leftover());
    problems.extend(facts.members.iter().filter_map(Member::drained));
    if let (false, Some(complaint)) = (problems.iter().any(|p| p.severity.is_unhealthy()), &facts.complaint) {
        // A newer node knows of troubles that this program does not.
        let then = "see `quorate cluster nodes --wide`";
        problems.push(Problem::new(Severity::Degraded, complaint.clone(), then));
    }
    problems.sort_by_key(|problem| problem.severity);
    problems
}

/// The first line where there is no problem.
pub fn all_well(facts: &Facts) -> String {
    let is_aside = |member: &&Member| matches!(member.stays, Stays::Drained | Stays::Banned);
    let aside = facts.members.iter().filter(is_aside).count();
    let nodes = match (facts.members.len(), aside) {
        (1, 0) => "the one node is ready".to_owned(),
        (nodes, 0) => format!("all {nodes} nodes are ready"),
        (nodes, aside) if nodes == aside + 1 => "the one other node is ready".to_owned(),
        (nodes, aside) => format!("all {} other nodes are ready", nodes - aside),
    };
    if facts.shards == 0 {
        return format!("{nodes}; there is no table yet: `quorate table create NAME` makes one");
    }
    format!("{nodes}, and every shard has a quorum")
}

/// `n3 is`, `n2 and n3 are`.
fn are(names: &[String]) -> String {
    format!("{} {}", listed(names), if names.len() == 1 { "is" } else { "are" })
}

impl Facts {
    fn ids(&self, which: impl Fn(&Member) -> bool) -> Vec<String> {
        self.members.iter().filter(|member| which(member)).map(|member| member.id.clone()).collect()
    }

    /// Members that neither the node that was asked nor this machine hears. A banned one is not to be heard.
    fn gone(&self) -> Vec<String> {
        self.ids(|member| {
            !member.is_heard && member.stays != Stays::Banned && matches!(member.answer, Answer::Silent(_))
        })
    }

    /// Members that this machine hears, and the node that was asked does not.
    fn unheard(&self) -> impl Iterator<Item = &Member> {
        let is_silent = |member: &Member| matches!(member.answer, Answer::Silent(_));
        let is_kept_out = |member: &Member| member.stays == Stays::Banned;
        self.members.iter().filter(move |it| !it.is_heard && !is_silent(it) && !is_kept_out(it))
    }

    /// Whether no request is refused for want of owners.
    fn is_serving(&self) -> bool {
        self.refusing == Refusing::default()
    }

    /// Whether the node that was asked hears no other, while others say that they can serve.
    fn is_asked_cut_off(&self) -> bool {
        let others = || self.members.iter().filter(|member| member.id != self.asked);
        others().all(|member| !member.is_heard) && others().any(|member| member.answer == Answer::Ready)
    }

    fn cut_off(&self) -> Problem {
        let asked = &self.asked;
        let ready: Vec<&Member> = self.members.iter().filter(|m| m.answer == Answer::Ready).collect();
        let names: Vec<String> = ready.iter().map(|member| member.id.clone()).collect();
        let elsewhere = ready.first().map_or_else(String::new, |member| member.address.clone());
        let what = format!(
            "{asked}, which was asked, is cut off from its peers and refuses requests; {} ready",
            are(&names)
        );
        Problem::new(
            Severity::Broken,
            what,
            format!("check the peer network of {asked}; until then --endpoint {elsewhere}"),
        )
    }

    /// What happens to requests, as the end of a sentence.
    fn impact(&self) -> String {
        let of = |short: u64| {
            if short == self.shards {
                format!("all {} shards refuse", count(self.shards))
            } else {
                format!("{} of {} shards refuse", count(short), count(self.shards))
            }
        };
        match (self.refusing.reads, self.refusing.writes) {
            (0, 0) => "reads and writes go on".to_owned(),
            (reads, writes) if reads == writes => format!("{} reads and writes", of(reads)),
            (0, writes) => format!("{} writes, reads go on", of(writes)),
            (reads, 0) => format!("{} reads, writes go on", of(reads)),
            (reads, writes) => format!("{} reads, {} refuse writes", of(reads), count(writes)),
        }
    }

    /// Shards that refuse requests, and the nodes because of which they do.
    fn too_few_owners(&self) -> Option<Problem> {
        if self.is_serving() {
            return None;
        }
        let impact = self.impact();
        let gone = self.gone();
        let mut causes = Vec::new();
        let mut ways = Vec::new();
        if !gone.is_empty() {
            causes.push(format!("{} down", are(&gone)));
            ways.push(self.start(&gone));
        }
        for member in self.unheard() {
            if member.is_returning {
                causes.push(format!("{} is back, and not steady yet", member.id));
                ways.push("wait some seconds".to_owned());
                continue;
            }
            causes.push(format!("{} runs but is not heard", member.id));
            ways.push(self.reconnect(member));
        }
        for member in self.members.iter().filter(|member| member.is_heard) {
            match (&member.doubt, &member.healing) {
                (Some(cause), _) => {
                    causes.push(format!("{} is doubtful ({cause})", member.id));
                    ways.push(member.way_out(cause));
                }
                (None, Some(healing)) => {
                    causes.push(format!("{} fills itself ({})", member.id, healing.progress()));
                    ways.push(member.patience(healing));
                }
                (None, None) => {}
            }
        }
        let cause = if causes.is_empty() { "too few owners are up".to_owned() } else { causes.join(", ") };
        let then = if ways.is_empty() { "see `quorate cluster nodes`".to_owned() } else { ways.join(", ") };
        Some(Problem::new(Severity::Broken, format!("{cause}: {impact}"), then))
    }

    /// How nodes that are down come back.
    fn start(&self, down: &[String]) -> String {
        let again = format!("start {} again", listed(down));
        match (self.is_dev, down) {
            (true, [first, ..]) => format!("{again}: `quorate dev start {first}`"),
            (true | false, _) => again,
        }
    }

    /// How a node that runs is heard again.
    fn reconnect(&self, member: &Member) -> String {
        if self.is_dev {
            format!("`quorate dev heal {}` ends a `dev cut`", member.id)
        } else {
            format!("check the network to the peer address {}", member.peer_address)
        }
    }

    /// Members that are down, where every shard still has what it needs.
    fn down(&self) -> Option<Problem> {
        let gone = self.gone();
        if gone.is_empty() || !self.is_serving() {
            return None;
        }
        let what = format!("{} down: reads and writes go on, every shard has a quorum", are(&gone));
        Some(Problem::new(Severity::Degraded, what, self.start(&gone)))
    }

    /// The same of a member that runs.
    fn cut(&self, member: &Member) -> Problem {
        let (id, asked, impact) = (&member.id, &self.asked, "reads and writes go on through the others");
        if member.is_returning {
            let what = format!("{id} is back, and {asked} counts on it once it is steady: {impact}");
            return Problem::new(Severity::Degraded, what, "nothing to do, unless it lasts");
        }
        let what = format!("{id} runs, but {asked} does not hear it: {impact}");
        Problem::new(Severity::Degraded, what, self.reconnect(member))
    }

    fn full_disks(&self) -> Option<Problem> {
        let full = self.ids(|member| member.disk_full);
        if full.is_empty() {
            return None;
        }
        let out = self.ids(|member| member.disk_full || !member.is_heard || member.doubt.is_some());
        let (severity, others) = if out.len() > 1 {
            (Severity::Broken, "writes fail where too few owners have space")
        } else {
            (Severity::Degraded, "the others take them")
        };
        let (disks, refuse) = if full.len() == 1 {
            (format!("the disk of {} is full", full[0]), "it refuses writes")
        } else {
            (format!("the disks of {} are full", listed(&full)), "they refuse writes")
        };
        let what = format!("{disks}: {refuse}, {others}; reads go on");
        Some(Problem::new(severity, what, "free some space there"))
    }

    fn catalog(&self) -> Option<Problem> {
        let voters: Vec<&Member> = self.members.iter().filter(|member| member.is_voter).collect();
        let up = voters.iter().filter(|voter| voter.is_heard && voter.doubt.is_none()).count();
        let frozen = "tables can't be made or changed, keys do not need it";
        if !voters.is_empty() && up <= voters.len() / 2 {
            let down = self.ids(|m| m.is_voter && (!m.is_heard || m.doubt.is_some()));
            let what = format!("the catalog has {up} of {} voters and no majority: {frozen}", voters.len());
            let then = format!("bring back {}", listed(&down));
            return Some(Problem::new(Severity::Degraded, what, then));
        }
        if self.leader.is_none() {
            let what = format!("the catalog has no leader: {frozen}");
            let then = "one is elected within seconds; if not, the logs of the voters say why";
            return Some(Problem::new(Severity::Degraded, what, then));
        }
        None
    }

    /// A member that says it is not ready, or that this machine cannot ask although its peers hear it.
    fn not_ready(&self, member: &Member, is_cut_off: bool) -> Option<Problem> {
        let id = &member.id;
        match &member.answer {
            Answer::Ready => None,
            // As its operator wants it, and said as a note.
            Answer::NotReady { .. } if member.stays == Stays::Drained && member.is_well() => None,
            Answer::Silent(_) if !member.is_heard => None,
            Answer::Silent(cause) => {
                let what = format!(
                    "{id} does not answer here at {} ({cause}), but {} hears it: reads and writes go on",
                    member.address, self.asked
                );
                Some(Problem::new(
                    Severity::Degraded,
                    what,
                    "check its --advertise and the network from here",
                ))
            }
            Answer::NotReady { code, why } => {
                let others = "the others serve meanwhile";
                let (what, then) = match code.as_str() {
                    "draining" => (format!("{id} is about to stop; {others}"), "nothing to do"),
                    "starting" => {
                        (format!("{id} is starting; {others}"), "wait a moment; if it stays so, see its log")
                    }
                    // Said already, with what to do.
                    "replica-doubtful" if member.doubt.is_some() => return None,
                    "unavailable" if member.healing.is_some() => return None,
                    _ if member.disk_full || is_cut_off || !member.is_heard => return None,
                    // Its shards lack owners, as those of the others do.
                    "unavailable" if !self.at_risk.is_empty() => return None,
                    _ => (format!("{id} is not ready: {why}"), "see its log"),
                };
                Some(Problem::new(Severity::Degraded, what, then))
            }
        }
    }

    fn nearly_full(&self, member: &Member) -> Option<Problem> {
        let (free, least) = (member.free_bytes?, self.free_bytes_min?);
        if member.disk_full || free >= least.saturating_mul(NEARLY_FULL_TIMES) {
            return None;
        }
        let what = format!(
            "the disk of {} is nearly full: {} free, it refuses writes at {}",
            member.id,
            bytes(free),
            bytes(least)
        );
        Some(Problem::new(Severity::Warning, what, "free some space there"))
    }

    /// Hints that wait for members that are up: they are on their way.
    /// What is true for as long as those tables are there, and hidden by nothing that is well.
    fn accepted_losses(&self) -> impl Iterator<Item = Problem> {
        let then = "copy what is there into a new table, and drop the old one, if you need more than that";
        self.accepted_losses.iter().map(move |loss| Problem::new(Severity::Note, loss.clone(), then))
    }

    /// What an operator decided for good: what only those members had is lost.
    fn recoveries(&self) -> impl Iterator<Item = Problem> {
        let then = "if one of them returns, it ends: keep its folder as long as writes may be missed";
        self.recoveries.iter().map(move |known| Problem::new(Severity::Note, known.clone(), then))
    }

    fn catching_up(&self) -> Option<Problem> {
        let behind: Vec<&Member> =
            self.members.iter().filter(|member| member.is_heard && member.hints > 0).collect();
        if behind.is_empty() {
            return None;
        }
        let hints: u64 = behind.iter().map(|member| member.hints).sum();
        let ids: Vec<String> = behind.iter().map(|member| member.id.clone()).collect();
        let what = format!("{} on the way to {}", counted(hints, "hint"), listed(&ids));
        Some(Problem::new(Severity::Note, what, "nothing to do"))
    }
}

#[cfg(test)]
mod tests;
