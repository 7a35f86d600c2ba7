#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidings::fuzz::http_query(bytes));
