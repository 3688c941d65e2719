//! The command `rekeylab`.

/// Freed blocks are looked into while the driver is at work; see the invariant `key-residue`.
#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

fn main() -> std::process::ExitCode {
    // So that what a driver in C or C++ allocates is looked into as well.
    keysan_c_heap::export();
    // So that a driver with counters can say where they are.
    rekeylab_abi::export_coverage();
    // So that the random numbers of a driver can be the same in every run.
    #[cfg(target_os = "linux")]
    rekeylab_abi::export_randomness();
    rekeylab::cli::main()
}
