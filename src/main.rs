//! Reads the arguments, calls the command line, returns its exit code.

fn main() -> std::process::ExitCode {
    fyke::cli::main()
}
