//! Fuzzes `holdfast_vault::fuzzing::tree`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_vault::fuzzing::tree(data));
