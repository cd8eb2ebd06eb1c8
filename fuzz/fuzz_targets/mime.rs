//! Fuzzes `holdfast_vault::fuzzing::mime`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_vault::fuzzing::mime(data));
