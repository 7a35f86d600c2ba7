//! The program `tidings`.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let env = |name: &str| std::env::var(name).ok();
    ExitCode::from(tidings::cli::run(&args, &env, &mut io::stdout(), &mut io::stderr()))
}
