//! Reads the arguments, calls the command line, returns its exit code.

/// A script that eats all memory ends its run, with everything lifted, and not the process without a word.
#[global_allocator]
static ALLOCATOR: fyke::kernel::process::Capped = fyke::kernel::process::Capped;

fn main() -> std::process::ExitCode {
    fyke::cli::main()
}
