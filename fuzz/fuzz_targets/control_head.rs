//! Fuzzes `holdfast_vault::fuzzing::control_head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_vault::fuzzing::control_head(data));
