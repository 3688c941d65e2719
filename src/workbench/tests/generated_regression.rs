//! A bug that must not come back, double-finish: finish answered ok on a session that had never started a refresh.

use keysan::heap::ScanningAllocator;
use rekeylab::Workbench;
use rekeylab::executor::AnyDut;
use rekeylab::sequence::SequenceText;
use rekeylab::watchdog::{TIME_LIMIT, attempt, set_time_limit};

/// Looks into memory that the driver frees; without it, a key that is left there is not seen.
#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// The driver that it must hold for.
fn driver() -> AnyDut {
    AnyDut::default()
}

/// The shortest sequence that showed it.
const SEQUENCE: &str = r#"# rekeylab sequence 1
# double-finish: finish answered ok on a session that had never started a refresh
# expected: D3DDDIERR_INVALIDCALL
d0 = create-device                      -> ok
s0 = create-session d0                  -> ok
exchange-key s0 key=7                   -> ok
finish-refresh s0                       -> D3DDDIERR_INVALIDCALL
"#;

#[test]
fn double_finish_finish_refresh_answered_ok_while_keyed() {
    let sequence = SequenceText::parse(SEQUENCE).expect("it was written by rekeylab").sequence();
    // A call that never returns fails the test, too.
    set_time_limit(TIME_LIMIT);
    let broken = attempt(move || {
        let mut workbench = Workbench::on(driver());
        let verdict = workbench.run(&sequence);
        let told = verdict.violations.iter();
        told.map(|it| format!("{}: {}", it.invariant, it.happened)).collect::<Vec<_>>()
    });
    assert_eq!(broken, Ok(Vec::new()));
}
