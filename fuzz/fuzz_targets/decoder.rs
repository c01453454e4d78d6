//! One decoder of the table in `quorate::decoders`, chosen by its name in `DECODER`, under libFuzzer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate::decoders::{Decoder, all};
use std::sync::LazyLock;

static CHOSEN: LazyLock<&'static Decoder> = LazyLock::new(|| {
    let name = std::env::var("DECODER").expect("DECODER names one decoder, such as record");
    all().find(|decoder| decoder.name == name).unwrap_or_else(|| {
        let names: Vec<&str> = all().map(|decoder| decoder.name).collect();
        panic!("there is no decoder {name}; there are {}", names.join(", "))
    })
});

fuzz_target!(|bytes: &[u8]| {
    let _taken = (CHOSEN.takes)(bytes);
});
