//! Fuzzes `holdfast_vault::fuzzing::sealed_key`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_vault::fuzzing::sealed_key(data));
