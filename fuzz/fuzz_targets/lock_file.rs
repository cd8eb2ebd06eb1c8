//! Fuzzes `holdfast_vault::fuzzing::lock_file`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_vault::fuzzing::lock_file(data));
