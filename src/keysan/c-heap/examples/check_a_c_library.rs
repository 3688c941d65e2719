//! Checks a library in C over its header with keysan: it has two leaks, and both are found.
//!
//! `cargo run -p keysan-c-heap --example check_a_c_library` compiles `toy.c` with the system's compiler, loads it, and
//! prints the findings; it fails if one of the two is missing. For a library of your own, replace `toy.h` by its header,
//! the four types by its functions, and the calls.
#![expect(clippy::print_stdout, reason = "an example tells its reader what it found")]
#![allow(unsafe_code, reason = "functions of C, whose promises the header makes")]

fn main() -> std::process::ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    return checked::main();
    #[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
    {
        println!("not looked into: the memory of libraries in C, on this system");
        std::process::ExitCode::SUCCESS
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod checked {
    use std::error::Error;
    use std::ffi::{CString, c_void};
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitCode};
    use std::{env, fs, process, ptr};

    use keysan::Keysan;
    use keysan::heap::ScanningAllocator;

    // Blocks of Rust and, by `keysan_c_heap::export` below, those of C come from keysan's memory during calls.
    #[global_allocator]
    static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

    // What the header says, in Rust.
    type Start = unsafe extern "C" fn(*const u8) -> *mut c_void;
    type Encrypt = unsafe extern "C" fn(*mut c_void, *mut u8, usize);
    type Stop = unsafe extern "C" fn(*mut c_void);

    /// The library's functions.
    struct Toy {
        start: Start,
        encrypt: Encrypt,
        stop: Stop,
    }

    pub(super) fn main() -> ExitCode {
        let folder = env::temp_dir().join(format!("check_a_c_library-{}", process::id()));
        let checked = check(&folder);
        let _ = fs::remove_dir_all(folder);
        match checked {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                println!("error: {error}");
                ExitCode::from(2)
            }
        }
    }

    fn check(folder: &Path) -> Result<bool, Box<dyn Error>> {
        // The program exports `malloc` and its family, so that the library's calls of them come here.
        keysan_c_heap::export();
        let toy = Toy::load(folder)?;
        let mut keysan = Keysan::open()?;
        // Any function of the library tells which one is meant.
        keysan.watch_library((toy.start as *const c_void).cast())?;
        for spot in keysan.blind_spots() {
            println!("not looked into: {spot}");
        }
        let bytes = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
        let key = keysan.register("session key", &bytes)?;
        let mut payload = *b"thirty-two bytes of nothing much";

        // SAFETY, for the three calls: as the header wants it. The key has 16 bytes, the session is one that was
        // started and is stopped once.
        let session = keysan.call("toy_start", || {
            // SAFETY: see above.
            unsafe { (toy.start)(bytes.as_ptr()) }
        });
        if session.is_null() {
            return Err("toy_start: no memory".into());
        }
        // While the session lives, the key belongs into its first field.
        keysan.allow(key, session.cast())?;
        keysan.scan("after toy_start");
        // SAFETY: see above.
        keysan.call("toy_encrypt", || unsafe {
            (toy.encrypt)(session, payload.as_mut_ptr(), payload.len());
        });
        keysan.look_at_output("ciphertext", &payload);
        // SAFETY: see above.
        keysan.call("toy_stop", || unsafe { (toy.stop)(session) });
        keysan.retire(key, "the session is over");
        keysan.scan("after toy_stop");

        let findings = keysan.findings()?;
        for finding in findings {
            println!("{finding}");
        }
        let is_found = |part: &str| findings.iter().any(|it| it.to_string().contains(part));
        Ok(is_found("toy_last_key") && is_found("freed in call 3 (toy_stop)"))
    }

    impl Toy {
        /// Compiles the library into this folder, and loads it.
        fn load(folder: &Path) -> Result<Toy, Box<dyn Error>> {
            let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
            fs::create_dir_all(folder)?;
            let library = folder.join("libtoy.so");
            let mut compiler = Command::new(env::var_os("CC").unwrap_or("cc".into()));
            compiler.args(["-shared", "-fPIC", "-O2", "-g", "-o"]).arg(&library);
            let status = compiler.arg(examples.join("toy.c")).status();
            let status = status.map_err(|error| format!("cannot run a C compiler: {error}"))?;
            if !status.success() {
                return Err("the C compiler failed".into());
            }
            let path = CString::new(library.to_string_lossy().into_owned())?;
            // SAFETY: a string that ends with a zero byte.
            let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
            if handle.is_null() {
                return Err("the library cannot be loaded".into());
            }
            let find = |name: &str| -> Result<*mut c_void, Box<dyn Error>> {
                let c_name = CString::new(name)?;
                // SAFETY: a library that is loaded and stays so, and a string that ends with a zero byte.
                let function = unsafe { libc::dlsym(handle, c_name.as_ptr()) };
                if ptr::eq(function, ptr::null()) {
                    return Err(format!("the library has no {name}").into());
                }
                Ok(function)
            };
            // SAFETY: the header says that these are their types.
            let toy = unsafe {
                Toy {
                    start: std::mem::transmute::<*mut c_void, Start>(find("toy_start")?),
                    encrypt: std::mem::transmute::<*mut c_void, Encrypt>(find("toy_encrypt")?),
                    stop: std::mem::transmute::<*mut c_void, Stop>(find("toy_stop")?),
                }
            };
            Ok(toy)
        }
    }
}
