//! A library in C that keeps a key where C does and Rust does not: in a thread-local that is made when it is used, and
//! below a large frame that nothing has touched.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "the functions of C cannot be called without it")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::ffi::{CString, c_void};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, process};

use keysan::Keysan;
use keysan::heap::ScanningAllocator;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

const KEY: [u8; 32] = *b"\x3a\xc5\x91\x0e\x77\xd2\x48\xbf\x06\xe9\x5c\x83\x1d\xf4\xa0\x6b\
\xb7\x24\x6e\x99\x0a\xf1\x3c\xd5\x88\x41\xe2\x7d\x50\x13\xac\xfb";

const SOURCE: &str = r#"
#include <string.h>
static __thread unsigned char kept[32];
void *kept_at(void) { return kept; }
void keep(const unsigned char *key) { memcpy(kept, key, sizeof kept); }
void forget(void) { memset(kept, 0, sizeof kept); }
__attribute__((noinline)) static void leaf(const unsigned char *key) {
    volatile unsigned char copy[32];
    for (int i = 0; i < 32; i++) copy[i] = key[i];
}
__attribute__((noinline)) void leaves_it_far_below(const unsigned char *key) {
    volatile char untouched[48 << 10];
    leaf(key);
    untouched[sizeof untouched - 1] = 0;
}
__attribute__((noinline)) void goes_further_down(const unsigned char *key) {
    volatile char untouched[64 << 10];
    leaf((const unsigned char *)"thirty-two bytes of nothing much");
    untouched[sizeof untouched - 1] = 0;
}
"#;

type TakesKey = unsafe extern "C" fn(*const u8);

struct Library {
    handle: *mut c_void,
    folder: PathBuf,
}

impl Library {
    /// Compiles it in a folder of its own.
    fn load(name: &str) -> Library {
        let folder = env::temp_dir().join(format!("keysan-{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (source, library) = (folder.join("kept.c"), folder.join("libkept.so"));
        fs::write(&source, SOURCE).unwrap();
        let mut compiler = Command::new(env::var_os("CC").unwrap_or("cc".into()));
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]);
        assert!(compiler.status().unwrap().success());
        let path = CString::new(library.to_str().unwrap()).unwrap();
        // SAFETY: a string that ends with a zero byte.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null());
        Library { handle, folder }
    }

    fn find(&self, name: &str) -> *mut c_void {
        let name = CString::new(name).unwrap();
        // SAFETY: a library that is loaded and stays so, and a string that ends with a zero byte.
        let function = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        assert!(!function.is_null());
        function
    }

    fn function(&self, name: &str) -> TakesKey {
        // SAFETY: the functions take this, or nothing at all.
        unsafe { std::mem::transmute::<*mut c_void, TakesKey>(self.find(name)) }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_thread_local_is_a_home_like_any_other_and_no_block_of_the_first_call() {
    keysan_c_heap::export();
    let library = Library::load("thread-local");
    let (keep, forget) = (library.function("keep"), library.function("forget"));
    let mut keysan = Keysan::open().unwrap();
    let regions = keysan.watch_library(library.find("keep").cast_const().cast()).unwrap();
    assert!(regions > 0);
    for _ in 0..3 {
        keysan.clear();
        let key = keysan.register("key", &KEY).unwrap();
        // SAFETY: as the source above says.
        keysan.call("keep", || unsafe { keep(KEY.as_ptr()) });
        let kept_at = library.find("kept_at");
        // SAFETY: as above; it answers where the thread-local is.
        let home = unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const u8>(kept_at)()
        };
        keysan.allow(key, home).unwrap();
        keysan.scan("while it is kept");
        // What memcpy leaves in registers is another question.
        let told = |keysan: &Keysan| -> Vec<String> {
            let findings = keysan.findings().unwrap().iter().map(ToString::to_string);
            findings.filter(|it| !it.contains("in register")).collect()
        };
        assert_eq!(told(&keysan), [""; 0]);
        keysan.retire(key, "the end");
        keysan.scan("at the end");
        let [one] = &told(&keysan)[..] else { panic!("{:?}", told(&keysan)) };
        assert!(one.contains("of the static kept"), "{one}");
        // SAFETY: as above; it takes nothing.
        keysan.call("forget", || unsafe { forget(KEY.as_ptr()) });
    }
    keysan.clear();
    keysan.assert_clean();
}

#[test]
fn what_stands_below_a_frame_that_nothing_has_touched_is_seen_and_the_next_sequence_not_blamed() {
    let library = Library::load("frame");
    let leaves = library.function("leaves_it_far_below");
    let mut keysan = Keysan::open().unwrap();
    let leave = || {
        // SAFETY: as the source above says.
        unsafe { leaves(KEY.as_ptr()) };
    };
    keysan.register("key", &KEY).unwrap();
    keysan.call("leave", leave);
    keysan.scan("at the end");
    let found =
        keysan.findings().unwrap().iter().filter(|it| it.to_string().contains("on the dead stack"));
    assert!(found.count() > 0);

    keysan.clear();
    keysan.call("leave", leave);
    keysan.clear();
    keysan.register("key", &KEY).unwrap();
    let goes_further_down = library.function("goes_further_down");
    // SAFETY: as the source above says.
    keysan.call("go further down", || unsafe { goes_further_down(KEY.as_ptr()) });
    keysan.scan("at the end");
    keysan.assert_clean();
}
