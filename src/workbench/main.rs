//! The command `rekeylab`.

/// Freed blocks are looked into while the driver is at work; see the invariant `key-residue`.
#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

fn main() -> std::process::ExitCode {
    rekeylab::cli::main()
}
