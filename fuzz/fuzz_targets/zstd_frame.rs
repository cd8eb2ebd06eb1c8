//! Fuzzes `holdfast_vault::fuzzing::zstd_frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdfast_vault::fuzzing::zstd_frame(data));
