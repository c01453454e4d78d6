//! The `quorate` binary: everything it does is in the library; what concerns the whole process is here.

use std::process::ExitCode;

/// RocksDB on glibc's allocator grows for days; this one serves both its C++ and our Rust.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    quorate_client::install_crypto_provider();
    quorate::program::main()
}
