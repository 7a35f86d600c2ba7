#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidings_core::fuzz::stream(bytes));
