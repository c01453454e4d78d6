//! The commands that run nodes in this process, or need none: `serve`, `dev`, `config`, `clone`.

pub mod clone;
pub mod config;
pub mod dev;
pub mod serve;
