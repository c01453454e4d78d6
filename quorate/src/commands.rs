//! The commands that run nodes in this process, or need none: `serve`, `dev`, `config`.

pub mod config;
pub mod dev;
pub mod serve;
