//! Fuzzes `holdfast_vault::fuzzing::vault_file`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_vault::fuzzing::vault_file(data));
