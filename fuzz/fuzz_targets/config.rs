//! Fuzzes `holdfast_vault::fuzzing::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_vault::fuzzing::config(data));
