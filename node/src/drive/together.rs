//! Many operations in one task: what they send to one node at one time goes in one message.
//!
//! All of them are polled again whenever one of them has something new: replies come together, as the requests went.

use super::Driver;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Work that has not ended.
type Open<F> = Pin<Box<F>>;

impl Driver {
    /// Runs these side by side, `most` at a time, and gives back what each came to, in their order; `None`: it panicked.
    /// Where the returned future is dropped, what has not begun never does.
    pub async fn together<F: Future>(
        &self,
        work: impl Iterator<Item = F>,
        most: usize,
    ) -> Vec<Option<F::Output>> {
        let mut waiting = work.enumerate();
        let mut open: Vec<(usize, Open<F>)> = Vec::new();
        let mut results: Vec<Option<F::Output>> = Vec::new();
        poll_fn(|cx| {
            self.transport.gather(&mut || {
                open.retain_mut(|(at, future)| match poll(future, cx) {
                    Poll::Pending => true,
                    Poll::Ready(result) => {
                        results[*at] = result;
                        false
                    }
                });
                while open.len() < most.max(1) {
                    let Some((at, future)) = waiting.next() else { break };
                    results.push(None);
                    let mut future = Box::pin(future);
                    match poll(&mut future, cx) {
                        Poll::Pending => open.push((at, future)),
                        Poll::Ready(result) => results[at] = result,
                    }
                }
            });
            if open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        results
    }
}

/// Polls it; ready without a result, if it panics.
fn poll<F: Future>(future: &mut Open<F>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(result) => result.map(Some),
        Err(_) => Poll::Ready(None),
    }
}
