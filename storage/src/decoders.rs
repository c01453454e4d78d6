//! The decoders of this crate that no other crate calls, for the test of every decoder of outside bytes: each says
//! whether it takes some bytes, and panics if it can't write and read again what it took.

pub use crate::boots::takes as boots;
pub use crate::raft_store::takes as consensus_value;
pub use crate::replica::hints::takes as refused_hints;
pub use crate::replica::recollection::takes as remembered;
pub use crate::rocks::manifest::takes as manifest_mark;
pub use crate::rocks::watermark::takes as watermark;
pub use crate::run_note::takes as life;
