//! Reads the arguments, calls the command line, returns its exit code.

/// A script that eats all memory ends its run, with everything lifted, and not the process without a word.
#[global_allocator]
static ALLOCATOR: fyke::cli::Capped = fyke::cli::Capped;

fn main() -> std::process::ExitCode {
    fyke::cli::main()
}
