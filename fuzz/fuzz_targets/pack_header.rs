//! Fuzzes `holdfast_vault::fuzzing::pack_header`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_vault::fuzzing::pack_header(data));
