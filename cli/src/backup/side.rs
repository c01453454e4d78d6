//! Jobs side by side, a few at a time, until Ctrl-C.

use crate::exit::{Exit, Failure};
use tokio::task::JoinSet;

/// Does all jobs, `parallel` at a time, and hands what each came to to `each`, as they end. The first error ends it:
/// what is at work is dropped.
pub async fn by_side<J, T, F>(
    jobs: Vec<J>,
    parallel: u32,
    work: impl Fn(J) -> F,
    mut each: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let mut jobs = jobs.into_iter();
    let mut running: JoinSet<Result<T, Failure>> = JoinSet::new();
    for job in jobs.by_ref().take(parallel.max(1) as usize) {
        running.spawn(work(job));
    }
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let done = tokio::select! {
            biased;
            _ = &mut interrupted => return Err(Failure::new(Exit::Interrupted, "stopped before it was done")),
            done = running.join_next() => done,
        };
        let Some(done) = done else { return Ok(()) };
        let Ok(done) = done else { panic!("a job panicked") };
        each(done?)?;
        if let Some(job) = jobs.next() {
            running.spawn(work(job));
        }
    }
}
