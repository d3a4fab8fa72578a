#![no_main]

use auralync_fuzz::bodies::player::BODY;

libfuzzer_sys::fuzz_target!(|data: &[u8]| auralync_fuzz::run(&BODY, data));
