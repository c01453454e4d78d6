//! One request, and what carries it.

/// What one request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The value of a key.
    Read {
        /// Its number.
        key: u64,
    },
    /// A new value for a key.
    Write {
        /// Its number.
        key: u64,
    },
}

/// What a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The value, or that a new one is stored.
    Done,
    /// There is no such key.
    Absent,
}

/// One connection to what is measured.
pub trait Connection: Send + 'static {
    /// Does one request and waits for its answer; an error is its cause, in few words that are alike for like causes. The next
    /// call comes in any case: one that has lost its connection makes another.
    fn call(&mut self, request: Request) -> impl Future<Output = Result<Answer, String>> + Send;
}
