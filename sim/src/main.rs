//! The command line; see [`tidings_sim::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    tidings_sim::cli::main()
}
